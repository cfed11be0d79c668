"""Who has which images before them now, so that two people are not asked the same at the same time."""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

SECONDS = 180.0  # that a lease lasts; an open page renews its own every few seconds


class Seat(NamedTuple):
    """A page that somebody has open; one person may have several."""

    person: str
    tab: str


class Leases:
    """Used under the lock of its owner."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, dict[Seat, float]] = {}
        self._held: dict[Seat, set[str]] = {}

    def take(self, seat: Seat, images: Iterable[str]) -> None:
        until = self._clock() + SECONDS
        for image in images:
            self._until.setdefault(image, {})[seat] = until
            self._held.setdefault(seat, set()).add(image)

    def renew(self, seat: Seat) -> None:
        self.take(seat, list(self.of(seat)))

    def give_back(self, seat: Seat, images: Iterable[str] | None = None) -> None:
        """These images, or all that a seat has."""
        for image in list(self.of(seat) if images is None else images):
            self._held.get(seat, set()).discard(image)
            seats = self._until.get(image, {})
            seats.pop(seat, None)
            if not seats:
                self._until.pop(image, None)

    def of(self, seat: Seat) -> set[str]:
        return self._held.get(seat, set())

    def others(self, seat: Seat, image: str) -> list[Seat]:
        """Other seats that have an image now."""
        if image not in self._until:
            return []
        now = self._clock()
        for late in [each for each, until in self._until[image].items() if until < now]:
            self.give_back(late, [image])
        return [each for each in self._until.get(image, ()) if each != seat]
