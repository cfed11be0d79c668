"""The memory that training on pseudo-labels needs with its settings."""

from components.common import memory
from components.common.artifacts import Dataset, ModelSpec
from components.common.learning.footprint import added, count, either, inference, shape_of, training
from components.common.learning.inference import BATCH
from components.common.learning.loading import kept_bytes, load_size
from components.common.learning.models import Classifier, build_encoder
from components.common.learning.training import precision_of
from components.common.memory import Need
from components.pseudolabel.settings import PseudolabelSettings

COPIES = 5  # of the weights, beside the warm-up model's: the student with gradients and moments, and its average


def check_memory(data: Dataset, spec: ModelSpec, classes: int, pool: int, settings: PseudolabelSettings) -> None:
    """Say beforehand where these settings do not fit the memory of this machine or pod (`memory.check`).

    pool: unlabelled images. The warm-up model is loaded.
    """
    levers = [f"pseudolabel.{name} ({getattr(settings, name)})" for name in ("batch_size", "unlabelled_ratio")]
    levers.append(f"pretrain.image_size ({spec.image_size})")
    memory.check("pseudolabel", lambda: needed(data, spec, classes, pool, settings), levers)


def needed(data: Dataset, spec: ModelSpec, classes: int, pool: int, settings: PseudolabelSettings) -> Need:
    """Bytes of this process: what it holds already, a step or a forward pass, and the pixels that are kept."""

    def build() -> Classifier:
        return Classifier(build_encoder(spec), classes)

    others = min(settings.batch_size * settings.unlabelled_ratio, pool)
    step = Need(0, 0)
    if settings.steps:
        shape = shape_of(spec, settings.batch_size + others)
        step = training(count(build, shape, precision_of(settings.precision)), COPIES + settings.checkpoints)
    kept = kept_bytes(min(pool, settings.steps * others), data, spec.mode, load_size(spec.image_size))
    return added(memory.held(), either(step, inference(build, shape_of(spec, BATCH))), Need(0, kept))
