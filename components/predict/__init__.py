"""Classify images with a release, by the file, the folder or the million."""
