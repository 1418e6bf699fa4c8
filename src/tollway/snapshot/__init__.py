"""The immutable document one gateway runs, compiled from resources and plug-ins, whole or not at all."""
