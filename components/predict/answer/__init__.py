"""Tasks of a batch that classify side by side, each a range of its parts."""
