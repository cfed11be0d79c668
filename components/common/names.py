"""Normalise the names of classes."""

import unicodedata


def class_name(text: str) -> str:
    """The name in Unicode's composed form (NFC), without white space around it."""
    return unicodedata.normalize("NFC", text).strip()
