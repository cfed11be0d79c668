"""Tests of drift, estimates without labels, and bounds that hold however often somebody looks: pure functions."""
