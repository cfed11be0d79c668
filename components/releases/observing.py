"""What a watch over a model keeps of an answer: the same, whether a server gave it or a batch."""

from typing import Any

import numpy as np

from components.common.data.images import Seen
from components.common.data.looks import brightness, sharpness, size
from components.releases.model import Answers, ReleasedModel


def observation(model: ReleasedModel, answers: Answers, row: int) -> dict[str, Any]:
    """Of one of the answers: columns of `components.common.served.ROWS`."""
    told = model.told(Answers(*(each[row : row + 1] for each in answers)))[0]
    return {
        "version": model.version,
        "predicted": told["class"],
        "confidence": told["confidence"],
        "abstain": told["abstain"],
        "probabilities": answers.probabilities[row].astype(np.float32),
        "embedding": answers.embeddings[row].astype(np.float16),
    }


def appearance(seen: Seen) -> dict[str, Any]:
    """Of an image: more columns of the same. seen: its width is 0 where pixels came, and no image."""
    return {
        "brightness": brightness(seen.pixels),
        "size": size(seen.width, seen.height) if seen.width else None,
        "sharpness": sharpness(seen.pixels),
    }
