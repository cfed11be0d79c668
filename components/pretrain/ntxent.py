"""The NT-Xent loss, and measures that detect collapse."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from components.common.learning.collective import Part, gathered


def nt_xent(z0: Tensor, z1: Tensor, temperature: float, mine: Part | None = None) -> Tensor:
    """Normalised temperature-scaled cross-entropy (Chen et al. 2020, eq. 1).

    z0, z1: projections of two views of the same images, (batch, features), of any length. Each view's positive is the
    other view of its image; its negatives are the 2 batch - 2 views of all others. Returns the mean over all views.

    mine: where these images stand in a batch of several processes. Then the return is these views' share of that mean,
    and `add_up` makes the whole of it and of its gradients.
    """
    mine = mine or Part(0, len(z0), len(z0))
    z = F.normalize(torch.cat([z0, z1]).float(), dim=1)
    everyone = gathered(z.view(2, len(z0), -1), mine).reshape(2 * mine.whole, -1)
    own = torch.arange(mine.start, mine.stop, device=z.device)
    places = torch.cat([own, own + mine.whole])  # of these views among everyone's
    similarity = z @ everyone.T / temperature
    similarity = similarity.masked_fill(places[:, None] == torch.arange(len(everyone), device=z.device), -torch.inf)
    positive = (places + mine.whole) % len(everyone)
    return F.cross_entropy(similarity, positive) * (len(z) / len(everyone))


def spread(z: Tensor) -> float:
    """One minus the squared length of the mean direction of z, (n, features): 0 where all fell on one point, 1 where
    evenly spread.
    """
    return float(1 - F.normalize(z.float(), dim=1).mean(dim=0).square().sum())


def knn_accuracy(embeddings: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Share of images whose k nearest others vote for their class, leave-one-out (Wu et al. 2018, with equal votes).

    embeddings: (n, features), unit length; labels: class indices (n,). A tie goes to the class of the smaller index.
    """
    similarity = embeddings.astype(np.float64) @ embeddings.astype(np.float64).T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, : min(k, len(labels) - 1)]
    votes = (labels[nearest][:, :, None] == np.arange(labels.max() + 1)).sum(axis=1)
    return float((votes.argmax(axis=1) == labels).mean())
