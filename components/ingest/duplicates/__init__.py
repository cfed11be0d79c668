"""Near-duplicates are found among thumbnails of the images."""
