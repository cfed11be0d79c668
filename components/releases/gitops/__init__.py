"""Promotions as commits in the repository that a cluster follows: one line of a manifest, pushed or proposed."""
