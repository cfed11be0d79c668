"""The memory that the warm-up needs with its settings."""

from components.common import memory
from components.common.artifacts import ModelSpec
from components.common.learning.footprint import added, count, either, inference, shape_of, training
from components.common.learning.inference import BATCH
from components.common.learning.models import Classifier, build_encoder
from components.common.learning.training import precision_of
from components.common.memory import Need
from components.warmup.settings import WarmupSettings


def check_memory(spec: ModelSpec, classes: int, validated: int, settings: WarmupSettings) -> None:
    """Say beforehand where these settings do not fit the memory of this machine or pod (`memory.check`).

    validated: validation images. The encoder is loaded.
    """
    levers = [f"warmup.batch_size ({settings.batch_size})", f"pretrain.image_size ({spec.image_size})"]
    memory.check("warmup", lambda: needed(spec, classes, validated, settings), levers)


def needed(spec: ModelSpec, classes: int, validated: int, settings: WarmupSettings) -> Need:
    """Bytes of this process: what it holds already, and a step or a forward pass on validation images."""

    def build() -> Classifier:
        return Classifier(build_encoder(spec), classes)

    step = Need(0, 0)
    if settings.steps:
        counted = count(build, shape_of(spec, settings.batch_size), precision_of(settings.precision))
        step = training(counted, copies=3)
    return added(memory.held(), either(step, inference(build, shape_of(spec, min(BATCH, validated)))))
