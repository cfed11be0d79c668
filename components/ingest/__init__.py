"""A folder or prefix of images becomes a dataset: checked, split, content-addressed shards with an index."""
