"""The training pipeline, as a table of contents: eight stages, wired by their artifacts, after a plan of the run."""

from typing import Any

from kfp import dsl

from components.calibrate.component import calibrate
from components.evaluate.component import evaluate
from components.ingest.component import ingest
from components.ingest.pack.component import pack
from components.plan.component import plan
from components.pretrain.component import pretrain
from components.pseudolabel.component import pseudolabel
from components.release.component import release
from components.sample.component import sample
from components.sample.embed.component import embed
from components.warmup.component import warmup


def ingested(parts: Any, settings: Any, **places: Any) -> Any:
    """The dataset: packed by as many workers as there are parts, joined."""
    with dsl.ParallelFor(parts) as part:
        packed = pack(settings=part, **places).outputs["packed"]
    return ingest(packed=dsl.Collected(packed), settings=settings, **places).outputs["dataset"]


def picked(slices: Any, settings: Any, **places: Any) -> Any:
    """What to label, and the labels: from embeddings that as many workers make as there are slices."""
    with dsl.ParallelFor(slices) as part:
        embedded = embed(settings=part, **places).outputs["embedded"]
    return sample(embedded=dsl.Collected(embedded), settings=settings, **places).outputs


@dsl.pipeline(
    name="gleaner-training",
    description="From a folder of images and a few labels to a calibrated, released classifier.",
)
def training(
    name: str,
    source: str,
    store: str,
    pretrain_epochs: int,
    sample_strategy: str,
    sample_train_budget: int,
    sample_label_access: str,
    sample_labels_file: str,
    release_promote: str,
    settings: dict,
) -> None:
    """Train, calibrate, measure and release a classifier.

    Args:
        name: Name of the dataset and of the model.
        source: Folder or s3:// prefix of images, class sub-folders are labels; or an archive, or a CSV or Parquet table of URIs.
        store: Folder or s3:// prefix under which everything that outlives the run is kept.
        pretrain_epochs: Passes of pretraining over the unlabelled train split.
        sample_strategy: How training images are picked. From the first round on: `typiclust` (the most typical of each cluster), `probcover`, `maxherding`, `kmeans`, `kcenter`, `random`. Once there are labels: `margin`, `entropy`, `bald`, `badge`; `tcm` goes from typicality to margin.
        sample_train_budget: Training labels to buy, in images, of all rounds together.
        sample_label_access: Who answers: `oracle` (the source's labels, for the picks alone), `source` (all of them), `store` (people, by `gleaner label`, round after round), or `file` (people, by a table).
        sample_labels_file: Path or s3:// URI of people's answers, where `file` is chosen; `none` while there are none.
        release_promote: A model that passes every gate becomes the champion at once (`auto`), or once a person says so (`approval`, by `gleaner release approve`).
        settings: JSON object of all else that differs from the defaults, as in a run configuration, such as {"evaluate": {"gates": ["accuracy >= 0.9"]}}; "null" stands for null.
    """
    places = {"name": name, "source": source, "store": store}
    told = plan(
        pretrain_epochs=pretrain_epochs,
        sample_strategy=sample_strategy,
        sample_train_budget=sample_train_budget,
        sample_label_access=sample_label_access,
        sample_labels_file=sample_labels_file,
        release_promote=release_promote,
        settings=settings,
        **places,
    ).outputs
    data = ingested(told["parts"], settings=told["ingest"], **places)
    encoder = pretrain(dataset=data, store=store, settings=told["pretrain"]).outputs["encoder"]
    picks = picked(told["slices"], settings=told["sample"], encoder=encoder, name=name, store=store)
    known = {"embeddings": picks["embeddings"], "labels": picks["labels"]}
    warm = warmup(encoder=encoder, store=store, settings=told["warmup"], **known).outputs["warm"]
    final = pseudolabel(warm=warm, store=store, settings=told["pseudolabel"]).outputs["classifier"]
    calibration = calibrate(classifier=final, store=store, settings=told["calibrate"]).outputs["calibration"]
    measured = {"warm": warm, "classifier": final, "calibration": calibration, "embeddings": picks["embeddings"]}
    evaluation = evaluate(store=store, settings=told["evaluate"], **measured).outputs["evaluation"]
    release(
        classifier=final,
        calibration=calibration,
        evaluation=evaluation,
        name=name,
        store=store,
        settings=told["release"],
    )
