"""Which pixels an answer rests on, by integrated gradients (Sundararajan et al. 2017)."""

from html import escape

import numpy as np
import torch
from IPython.display import HTML
from PIL import Image
from torch import Tensor, nn

from components.common.data.pictures import small
from components.common.html import image_tag, note
from components.common.learning.loading import Images
from components.common.learning.models import load_classifier, normalise
from components.common.learning.training import set_threads
from components.common.storage import open_store
from components.common.words import whole
from components.evaluate.pages.facts import Evaluation

STEPS = 24  # of Gauss-Legendre quadrature along the path from the baseline
BYTES = 300_000  # of all pictures
HEAT = np.array([213, 94, 0], dtype=np.float64)  # the orange of report.css


def saliency(facts: Evaluation, images: int) -> HTML:
    """The surest mistakes, and as many of the surest right answers, each beside what its answer rests on."""
    places = chosen(
        facts.predictions["label"] == facts.predictions["predicted"], facts.predictions["confidence"], images
    )
    if not len(places):
        return HTML(note("No image to show: evaluate.saliency asks for none."))
    set_threads(facts.threads)
    model, spec, about = load_classifier(facts.classifier)
    images_of = Images(facts.dataset, open_store(facts.store), spec.mode, spec.image_size, keep=False)
    pixels = images_of.batch(np.array([facts.row_of[image] for image in facts.predictions["id"][places]]))
    output_of = {name: number for number, name in enumerate(about["classes"])}
    answers = torch.tensor([output_of[name] for name in facts.predictions["predicted"][places]])
    weights = smoothed(attributions(model, normalise(pixels, spec), answers).abs().sum(dim=1))
    most = BYTES // (2 * len(places))
    cells = [_pair(facts, int(place), pixels[k].numpy(), weights[k].numpy(), most) for k, place in enumerate(places)]
    return HTML('<div class="saliency">\n' + "\n".join(cells) + "\n</div>")


def chosen(right: np.ndarray, confidence: np.ndarray, images: int) -> np.ndarray:
    """Places of the surest mistakes, half of `images` or more where fewer answers are right, then of those."""
    order = np.argsort(-confidence, kind="stable")
    wrong = order[~right[order]][: max((images + 1) // 2, images - int(right.sum()))]
    return np.concatenate([wrong, order[right[order]][: images - len(wrong)]])


def attributions(model: nn.Module, pixels: Tensor, answers: Tensor, steps: int = STEPS) -> Tensor:
    """How much each value of normalised pixels (n, channels, s, s) counts for the logit of its answer (n,), in the same
    shape; with more steps, they add up to the logit of the image less that of the baseline.

    The baseline is the image, blurred (Sturmfels et al. 2020). From a plain one the path would be a ray, and the head
    looks at the direction of the features alone: along a ray it hardly changes.
    """
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(model.eval().cpu())
    baseline = blurred(pixels, pixels.shape[-1] // 3)
    found = method.attribute(pixels, baseline, answers, n_steps=steps, internal_batch_size=len(pixels))
    return found.detach().float()


def blurred(pixels: Tensor, window: int) -> Tensor:
    """Pixels (n, channels, s, s) averaged twice over squares of about `window`: two boxes make a hat."""
    odd = max(3, window | 1)
    for _ in range(2):
        pixels = nn.functional.avg_pool2d(pixels, odd, 1, odd // 2, count_include_pad=False)
    return pixels


def smoothed(weights: Tensor) -> Tensor:
    """Weights (n, s, s) blurred over a fourteenth of the side, since single pixels are noisy, from 0 to 1 each."""
    weights = blurred(weights[:, None], weights.shape[-1] // 14)[:, 0]
    top = weights.flatten(1).quantile(0.995, dim=1)[:, None, None]
    return (weights / top.clamp_min(1e-12)).clamp(0, 1)


def shaded(pixels: np.ndarray, weights: np.ndarray) -> Image.Image:
    """Grey pixels (channels, s, s), uint8, with orange as deep as the weights (s, s)."""
    grey = pixels.mean(axis=0)[..., None] * 0.75 + 40
    depth = 0.9 * weights[..., None]
    return Image.fromarray(np.rint(grey * (1 - depth) + HEAT * depth).clip(0, 255).astype(np.uint8))


def _pair(facts: Evaluation, place: int, pixels: np.ndarray, weights: np.ndarray, most: int) -> str:
    columns = facts.predictions
    label, said = str(columns["label"][place]), str(columns["predicted"][place])
    caption = "and said so" if label == said else f"taken for {said}"
    plain = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    tags = [
        image_tag(small(image, most), alt)
        for image, alt in ((plain, label), (shaded(pixels, weights), "what the answer rests on"))
    ]
    return (
        f'<figure class="pair"><div>{"".join(tags)}</div><figcaption><b>{escape(label)}</b> {escape(caption)} '
        f"({whole(columns['confidence'][place])})</figcaption></figure>"
    )
