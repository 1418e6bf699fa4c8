"""The vocabulary every floor speaks: values and errors, no I/O, no clock, no framework."""
