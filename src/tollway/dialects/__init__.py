"""The API schemas: each read into the neutral conversation and written from it, hub and spoke."""
