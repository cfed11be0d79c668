"""MNIST-5k, three seeds: warm-up, pseudo-labels and training from scratch on the same labels, measured on the test
split.

The demo's configuration; nothing in it was chosen by looking at the test split.
"""

import io
import json
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from components.common.artifacts import TEST, TRAIN, load_dataset, load_labels
from components.common.data.splits import labelled
from components.common.learning.inference import logits
from components.common.learning.loading import Images
from components.common.learning.models import Classifier, build_encoder, load_classifier
from components.common.learning.training import initialise, set_threads
from components.common.storage import open_store
from components.warmup.finetune import finetune
from components.warmup.settings import WarmupSettings
from tests.bench.machine import spread

CONFIG = Path(__file__).parents[2] / "pipelines" / "configs" / "mnist.yaml"
SEEDS = (0, 1, 2)
BUDGETS = (30, 100)
SCRATCH_STEPS = 1000  # from random weights, five times the warm-up's: its loss has long been flat by then


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as folder:
        root = Path(folder)
        gleaner("example", "mnist", str(root / "mnist"))
        for budget in BUDGETS:
            runs = [one_run(root, seed, budget) for seed in SEEDS]
            print(
                f"MNIST-5k, {budget} chosen training labels + 50 validation + 100 calibration, "
                f"{runs[0]['images']} test images"
            )
            for name in ("scratch", "warmup_accuracy", "accuracy", "ece_before", "ece_after"):
                print(f"  {NAMES[name]:42} {spread([run[name] for run in runs], 100, 2, ' %')}")
            print(
                f"  {NAMES['gain']:42} "
                f"{spread([run['accuracy'] - run['warmup_accuracy'] for run in runs], 100, 2, ' points')}"
            )
            print(
                f"  {'seconds of the stages that ran':42} {spread([run['seconds'] for run in runs], 1, 0, ' s')}\n",
                flush=True,
            )


ARTIFACTS = (("ingest", "dataset"), ("sample", "labels"), ("warmup", "warm"))
NAMES = {
    "scratch": "supervised from scratch, same labels",
    "warmup_accuracy": "warm-up (SimCLR encoder, same labels)",
    "accuracy": "final (pseudo-labels)",
    "gain": "final over warm-up",
    "ece_before": "ECE before the temperature",
    "ece_after": "ECE after the temperature",
}


def one_run(root: Path, seed: int, budget: int) -> dict[str, Any]:
    """Figures of one run of the whole pipeline; runs of one seed share the encoder through the cache."""
    workdir = root / "work"
    gleaner(
        "run",
        str(CONFIG),
        f"source={root / 'mnist'}",
        f"store={root / 'store'}",
        f"seed={seed}",
        f"sample.train_budget={budget}",
        "--workdir",
        str(workdir),
    )
    record = json.loads(
        max((workdir / "runs").glob("*/run.json"), key=lambda path: path.stat().st_mtime_ns).read_text()
    )
    stages = {stage["name"]: stage for stage in record["stages"]}
    figures: dict[str, Any] = stages["evaluate"]["outputs"]["metrics"]["metadata"]
    data, labels, warm = (Path(stages[stage]["outputs"][name]["uri"]) for stage, name in ARTIFACTS)
    return {**figures, "seconds": record["seconds"], "scratch": scratch(data, labels, warm, str(root / "store"), seed)}


def scratch(dataset: Path, labels: Path, warm: Path, store: str, seed: int, threads: int = 2) -> float:
    """Test accuracy of the same network, trained from random weights on the same labels with the same changes of the
    images.
    """
    set_threads(threads)
    data = load_dataset(dataset)
    table, about = load_labels(labels)
    _, spec, how = load_classifier(warm)
    settings = WarmupSettings.model_validate({**how["settings"], "steps": SCRATCH_STEPS})
    model = initialise(lambda: Classifier(build_encoder(spec), len(about["classes"])), seed)
    assert isinstance(model, Classifier)
    images = Images(data, open_store(store), spec.mode, spec.image_size, threads)
    with redirect_stdout(io.StringIO()):  # its progress
        finetune(model, spec, images, *labelled(data, table, about["classes"], TRAIN), settings, seed)
    rows, truth = labelled(data, table, about["classes"], TEST)
    return float(np.mean(logits(model, spec, images, rows, 256).argmax(axis=1) == truth))


def gleaner(*words: str) -> None:
    command = [sys.executable, "-m", "pipelines", *words]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=CONFIG.parents[2])
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
