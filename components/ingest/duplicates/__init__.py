"""Near-duplicates and edited copies are found among thumbnails of the images."""
