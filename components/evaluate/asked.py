"""What the models answer on the test images: the final one, the warm-up model, the champion, side by side."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from components.common import metrics as m
from components.common.artifacts import Dataset, ModelSpec
from components.common.data.classes import Classes, check_trained
from components.common.learning.footprint import check_inference
from components.common.learning.inference import over_rows, predict_pixels
from components.common.learning.loading import Images
from components.common.learning.models import load_classifier
from components.common.storage import open_store
from components.evaluate.champion import Champion


class Said(NamedTuple):
    """What one model says of images, each (images,)."""

    predicted: np.ndarray  # names of classes
    confidence: np.ndarray  # float64
    right: np.ndarray  # boolean

    def at(self, where: np.ndarray) -> "Said":
        return Said(*(column[where] for column in self))


class Asked(NamedTuple):
    """The images of some rows of the index, and what was found on their pixels; an array each, (images, …)."""

    rows: np.ndarray
    logits: np.ndarray  # of the final model, a column for every class
    warm_logits: np.ndarray
    champion: np.ndarray | None  # probabilities of the champion's own classes, after its temperature
    brightness: np.ndarray  # mean of the pixels, 0 to 1


class Asker:
    """Runs the models on rows of a dataset; images that several of them read are decoded once."""

    def __init__(
        self,
        classifier: Path,
        warm: Path,
        champion: Champion | None,
        classes: Classes,
        data: Dataset,
        store: str,
        batch_size: int,
    ) -> None:
        self.classes, self.data, self.store, self.batch_size = classes, data, open_store(store), batch_size
        self.specs: list[ModelSpec] = []
        self.models: list[Callable[[Tensor], np.ndarray]] = []
        for folder in (classifier, warm):
            network, spec, about = load_classifier(folder)
            check_trained(classes, about, folder)
            self.specs.append(spec)
            self.models.append(partial(predict_pixels, network, spec))
        self.champion = champion.model if champion else None
        self._images: dict[tuple[str, int], Images] = {}

    def __call__(self, rows: np.ndarray) -> Asked:
        """All of them on these rows; of none, arrays without rows."""
        final, warm = self.specs
        width = len(self.classes.names)
        if not len(rows):
            nothing = np.empty((0, width), np.float32)
            return Asked(rows, nothing, nothing, None if self.champion is None else nothing, np.empty(0))
        check_inference("evaluate", final, min(self.batch_size, len(rows)), "batch_size")
        wanted = [
            ((final.mode, final.image_size), self.models[0]),
            ((warm.mode, warm.image_size), self.models[1]),
            ((final.mode, final.image_size), brightness_of),
        ]
        if self.champion:
            reads = self.champion.preprocessing
            wanted.append(((reads.mode, reads.image_size), self._ask_champion))
        found: list[np.ndarray] = [np.empty(0)] * len(wanted)
        for kind in dict.fromkeys(kind for kind, _ in wanted):
            places = [place for place, (each, _) in enumerate(wanted) if each == kind]
            results = over_rows([wanted[place][1] for place in places], self._of(kind), rows, self.batch_size)
            for place, result in zip(places, results, strict=True):
                found[place] = result
        logits, warm_logits = (self.classes.spread(each) for each in found[:2])
        return Asked(rows, logits, warm_logits, found[3] if self.champion else None, found[2])

    def final(self, rows: np.ndarray) -> np.ndarray:
        """Logits of the final model alone, a column for every class."""
        if not len(rows):
            return np.empty((0, len(self.classes.names)), np.float32)
        spec = self.specs[0]
        images = self._of((spec.mode, spec.image_size))
        return self.classes.spread(over_rows([self.models[0]], images, rows, self.batch_size)[0])

    def _of(self, kind: tuple[str, int]) -> Images:
        if kind not in self._images:
            self._images[kind] = Images(self.data, self.store, *kind)
        return self._images[kind]

    def _ask_champion(self, pixels: Tensor) -> np.ndarray:
        assert self.champion is not None
        return self.champion.run(pixels.numpy()).probabilities


def said(probabilities: np.ndarray, names: list[str], labels: np.ndarray) -> Said:
    """probabilities: (images, classes) for the classes `names`; labels: names of the true ones (images,)."""
    if not len(probabilities):
        return Said(np.empty(0, object), np.empty(0), np.empty(0, bool))
    predicted = np.array(names, dtype=object)[probabilities.argmax(axis=1)]
    return Said(predicted, probabilities.max(axis=1), predicted == labels)


def said_by(asked: Asked, names: list[str], labels: np.ndarray, temperature: float) -> tuple[Said, Said]:
    """What the final model says, its confidence after the temperature, and the warm-up model."""
    final = m.softmax(asked.logits, temperature) if len(asked.rows) else asked.logits
    warm = m.softmax(asked.warm_logits) if len(asked.rows) else asked.warm_logits
    return said(final, names, labels), said(warm, names, labels)


def brightness_of(pixels: Tensor) -> np.ndarray:
    """Mean of the pixels of each image, 0 to 1; uint8 (n, channels, s, s)."""
    return pixels.double().mean(dim=(1, 2, 3)).div(255).numpy()
