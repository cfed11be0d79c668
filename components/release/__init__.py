"""Publish an immutable, verifiable bundle, or record why not."""
