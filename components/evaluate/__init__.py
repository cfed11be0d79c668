"""Measure on the test split, in a notebook people read and gates the release obeys."""
