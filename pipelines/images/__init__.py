"""Container images are built, pushed and pinned."""
