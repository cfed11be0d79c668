"""What may have changed since a release was made, each a test with its words: images, answers, expected accuracy."""
