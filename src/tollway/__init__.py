"""Tollway: one governed, OpenAI-compatible road between applications and large language models."""

__version__ = "0.1.0"
