"""One temperature on held-out labels, so that a confidence of 0.9 is right nine times in ten."""
