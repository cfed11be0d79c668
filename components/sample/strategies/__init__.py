"""Pure functions from a pool of embeddings, and a classifier once there is one, to the images to label next."""
