"""The vendors, one file of data each."""
