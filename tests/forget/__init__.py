"""Tests of forgetting images."""
