"""Where things are kept: each module implements a Protocol that a lower floor owns."""
