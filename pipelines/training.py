"""The training pipeline, as a table of contents: eight stages, wired by their artifacts."""

from typing import Any

from kfp import dsl

from components.calibrate.component import calibrate
from components.evaluate.component import evaluate
from components.ingest.component import ingest
from components.ingest.pack.component import pack
from components.ingest.plan.component import plan
from components.pretrain.component import pretrain
from components.pseudolabel.component import pseudolabel
from components.release.component import release
from components.sample.component import sample
from components.warmup.component import warmup


def ingested(source_version: str, **of: Any) -> Any:
    """The dataset: listed once, packed by as many workers as its settings say, joined."""
    with dsl.ParallelFor(plan(source_version=source_version, **of).outputs["parts"]) as parts:
        packed = pack(parts=parts, **of).outputs["packed"]
    return ingest(source_version=source_version, packed=dsl.Collected(packed), **of).outputs["dataset"]


@dsl.pipeline(name="gleaner-training", description="From a folder of images and a few labels to a calibrated, released classifier.")
def training(
    source: str,
    name: str,
    store: str,
    source_version: str = "",
    seed: int = 0,
    threads: int = 2,
    ingest_settings: dict = {},
    pretrain_settings: dict = {},
    sample_settings: dict = {},
    warmup_settings: dict = {},
    pseudolabel_settings: dict = {},
    calibrate_settings: dict = {},
    evaluate_settings: dict = {},
    release_settings: dict = {},
) -> None:
    """Train, calibrate, measure and release a classifier.

    Args:
        source: Folder or s3:// prefix of images, class sub-folders are labels; or an archive, or a CSV or Parquet table of URIs.
        name: Name of the dataset and of the model.
        store: Folder or s3:// prefix under which everything that outlives the run is kept.
        source_version: Names the state of the source (a date, a commit, a listing's digest); a new one ingests again.
        seed: Seed of every random choice.
        threads: CPU threads of each training stage; results repeat to the bit for one number of threads.
        ingest_settings: What `ingest:` holds in a run configuration.
        pretrain_settings: What `pretrain:` holds.
        sample_settings: What `sample:` holds.
        warmup_settings: What `warmup:` holds.
        pseudolabel_settings: What `pseudolabel:` holds.
        calibrate_settings: What `calibrate:` holds.
        evaluate_settings: What `evaluate:` holds.
        release_settings: What `release:` holds.
    """
    at = {"store": store, "threads": threads}
    data = ingested(source_version, source=source, name=name, store=store, settings=ingest_settings)
    encoder = pretrain(dataset=data, seed=seed, settings=pretrain_settings, **at).outputs["encoder"]
    picks = sample(dataset=data, encoder=encoder, name=name, seed=seed, settings=sample_settings, **at).outputs
    embeddings, labels = picks["embeddings"], picks["labels"]
    warm = warmup(dataset=data, encoder=encoder, embeddings=embeddings, labels=labels, seed=seed,
                  settings=warmup_settings, **at).outputs["classifier"]
    final = pseudolabel(dataset=data, warm=warm, labels=labels, seed=seed, settings=pseudolabel_settings, **at).outputs["classifier"]
    calibration = calibrate(dataset=data, classifier=final, labels=labels, settings=calibrate_settings, **at).outputs["calibration"]
    evaluation = evaluate(dataset=data, embeddings=embeddings, labels=labels, warm=warm, classifier=final, calibration=calibration,
                          seed=seed, settings=evaluate_settings, **at).outputs["evaluation"]
    release(dataset=data, labels=labels, classifier=final, calibration=calibration, evaluation=evaluation,
            name=name, store=store, settings=release_settings)
