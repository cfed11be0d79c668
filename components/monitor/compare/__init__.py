"""The second task of the watch: what changed since the release was made, and the look at it that is published."""
