"""What a stage finds beforehand that it needs, in a process of its own, from the artifacts of a run."""

import json
import subprocess
import sys
from pathlib import Path

from components.common import memory
from components.common.artifacts import VALIDATION, load_dataset, load_labels
from components.common.data.classes import classes_of
from components.common.data.splits import labelled, unlabelled_pool
from components.common.learning.footprint import added, inference, shape_of
from components.common.learning.inference import BATCH
from components.common.learning.models import build_encoder, load_classifier, load_encoder
from components.common.memory import Need
from components.pretrain import needs as pretrain
from components.pseudolabel import needs as pseudolabel
from components.warmup import needs as warmup
from pipelines.configuration.config import load_config

STAGES = ("pretrain", "sample", "warmup", "pseudolabel")


def estimate(run: Path, stage: str) -> Need:
    """In a new process: what this one holds would count."""
    done = subprocess.run([sys.executable, "-m", __name__, str(run), stage], check=True, capture_output=True)
    return Need(*json.loads(done.stdout))


def _here(run: Path, stage: str) -> Need:
    config = load_config(run / "config.yaml")
    data = load_dataset(run / "ingest" / "dataset")
    pool = unlabelled_pool(data)
    if stage == "pretrain":
        batch = min(config.pretrain.batch_size, len(pool))
        return pretrain.needed(data, pool, config.pretrain.model_copy(update={"batch_size": batch}))
    if stage == "sample":
        _network, spec, _ = load_encoder(run / "pretrain" / "encoder")
        return added(memory.held(), inference(lambda: build_encoder(spec), shape_of(spec, BATCH)))
    table, about = load_labels(run / "sample" / "labels")
    classes = classes_of(table, about["classes"])
    if stage == "warmup":
        _network, spec, _ = load_encoder(run / "pretrain" / "encoder")
        held, _ = labelled(data, table, classes.names, VALIDATION)
        return warmup.needed(spec, len(classes.trained), len(held), config.warmup)
    _model, spec, _ = load_classifier(run / "warmup" / "warm")
    return pseudolabel.needed(data, spec, len(classes.trained), len(pool), config.pseudolabel)


if __name__ == "__main__":
    print(json.dumps(_here(Path(sys.argv[1]), sys.argv[2])))
