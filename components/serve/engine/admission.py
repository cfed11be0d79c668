"""A bounded number of requests, images and bytes under way; whoever comes beyond it is told to come again."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from components.serve.engine.errors import RefusedError

LONGEST = 30  # seconds that anybody is told to wait
FEWEST = 4  # images that may always be under way, however slow


class Admission:
    """Counts what is under way. A request takes a place before its body is read, so memory stays bounded."""

    def __init__(self, images: int, size: int, delay: float) -> None:
        """images: most of them under way, a request of none counting as one; size: most bytes of bodies held; delay:
        seconds that a request may have to wait, by the pace of those before it.
        """
        self.most_images, self.most_bytes, self.delay = images, size, delay
        self.images = self.bytes = 0
        self.pace = 0.0  # seconds per image, lately, while several were under way
        self._last = 0.0

    @property
    def is_full(self) -> bool:
        is_slow = self.images >= FEWEST and self.images * self.pace > self.delay
        return is_slow or self.images >= self.most_images

    @contextmanager
    def place(self, size: int) -> Iterator["Place"]:
        """A place for a request whose body has `size` bytes; RefusedError (429) where there is none."""
        held = Place(self)
        if self.is_full:
            raise self.busy()
        try:
            held.take(1, size)
            yield held
        finally:
            held.leave()

    def busy(self) -> RefusedError:
        """What is told to whoever comes beyond the bound."""
        wait = min(max(1, math.ceil(self.images * self.pace)), LONGEST)
        return RefusedError(f"too many images wait already; try again in {wait} s", 429, {"retry-after": str(wait)})

    def done(self, images: int) -> None:
        """Note that so many images were answered."""
        now = time.monotonic()
        if self._last and self.images > images:
            self.pace += ((now - self._last) / images - self.pace) / 8
        self._last = now

    def rest(self) -> None:
        """Nothing is under way: the time until something is again says nothing of the pace."""
        self._last = 0.0


class Place:
    """What one request holds."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.images = self.bytes = 0

    def take(self, images: int, size: int) -> None:
        """Hold so many images and bytes more."""
        all_of_them = self.admission
        if all_of_them.images + images > all_of_them.most_images or all_of_them.bytes + size > all_of_them.most_bytes:
            raise all_of_them.busy()
        all_of_them.images += images
        all_of_them.bytes += size
        self.images += images
        self.bytes += size

    def holds(self, images: int) -> None:
        """The request turned out to be of so many images."""
        if images > self.images:
            self.take(images - self.images, 0)

    def leave(self) -> None:
        self.admission.images -= self.images
        self.admission.bytes -= self.bytes
        self.images = self.bytes = 0
        if not self.admission.images:
            self.admission.rest()
