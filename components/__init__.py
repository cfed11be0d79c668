"""The eight stages of Gleaner, one folder each, and what several of them share (`common`)."""
