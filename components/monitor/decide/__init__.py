"""The last task of the watch: whether a training run follows, and that it is started once."""
