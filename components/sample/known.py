"""What is known before anything is asked: the labels of the source, or the answers of people so far."""

import io
from collections.abc import Iterable

import pyarrow.parquet as pq

from components.common.artifacts import Dataset
from components.common.storage import Store
from components.labels.store import LabelStore
from components.sample.answers import NONE, SKIPPED, Answers, file_answers, source_answers, store_answers
from components.sample.settings import SampleSettings

SHOWN = 3  # ids in a sentence


def known_answers(dataset: Dataset, store: Store, settings: SampleSettings) -> Answers:
    """Labels that exist before anything is bought, by row."""
    if settings.label_access == "source":
        return Answers(source_answers(dataset, range(dataset.index.num_rows)), {})
    if settings.label_access == "file" and settings.labels_file:
        found = file_answers(dataset, settings.labels_file, settings.contradictions)
        if told := shrunk(dataset, found, store, settings.labels_file):
            print(told, flush=True)
        return found
    if settings.label_access == "store":
        labels = LabelStore(store, dataset.name)
        return store_answers(dataset, labels, settings.labels_version, settings.contradictions)
    return Answers({}, {})


def shrunk(dataset: Dataset, found: Answers, store: Store, uri: str) -> str:
    """A sentence where a file of answers says nothing of images that had a label from a file in the run before, which
    `labels/` of the store keeps; else empty.
    """
    states = [stat for stat in store.list(f"labels/{dataset.name}/") if stat.key.endswith("/labels.parquet")]
    if not states:
        return ""
    before = max(states, key=lambda stat: (stat.modified, stat.key)).key
    table = pq.read_table(io.BytesIO(store.read(before)), columns=["id", "source"])
    ids = dataset.column("id")
    answered = {ids[row] for row in (*found.given, *found.conflicts)}
    here = set(ids)
    lost = [
        image
        for image, source in zip(table.column("id").to_pylist(), table.column("source").to_pylist(), strict=True)
        if source == "file" and image in here and image not in answered
    ]
    if not lost:
        return ""
    named = ", ".join(image[:12] for image in lost[:SHOWN]) + (", …" if len(lost) > SHOWN else "")
    return (
        f"{uri}: {len(lost):,} images that had a label in the run before have none now ({named}); the labels of then "
        f"are in {store.uri}/{before.rpartition('/')[0]}/"
    )


def passed_over(passed: Iterable[str]) -> str:
    """A sentence about images that people saw and gave no class; empty where there are none."""
    reasons = list(passed)
    told = [f"{reasons.count(why):,} {what}" for why, what in ((SKIPPED, SKIPPED), (NONE, f"said to be {NONE}"))]
    told = [each for each in told if not each.startswith("0 ")]
    return f"Nobody is asked again about images that people saw and gave no class: {', '.join(told)}." if told else ""
