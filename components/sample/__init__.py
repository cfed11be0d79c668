"""Embed every image and pick the few whose labels teach most."""
