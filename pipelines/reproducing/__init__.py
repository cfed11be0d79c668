"""`gleaner release reproduce`: run again what a release was made from, and compare bytes."""
