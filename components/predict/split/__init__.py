"""The first task of a batch: the release is settled, the images are listed and shared out."""
