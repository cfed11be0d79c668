"""Fine-tune a classifier: fit the head on stored embeddings, then train all weights."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from components.common.artifacts import ModelSpec
from components.common.cli import progress
from components.common.learning.augment import augment
from components.common.learning.loading import Images
from components.common.learning.models import Classifier, normalise
from components.common.learning.supervised import endless, smooth_targets, soft_cross_entropy
from components.common.learning.training import adamw, autocast, device, precision_of, set_rate, warmup_cosine
from components.common.seeding import seeded
from components.warmup.settings import WarmupSettings

HEAD_RATE = 1e-2  # AdamW's peak on the head alone: a convex problem, which any rate near it solves


def fit_head(
    model: Classifier,
    embeddings: np.ndarray,
    labels: np.ndarray,
    settings: WarmupSettings,
    weights: np.ndarray | None = None,
) -> None:
    """Fit the head from zero on stored embeddings, float (n, features), all of them in every step.

    weights: (n,) of mean 1, how much each label counts; None where all count the same.
    """
    torch.nn.init.zeros_(model.head.weight)
    torch.nn.init.zeros_(model.head.bias)
    x = torch.from_numpy(embeddings.astype(np.float32)).to(device())
    targets = smooth_targets(labels, model.head.out_features, settings.label_smoothing, weights).to(device())
    optimizer = torch.optim.AdamW(model.head.parameters(), weight_decay=settings.weight_decay)
    for step in range(settings.head_steps):
        set_rate(optimizer, warmup_cosine(step, settings.head_steps, 0, HEAD_RATE))
        loss = F.cross_entropy(model.head_logits(x), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def finetune(
    model: Classifier,
    spec: ModelSpec,
    images: Images,
    rows: np.ndarray,
    labels: np.ndarray,
    settings: WarmupSettings,
    seed: int,
    weights: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """Train all weights on changed copies of the labelled images; returns the loss at twenty points. weights: as of
    `fit_head`.
    """
    optimizer = adamw(model, settings.weight_decay)
    rng, draws = seeded(seed, "warmup")
    precision = precision_of(settings.precision)
    targets = smooth_targets(labels, model.head.out_features, settings.label_smoothing, weights)
    batches = endless(len(rows), settings.batch_size, rng)
    history: list[dict[str, Any]] = []
    every = max(1, settings.steps // 20)
    model.train()
    for step in progress(range(settings.steps), settings.steps, "warmup", every):
        set_rate(optimizer, warmup_cosine(step, settings.steps, settings.steps // 10, settings.learning_rate))
        some = next(batches)
        pixels = images.batch(rows[some]).to(device())
        x = normalise(augment(pixels, settings.augment, spec.image_size, draws), spec)
        with autocast(precision):
            scores = model(x)
        loss = soft_cross_entropy(scores.float(), targets[some].to(device())).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if (step + 1) % every == 0:
            history.append({"step": step + 1, "loss": round(float(loss.detach()), 6)})
    model.eval()
    return history
