"""Files of a source are read and decoded in worker processes, and refused with a reason where they are no good image."""
