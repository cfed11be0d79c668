"""Files of a source are read and decoded in worker processes, or refused with a reason."""
