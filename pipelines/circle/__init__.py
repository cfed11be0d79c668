"""Rehearse the whole circle on a stream of images: serve, log, watch, label, train, promote."""
