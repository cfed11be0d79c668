"""All that a store knows of an image, of labels, or of a release, and how that is told."""
