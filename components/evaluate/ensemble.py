"""Ask the last checkpoints of a classifier about images in several views, through thinned heads."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from components.common import metrics as m
from components.common.artifacts import ModelSpec
from components.common.cli import report
from components.common.learning.augment import augment
from components.common.learning.models import Classifier, load_checkpoints, load_classifier, normalise
from components.common.learning.training import device
from components.common.seeding import seeded
from components.common.settings import Augment
from components.evaluate.measures.uncertainty import opinion, thinned
from components.evaluate.settings import Precise


class Ensemble:
    """The classifier of a folder and its checkpoints x views (the image as it is, then augmented as in training) x
    passes of MC-dropout on the embedding, each a member. A forward pass of an encoder for each model and view; the
    passes cost next to nothing, for they run the head alone.
    """

    def __init__(self, classifier: Path, temperature: float, settings: Precise, seed: int, total: int) -> None:
        """total: images that will be asked about, for the progress."""
        final, self.spec, about = load_classifier(classifier)
        self.networks = [self._ready(each) for each in (final, *load_checkpoints(classifier))]
        self.classes: list[str] = about["classes"]
        self.augment = Augment.model_validate(about["settings"].get("augment") or {})
        self.temperature, self.views = temperature, settings.views
        rng, self.draws = seeded(seed, "precise")
        features = final.head.in_features
        self.masks = [thinned(features, settings.dropout, settings.passes, rng) for _ in self.networks]
        self.done, self.total = 0, total

    @staticmethod
    def _ready(network: Classifier) -> Classifier:
        return network.to(device(), memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    @torch.inference_mode()
    def __call__(self, pixels: Tensor) -> np.ndarray:
        """uint8 (n, channels, s, s) to float64 (n, 2 classes + 2): the probabilities of the classifier alone, those of
        the ensemble, and of the latter the entropy and the mutual information.
        """
        alone = self._softmax(self.networks[0](normalise(pixels.to(device()), self.spec)))
        together = opinion(self.members(pixels))
        self.done += len(pixels)
        report("evaluate", self.done, self.total, models=len(self.networks), views=self.views)
        return np.column_stack([alone, *together])

    @torch.inference_mode()
    def members(self, pixels: Tensor) -> Iterator[np.ndarray]:
        """Probabilities of each member, float64 (n, classes)."""
        views = [pixels if not number else self._changed(pixels, self.spec) for number in range(self.views)]
        for network, masks in zip(self.networks, self.masks, strict=True):
            for view in views:
                embedding = F.normalize(network.encoder(normalise(view.to(device()), self.spec)).float(), dim=1)
                for mask in torch.from_numpy(masks).to(device()):
                    yield self._softmax(network.head_logits(embedding * mask))

    def _changed(self, pixels: Tensor, spec: ModelSpec) -> Tensor:
        return augment(pixels, self.augment, spec.image_size, self.draws)

    def _softmax(self, logits: Tensor) -> np.ndarray:
        return m.softmax(logits.float().cpu().numpy(), self.temperature)
