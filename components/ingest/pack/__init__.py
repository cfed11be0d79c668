"""A task of ingest: pack a range of a plan's parts."""
