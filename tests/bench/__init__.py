"""Figures, measured side by side and printed; nothing here fails for being slow."""
