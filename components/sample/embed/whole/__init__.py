"""Embedding a whole dataset at once, for a run whose labels are known already."""
