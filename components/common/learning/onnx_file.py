"""A classifier as an ONNX file, which onnxruntime computes without torch."""

import copy
import io
import warnings

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.common.artifacts import ModelSpec
from components.common.learning.models import Classifier, normalise

OPSET = 18
TOLERANCE = 1e-4  # greatest difference of a logit from torch's at which a file counts as the same model


class Answering(nn.Module):
    """Raw pixels in, logits and embedding out: what the file computes."""

    def __init__(self, classifier: Classifier, spec: ModelSpec) -> None:
        super().__init__()
        self.classifier = classifier
        self.spec = spec

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 (batch, channels, s, s) to logits (batch, classes) and unit-length embeddings (batch, features)."""
        embedding = F.normalize(self.classifier.encoder(normalise(pixels, self.spec)).float(), dim=1)
        return self.classifier.head_logits(embedding), embedding


def export(classifier: Classifier, spec: ModelSpec) -> bytes:
    """The ONNX file of a classifier: input `pixels` uint8 (batch, channels, s, s), outputs `logits` float32 (batch,
    classes) and `embedding` float32 (batch, features).

    Equal weights give equal bytes: the exporter that traces writes neither paths nor stack traces, as the one by
    torch.export does, which takes several times as long. Batch normalisations are folded into the convolutions.
    """
    module = Answering(copy.deepcopy(classifier).cpu(), spec).eval()
    pixels = torch.zeros((2, spec.channels, spec.image_size, spec.image_size), dtype=torch.uint8)
    names = {"pixels": {0: "batch"}, "logits": {0: "batch"}, "embedding": {0: "batch"}}
    written = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch speaks well of its other exporter
        torch.onnx.export(
            module,
            (pixels,),
            written,  # type: ignore[arg-type]  # this exporter takes a buffer too
            dynamo=False,
            opset_version=OPSET,
            input_names=["pixels"],
            output_names=["logits", "embedding"],
            dynamic_axes=names,
        )
    return written.getvalue()


@torch.inference_mode()
def answers(classifier: Classifier, spec: ModelSpec, pixels: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """What the file of a classifier is to answer: logits and embeddings of uint8 (batch, channels, s, s), by torch in
    float32 on the CPU, since a GPU may round more coarsely.
    """
    logits, embeddings = Answering(copy.deepcopy(classifier).cpu(), spec).eval()(pixels.cpu())
    return logits.numpy(), embeddings.numpy()
