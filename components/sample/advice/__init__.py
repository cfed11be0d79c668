"""Say whether more labels would pay: the learning curve of a cheap probe, and where it leads."""
