"""Readers of label tables and of Label Studio's exports, and the merging of annotators' answers."""
