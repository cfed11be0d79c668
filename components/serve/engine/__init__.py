"""What makes an answer of an image: its decoding, batches of several, and the release that is used."""
