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
    return ingest(packed=dsl.Collected(packed), **of).outputs["dataset"]


@dsl.pipeline(
    name="gleaner-training",
    description="From a folder of images and a few labels to a calibrated, released classifier.",
)
def training(
    source: str = "s3://gleaner/sources/digits",
    name: str = "digits",
    store: str = "s3://gleaner/store",
    source_version: str = "",
    seed: int = 0,
    threads: int = 2,
    train_budget: int = 200,
    strategy: str = "typiclust",
    epochs: int = 100,
    promote: bool = True,
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
        train_budget: Training labels to buy, in images.
        strategy: How the images to label are picked: `typiclust` (the most typical of each cluster) or `random`.
        epochs: Passes of pretraining over the unlabelled train split.
        promote: Move the champion pointer to this model if it passes every gate.
        ingest_settings: JSON object, what `ingest:` holds in a run configuration; what it leaves out keeps its default.
        pretrain_settings: JSON object, what `pretrain:` holds; goes before `epochs`.
        sample_settings: JSON object, what `sample:` holds; goes before `train_budget` and `strategy`.
        warmup_settings: JSON object, what `warmup:` holds.
        pseudolabel_settings: JSON object, what `pseudolabel:` holds.
        calibrate_settings: JSON object, what `calibrate:` holds.
        evaluate_settings: JSON object, what `evaluate:` holds, such as {"gates": {"min_accuracy": 0.9}}; "null" switches a gate off.
        release_settings: JSON object, what `release:` holds; goes before `promote`.
    """
    data = ingested(source_version, source=source, name=name, store=store, settings=ingest_settings)
    common = {"dataset": data, "store": store, "threads": threads}
    seeded = {"seed": seed, **common}
    encoder = pretrain(epochs=epochs, settings=pretrain_settings, **seeded).outputs["encoder"]
    chosen = {"name": name, "strategy": strategy, "train_budget": train_budget}
    picks = sample(encoder=encoder, settings=sample_settings, **chosen, **seeded).outputs
    known = {"embeddings": picks["embeddings"], "labels": picks["labels"]}
    warm = warmup(encoder=encoder, settings=warmup_settings, **known, **seeded).outputs["classifier"]
    final = pseudolabel(warm=warm, labels=picks["labels"], settings=pseudolabel_settings, **seeded).outputs[
        "classifier"
    ]
    model = {"classifier": final, "labels": picks["labels"]}
    calibration = calibrate(settings=calibrate_settings, **model, **common).outputs["calibration"]
    measured = {"warm": warm, "classifier": final, "calibration": calibration}
    evaluation = evaluate(settings=evaluate_settings, **measured, **known, **seeded).outputs["evaluation"]
    release(
        dataset=data,
        calibration=calibration,
        evaluation=evaluation,
        name=name,
        store=store,
        promote=promote,
        settings=release_settings,
        **model,
    )
