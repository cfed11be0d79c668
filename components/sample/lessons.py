"""What follows from the labels of a round: whether clusters and labels agree, and labels for near neighbours."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from components.common.artifacts import TRAIN, VALIDATION, Dataset
from components.common.data.splits import labelled
from components.sample.advice.advise import advise
from components.sample.answers import Answers
from components.sample.assumption import assumption
from components.sample.choose import Taught
from components.sample.clusters import Clusters
from components.sample.propagate import spread_labels
from components.sample.rounds import Round
from components.sample.settings import SampleSettings
from components.sample.strategies.pool import Pool
from components.sample.training import taught_by


class Lessons(NamedTuple):
    table: pa.Table  # the labels, with propagated ones where they are asked for
    facts: dict[str, Any]  # for labels.json
    advice: dict[str, Any] | None  # label_advice.json
    metadata: dict[str, Any]  # for Kubeflow's UI and the closing table


def lessons(
    dataset: Dataset,
    taught: Taught,
    clusters: Clusters,
    known: Answers,
    table: pa.Table,
    now: Round,
    settings: SampleSettings,
) -> Lessons:
    """taught: by the labels that were known before; table: all labels of people, of which two classes at least have one
    for training; clusters: of the pool.
    """
    taught = _taught_now(dataset, taught, table, now, settings)
    pool = taught.pool
    verdict = assumption(pool.take(pool.labelled), taught.labels, clusters.of[pool.labelled], taught.weak)
    print(verdict["sentence"], flush=True)
    facts: dict[str, Any] = {"assumption": verdict}
    metadata: dict[str, Any] = {"assumption": verdict["sentence"]} if verdict["verdict"] == "disagree" else {}
    advice = _advice(dataset, pool, table, now)
    print(advice["said"], flush=True)
    metadata["advice"] = advice["said"]
    if settings.propagate:
        answered = np.flatnonzero(np.isin(pool.rows, np.array([*known.conflicts, *known.passed], np.int64)))
        table, spread = spread_labels(dataset, pool, table, now.classes.names, clusters.of, clusters.centres, answered)
        print(spread.told, flush=True)
        metadata["propagated"] = len(spread.positions)
    return Lessons(table, facts, advice, metadata)


def _advice(dataset: Dataset, pool: Pool, table: pa.Table, now: Round) -> dict[str, Any]:
    """Whether more labels would pay, by what people have said so far."""
    names = np.array(now.classes.names)
    train, validation = (labelled(dataset, table, now.classes.names, purpose) for purpose in (TRAIN, VALIDATION))
    return advise(pool.vectors, train[0], names[train[1]], validation[0], names[validation[1]], pool.seed, pool.threads)


def _taught_now(dataset: Dataset, taught: Taught, table: pa.Table, now: Round, settings: SampleSettings) -> Taught:
    """What all labels say; the same object where they are those that were known before, with all that it computed."""
    row_of = {image: row for row, image in enumerate(dataset.column("id"))}
    labels = {row_of[entry["id"]]: entry["label"] for entry in table.to_pylist() if entry["purpose"] == TRAIN}
    pool = taught.pool
    positions = np.searchsorted(pool.rows, np.array(sorted(labels), np.int64))
    if np.array_equal(positions, pool.labelled):
        return taught
    return taught_by(labels, replace(pool, labelled=positions), now.classes.names, settings.neighbours)
