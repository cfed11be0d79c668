"""Embedding a slice of the dataset, by as many tasks as there are workers, and joining the slices."""
