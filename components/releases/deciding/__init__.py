"""Decisions about releases: by the gates alone or by people, and who is told of them."""
