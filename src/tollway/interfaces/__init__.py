"""Protocols and plain values at every seam; what stands on either side never meets directly."""
