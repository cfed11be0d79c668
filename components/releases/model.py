"""A release that answers: its model run by onnxruntime, every byte verified before it is used.

    model = load_release("store/releases/mnist", threads=2)
    answers = model.run(np.stack([model.preprocessing.pixels(data)]))
    model.told(answers, top=3)[0]["class"]

It needs neither torch nor pyarrow.
"""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from components.common.errors import BadInputError
from components.common.metrics import abstains, conformal_sets, softmax
from components.common.runtime import onnxruntime
from components.common.storage import open_store
from components.releases.bundle import find, locate, verified_file
from components.releases.preprocessing import Preprocessing

MODEL, INT8 = "model.onnx", "model.int8.onnx"
AGAIN = "release again with this version of Gleaner"


class Answers(NamedTuple):
    """What a model says of images, a row each."""

    logits: np.ndarray  # float32 (images, classes)
    probabilities: np.ndarray  # float64 (images, classes), after the temperature
    embeddings: np.ndarray  # float32 (images, features), of unit length


class OnnxModel:
    """An ONNX file as `components.common.learning.onnx_file` writes it; any number of threads may run it at once."""

    def __init__(self, data: bytes, threads: int, called: str = MODEL) -> None:
        """`threads`: of one run. Raises BadInputError where onnxruntime cannot read the file; called: its name."""
        ort = onnxruntime()  # only now: a refused release need not wait for it
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the cores to who decodes
        try:
            self._session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            self.shape: tuple[int, int, int] = tuple(self._session.get_inputs()[0].shape[1:])
            self.classes: int = self._session.get_outputs()[0].shape[1]
        except Exception as error:  # onnxruntime has a class of its own for every way in which a file can be broken
            reason = str(error).splitlines()[0][:200]
            raise BadInputError(f"{called}: onnxruntime cannot run it ({reason}); {AGAIN}") from None

    def run(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits and embeddings of uint8 (images, channels, s, s)."""
        logits, embeddings = self._session.run(["logits", "embedding"], {"pixels": pixels})
        return logits, embeddings


@dataclass(frozen=True)
class ReleasedModel:
    """A verified release and its model."""

    about: dict[str, Any]  # release.json
    preprocessing: Preprocessing
    thresholds: dict[str, Any] | None  # of calibration.json
    onnx: OnnxModel

    @property
    def name(self) -> str:
        return self.about["model"]

    @property
    def version(self) -> str:
        return self.about["version"]

    @property
    def classes(self) -> list[str]:
        return self.about["classes"]

    @property
    def temperature(self) -> float:
        return self.about["temperature"]

    def run(self, pixels: np.ndarray) -> Answers:
        """Answers for uint8 (images, channels, s, s); any number of threads may ask at once."""
        logits, embeddings = self.onnx.run(pixels)
        return Answers(logits, softmax(logits, self.temperature), embeddings)

    def told(self, answers: Answers, top: int = 1) -> list[dict[str, Any]]:
        """Each answer in words: `class`, `confidence`, the `top` likeliest classes, whether to `abstain` (the
        confidence is below the threshold of the wanted precision), and the conformal `set` of classes.

        `abstain` and `set` are null where calibration had too few labels to promise anything. Equal probabilities are
        told in the order of the classes.
        """
        p, names = answers.probabilities, self.classes
        floor = promised(self.thresholds, "precision", "threshold")
        quantile = promised(self.thresholds, "conformal", "quantile")
        left = None if floor is None else abstains(p, floor)
        inside = None if quantile is None else conformal_sets(p, quantile)
        told = []
        for i, order in enumerate(np.argsort(-p, axis=1, kind="stable")):
            best = [{"class": names[c], "confidence": float(p[i, c])} for c in order[:top]]
            abstain = None if left is None else bool(left[i])
            likely = None if inside is None else [names[c] for c in order if inside[i, c]]
            told.append({**best[0], "top": best, "abstain": abstain, "set": likely})
        return told


def load_release(place: str, threads: int, int8: bool = False) -> ReleasedModel:
    """The release at a folder or URI (of a version, of a model: its champion) or named by a run's release.json.

    int8: the model of 8-bit weights, where the release has one. Raises BadInputError where there is no such release,
    IntegrityError where a byte of it was changed.
    """
    store = open_store(locate(place))
    folder, about = find(store)
    name = INT8 if int8 else MODEL
    if int8 and MODEL in about["files"] and INT8 not in about["files"]:
        raise BadInputError(
            f"{store.uri}/{folder}release.json: lists no {INT8}; leave int8 out, or set evaluate.int8_max_drop"
        )
    for needed in (name, "preprocessing.json", "calibration.json"):
        if needed not in about["files"]:
            raise BadInputError(f"{store.uri}/{folder}release.json: lists no {needed}; {AGAIN}")
    files = {
        each: verified_file(store, folder, about, each) for each in (name, "preprocessing.json", "calibration.json")
    }
    said = json.loads(files["preprocessing.json"])
    preprocessing = Preprocessing(said["mode"], said["image_size"], said["max_pixels"])
    model = OnnxModel(files[name], threads, f"{store.uri}/{folder}{name}")
    side = preprocessing.image_size
    expected = (len(preprocessing.mode), side, side), len(about["classes"])
    if (model.shape, model.classes) != expected:
        raise BadInputError(
            f"{store.uri}/{folder}{name}: reads {model.shape} and knows {model.classes} classes, but the release says "
            f"{expected[0]} and {expected[1]}; {AGAIN}"
        )
    thresholds = json.loads(files["calibration.json"]).get("thresholds")
    return ReleasedModel(about, preprocessing, thresholds, model)


def promised(thresholds: dict[str, Any] | None, kind: str, name: str) -> float | None:
    """A value of calibration.json's thresholds; None where calibration had too few labels to promise it."""
    return None if thresholds is None else thresholds[kind][name]
