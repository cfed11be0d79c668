"""Figures of the report that are more than one line: pure functions of arrays, each with its source."""
