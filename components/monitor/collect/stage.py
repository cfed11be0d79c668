"""Collect: one window of what a release answered, or its answers for images, beside its reference."""
