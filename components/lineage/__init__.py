"""Tell what releases, labels and images have to do with each other: from an answer back to the images, and forth."""
