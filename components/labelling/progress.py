"""How far a round is: which images are done, by purpose, kept up to date answer by answer."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from components.common.artifacts import SPLITS
from components.labelling.asked import Asked
from components.labelling.audited import AUDIT
from components.labelling.said import Said


class Progress:
    """Used under the lock of its owner."""

    def __init__(self, asked: Asked, said: Said, annotators: int) -> None:
        self.asked, self.said, self.annotators = asked, said, annotators
        self.done: set[str] = set()
        self.undecided: set[str] = set()
        """Images that people disagree about, as many one way as another."""
        self._images = Counter(pick.purpose for pick in asked.all_picks.values())
        self._done: Counter[str] = Counter()
        self.recount([*asked.all_picks, *said.images()])

    def recount(self, images: Iterable[str]) -> None:
        """Look at these images again, after something was said about them."""
        for image in set(images):
            undecided = self.said.of(image).undecided
            (self.undecided.add if undecided else self.undecided.discard)(image)
            was, now = image in self.done, self.is_done(image)
            if was == now:
                continue
            (self.done.add if now else self.done.discard)(image)
            if pick := self.asked.all_picks.get(image):
                self._done[pick.purpose] += 1 if now else -1

    def told(self) -> dict[str, Any]:
        """By purpose the images that are asked for and those that are done; `beyond`: labelled without being asked for,
        by clusters or elsewhere.
        """
        return {
            "round": self.asked.round,
            "candidates": self.asked.candidates.key,
            "purposes": [
                {"purpose": split, "images": self._images[split], "done": self._done[split]}
                for split in (*SPLITS, AUDIT)
                if self._images[split]
            ],
            "beyond": len(self.done) - self._done.total(),
        }

    def is_done(self, image: str) -> bool:
        pick = self.asked.all_picks.get(image)
        if pick and pick.label is not None and not self.said.has_history(image):
            return True  # the label came from elsewhere
        stands = self.said.of(image)
        return stands.voters >= self.annotators and not stands.undecided
