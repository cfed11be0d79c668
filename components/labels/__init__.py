"""The label store: what people answered, in batches that are only ever added; and the commands around it."""
