"""Train on labels and pseudo-labels: the averaged model guesses, the trained one learns from augmented copies."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.common.artifacts import ModelSpec
from components.common.cli import report
from components.common.learning.augment import augment
from components.common.learning.loading import Images
from components.common.learning.models import Classifier, normalise
from components.common.learning.supervised import endless, smooth_targets, soft_cross_entropy
from components.common.learning.training import Average, adamw, autocast, device, precision_of, set_rate, warmup_cosine
from components.common.seeding import seeded
from components.pseudolabel.checkpoints import Checkpoints
from components.pseudolabel.losses import align, mixup, partners, sharpen, unlabelled_weight
from components.pseudolabel.settings import PseudolabelSettings

RUNNING = 0.95  # memory of the mean guess that alignment divides by: some twenty steps


@dataclass(frozen=True)
class Labelled:
    rows: np.ndarray
    classes: np.ndarray  # index per row
    weights: np.ndarray | None = None  # how much each label counts, of mean 1; None where all count the same


class Guesses:
    """Soft targets for unlabelled images from the averaged model."""

    def __init__(self, expected: Tensor, settings: PseudolabelSettings) -> None:
        self.expected = expected
        self.running = expected.clone()
        self.settings = settings

    def __call__(self, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        """Targets (n, classes) and which of them are confident enough to teach, boolean (n,)."""
        self.running = RUNNING * self.running + (1 - RUNNING) * probabilities.mean(dim=0)
        if self.settings.align:
            probabilities = align(probabilities, self.expected, self.running)
        confident = probabilities.max(dim=1).values >= self.settings.threshold
        return sharpen(probabilities, self.settings.target_temperature), confident


def train(
    warm: Classifier,
    spec: ModelSpec,
    images: Images,
    labels: Labelled,
    pool: np.ndarray,
    expected: Tensor,
    settings: PseudolabelSettings,
    seed: int,
    checkpoints: Checkpoints | None = None,
) -> tuple[Classifier, list[dict[str, Any]]]:
    """The averaged model after all steps, and twenty records of loss, weight and share of confident guesses.

    expected: share of each class among unlabelled images, (classes,); checkpoints: keep the averaged weights on the
    way.
    """
    student = deepcopy(warm).to(device())
    average = Average(student, settings.ema_decay)
    optimizer = adamw(student, settings.weight_decay)
    rng, draws = seeded(seed, "pseudolabel")
    targets = smooth_targets(labels.classes, warm.head.out_features, settings.label_smoothing, labels.weights)
    guesses = Guesses(expected.to(device()), settings)
    many = settings.batch_size * settings.unlabelled_ratio
    few = endless(len(labels.rows), settings.batch_size, rng)
    others = endless(len(pool), min(many, len(pool)), rng)
    history: list[dict[str, Any]] = []
    every = max(1, settings.steps // 20)
    for step in range(settings.steps):
        set_rate(optimizer, warmup_cosine(step, settings.steps, settings.steps // 20, settings.learning_rate))
        weight = unlabelled_weight(step / settings.steps, settings.t1, settings.t2, settings.unlabelled_weight)
        some = next(few)
        unlabelled = images.batch(pool[next(others)]).to(device())
        guessed, confident = guesses(guess(average.network, spec, unlabelled, settings))
        pixels = torch.cat([images.batch(labels.rows[some]).to(device()), unlabelled])
        wanted = torch.cat([targets[some].to(device()), guessed])
        figures = learn(student, optimizer, spec, pixels, wanted, confident, weight, settings, rng, draws)
        if not np.isfinite(figures["loss"] + figures["unlabelled_loss"]):
            break  # diverged; the averaged weights are those of before, and the verdict compares them
        average.update(student, step)
        if checkpoints:
            checkpoints.see(step + 1, average.network)
        if (step + 1) % every == 0 or step + 1 == settings.steps:
            history.append({"step": step + 1, "unlabelled_weight": round(weight, 6), **figures})
            report("pseudolabel", step + 1, settings.steps, **{k: v for k, v in history[-1].items() if k != "step"})
    result = average.network.eval().requires_grad_(True)
    assert isinstance(result, Classifier)
    return result, history


@torch.inference_mode()
def guess(network: torch.nn.Module, spec: ModelSpec, pixels: Tensor, settings: PseudolabelSettings) -> Tensor:
    """Probabilities of the images as they are, float32 (n, classes)."""
    with autocast(precision_of(settings.precision)):
        return network(normalise(centre(pixels, spec.image_size), spec)).float().softmax(dim=1)


def centre(pixels: Tensor, size: int) -> Tensor:
    """The middle `size` × `size` of (n, channels, s, s)."""
    start = (pixels.shape[-1] - size) // 2
    return pixels[:, :, start : start + size, start : start + size]


def learn(
    student: Classifier,
    optimizer: torch.optim.Optimizer,
    spec: ModelSpec,
    pixels: Tensor,
    targets: Tensor,
    confident: Tensor,
    weight: float,
    settings: PseudolabelSettings,
    rng: np.random.Generator,
    draws: torch.Generator,
) -> dict[str, float]:
    """One step: mean loss of the labelled images plus `weight` times that of the unlabelled ones (Lee 2013, eq. 15).

    pixels: the labelled images, then the unlabelled ones; confident: boolean, of the unlabelled ones.
    """
    labelled = len(pixels) - len(confident)
    x = augment(pixels, settings.augment, spec.image_size, draws)
    if settings.mixup > 0:
        x, targets = mix(x, targets, confident, settings.mixup, rng, draws)
    student.train()
    with autocast(precision_of(settings.precision)):
        scores = student(normalise(x, spec))
    losses = soft_cross_entropy(scores.float(), targets)
    supervised = losses[:labelled].mean()
    unsupervised = (losses[labelled:] * confident).mean()
    optimizer.zero_grad(set_to_none=True)
    (supervised + weight * unsupervised).backward()
    optimizer.step()
    return {
        "loss": round(float(supervised.detach()), 6),
        "unlabelled_loss": round(float(unsupervised.detach()), 6),
        "confident": round(float(confident.float().mean()), 6),
    }


def mix(
    x: Tensor, targets: Tensor, confident: Tensor, alpha: float, rng: np.random.Generator, draws: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mixup among the labelled images, and among the confident ones."""
    labelled = len(x) - len(confident)
    share = torch.from_numpy(rng.beta(alpha, alpha, len(x))).float().to(x.device)
    among = torch.cat(
        [partners(torch.ones(labelled, dtype=torch.bool), draws).to(x.device), labelled + partners(confident, draws)]
    )
    return mixup(x, targets, torch.maximum(share, 1 - share), among)
