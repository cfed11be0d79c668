"""The version of a dataset that a new one builds on: its images, ids, shards and thumbnails."""
