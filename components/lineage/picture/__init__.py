"""A lineage as a picture: where its boxes stand, and the SVG of them."""
