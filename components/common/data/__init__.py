"""Images and where they lie: decoding, tar shards, reading them at random or as a stream, splits."""
