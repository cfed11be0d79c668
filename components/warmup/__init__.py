"""A first classifier from the encoder and the few labels."""
