"""A task of ingest: list the source once, for workers that pack it side by side."""
