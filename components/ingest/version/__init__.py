"""Packed parts and the previous version become a new version: images joined, grouped, laid out in shards, published."""
