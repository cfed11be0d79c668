"""What changes a place: every change is noted, and made unless it is only looked at."""

from pathlib import Path
from typing import NamedTuple

from components.common.storage import Store

ANEW, REMOVED = "written anew", "removed"


class Change(NamedTuple):
    """What happens to an object that holds something of the images."""

    what: str  # ANEW or REMOVED
    place: str  # its URI or path


class Hand:
    """Changes objects of one place. only_look: nothing is changed, and `changes` says what would be."""

    def __init__(self, store: Store, only_look: bool) -> None:
        self.store = store
        self.only_look = only_look
        self.changes: list[Change] = []

    def add(self, key: str, data: bytes | Path) -> None:
        """Write what takes the place of another object, which is replaced or removed later."""
        if self.only_look:
            return
        if isinstance(data, Path):
            self.store.upload(key, data)
        else:
            self.store.write(key, data)

    def replace(self, key: str, data: bytes) -> None:
        """Write an object anew; a reader sees the old one or the new one."""
        self._note(ANEW, key)
        if not self.only_look:
            self.store.write(key, data)

    def delete(self, key: str, anew: bool = False) -> None:
        """Remove an object. anew: what is left of it was added under another name."""
        self._note(ANEW if anew else REMOVED, key)
        if not self.only_look:
            self.store.delete(key)

    def _note(self, what: str, key: str) -> None:
        self.changes.append(Change(what, f"{self.store.uri}/{key}"))
