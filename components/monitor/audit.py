"""Measure the true accuracy of a released model: answers that are drawn at random, and what people say of them."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common.answers import read_answers
from components.common.audits import AUDIT, Drawn, drawn
from components.common.lineage import newest_dataset
from components.common.metrics import wilson_interval
from components.common.parquet import read_table
from components.common.seeding import seeded
from components.common.storage import Store
from components.labels.rules import Resolved, called_now, resolve
from components.labels.store import CLASS, Answer, LabelStore, State
from components.monitor.settings import MonitorSettings
from components.releases.bundle import verified_file, verified_release


def draw(
    observed: pa.Table,
    settings: MonitorSettings,
    model: str,
    number: int,
    days: float,
    picture: Callable[[dict[str, Any]], bytes | None] | None = None,
) -> pa.Table:
    """Answers of a window, drawn at random for people to label: AUDIT, in the order of drawing.

    observed: rows of observed.parquet; number: of the look; days: that the window covers. picture: a PNG or JPEG of the
    image of a row (of AUDIT, as a dictionary) for the page, None where it is not to be had.

    `audit` answers a week are drawn with replacement, each as likely as any other and whatever the model said, so that
    each is right with the same probability as the next: the interval of `measured` asks for that. Of a part of an
    answer there is one with that chance. One that is drawn twice is labelled once and counts twice.
    """
    raise NotImplementedError


def measured(
    store: Store,
    name: str,
    model: str,
    version: str,
    *,
    level: float = 0.05,
    labels_file: str = "",
    expected: float | None = None,
    least: float = 0.0,
) -> dict[str, Any] | None:
    """The accuracy of a version on its audited answers, by what people say of them now; None where none was drawn.

    name: of the labels (`labels/<name>/` of the store), as in the run configuration. level: chance that the interval
    ever misses, of all looks together, so it is spent once for a version. labels_file: answers are read from there
    (sample.labels_file) and not from the label store. expected: the lower end of the accuracy on held-out images.

    Returns `drawn`, `labelled`, `right`, `accuracy` (null while nothing is labelled), `low`, `high`, `level`,
    `waiting`, `skipped`, `open`, `learned`, `alarm`, `looks` (of each look `number`, `drawn`, `labelled`, `right`,
    `accuracy` and its 95 % interval of Wilson, `low`, `high`) and `told`, a sentence.
    """
    raise NotImplementedError
