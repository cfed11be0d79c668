"""The page that people label on, in a browser."""
