"""Measure the true accuracy of a released model: answers that are drawn at random, and what people say of them."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.common.answers import read_answers
from components.common.artifacts import TEST
from components.common.audits import AUDIT, Drawn, drawn
from components.common.errors import BadInputError
from components.common.lineage import newest_dataset
from components.common.metrics import wilson_interval
from components.common.parquet import read_table
from components.common.storage import Store
from components.labels.rules import called_now, resolve
from components.labels.store import Answer, LabelStore, State
from components.labels.votes import UNDATED, votes
from components.monitor.settings import MonitorSettings
from components.monitor.statistics.sequential import confidence_sequence
from components.releases.bundle import verified_file, verified_release

WEEK = 7.0  # days
RIGHT, WRONG, WAITING, SKIPPED, OPEN, LEARNED = VERDICTS = ("right", "wrong", "waiting", "skipped", "open", "learned")


class Judged(NamedTuple):
    """One answer that was drawn, and what people say of it."""

    number: int  # of the look that drew it
    verdict: str  # one of VERDICTS
    known: datetime  # since when; UNDATED where it is not labelled


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
    rng = np.random.default_rng([settings.seed, number, *f"audit of {model}".encode()])
    wanted = settings.audit * days / WEEK
    count = int(wanted) + int(rng.random() < wanted % 1) if len(observed) else 0
    lines = rng.integers(len(observed), size=count) if count else np.zeros(0, np.int64)
    columns = [name for name in AUDIT.names if name != "picture"]
    table = observed.select(columns).take(pa.array(lines, pa.int64())).combine_chunks()
    shown: dict[str, bytes | None] = {}
    if picture:
        for row in table.to_pylist():
            if row["id"] not in shown:
                shown[row["id"]] = picture(row)
    pictures = pa.array([shown.get(image) for image in table.column("id").to_pylist()], pa.binary())
    return table.append_column("picture", pictures).cast(AUDIT)


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
    (sample.labels_file) and not from the label store. expected: the lower end of the accuracy on held-out images;
    least: smallest loss that is worth an alarm.

    Left out is what the version learned from with a label, and near-duplicates of that: labels of an audit measure a
    version before they train the next. Whoever says that an image is of no class says that the answer is wrong; where
    all passed it over, or people disagree, nothing is known.

    Answers count in the order in which their labels became known, which later labels do not change, so the interval
    (`confidence_sequence`) may be looked at as often as one likes. It covers the mean accuracy of the answers that are
    labelled, which may change from week to week. `alarm` is `high < expected - least`.

    Returns `drawn`, `labelled`, `right`, `accuracy` (null while nothing is labelled), `low`, `high`, `level`,
    `waiting`, `skipped`, `open`, `learned`, `alarm`, `looks` (of each look `number`, `drawn`, `labelled`, `right`,
    `accuracy` and its 95 % interval of Wilson, `low`, `high`) and `told`, a sentence.
    """
    draws = [(look, look.answers.filter(pc.equal(look.answers["version"], version))) for look in drawn(store, model)]
    if not any(len(answers) for _, answers in draws):
        return None
    ids = {image for _, answers in draws for image in answers.column("id").to_pylist()}
    said = _said(store, name, labels_file)
    learned = learned_from(store, name, model, version, ids)
    judged = [each for look, answers in draws for each in _judged(look, answers, said, learned)]
    counts = Counter(each.verdict for each in judged)
    labelled = sorted((each for each in judged if each.verdict in (RIGHT, WRONG)), key=lambda each: each.known)
    low, high = 0.0, 1.0
    if labelled:
        lows, highs = confidence_sequence(np.array([each.verdict == RIGHT for each in labelled]), 1 - level)
        low, high = float(lows[-1]), float(highs[-1])
    found = {
        "drawn": len(judged),
        "labelled": len(labelled),
        "right": counts[RIGHT],
        "accuracy": counts[RIGHT] / len(labelled) if labelled else None,
        "low": low,
        "high": high,
        "level": level,
        **{verdict: counts[verdict] for verdict in (WAITING, SKIPPED, OPEN, LEARNED)},
        "alarm": expected is not None and high < expected - least,
        "looks": [_look(number, judged) for number in sorted({each.number for each in judged})],
    }
    return {**found, "told": told(found)}


def csv_of(answers: pa.Table) -> str:
    """audit.csv: `id`, `time`, `where` and an empty `label` for each image of AUDIT, for `gleaner labels import`. What
    the model said is left out: it would sway whoever labels.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "served", "where", "label"])
    seen = set()
    for row in answers.to_pylist():
        if row["id"] not in seen:
            seen.add(row["id"])
            writer.writerow([row["id"], row["time"].isoformat(), row["where"] or "", ""])
    return text.getvalue()


def learned_from(store: Store, name: str, model: str, version: str, ids: Iterable[str]) -> set[str]:
    """Those of the ids that a version learned from with a label, or that are near-duplicates of such, as far as that is
    on record: images of its labels.parquet but those of the test split, which it was only measured on.

    Near-duplicates are known of images that the newest version of the dataset holds.
    """
    folder = f"releases/{model}/{version}/"
    try:
        release = verified_release(store, folder)
    except BadInputError:  # released elsewhere, or removed
        return set()
    if "labels.parquet" not in release["files"]:
        return set()
    labels = read_table(verified_file(store, folder, release, "labels.parquet"))
    taught = set(labels.filter(pc.not_equal(labels["purpose"], TEST)).column("id").to_pylist())
    asked = set(ids)
    dataset = newest_dataset(name, store)
    if dataset is None:
        return asked & taught
    known = dataset.index.select(["id", "group"])
    groups = known.filter(pc.is_in(known["id"], pa.array(taught, pa.string()))).column("group").unique()
    alike = known.filter(pc.is_in(known["group"], groups)).column("id").to_pylist()
    return asked & (taught | set(alike))


def told(found: Mapping[str, Any]) -> str:
    """The audit in a sentence."""
    apart = {
        "wait for a label, so the figure is of the others": found[WAITING] if found["labelled"] else 0,
        "were passed over": found[SKIPPED],
        "are open, for people disagree": found[OPEN],
        "are left out, for the model learned from them": found[LEARNED],
    }
    others = "".join(f"; {count:,} {what}" for what, count in apart.items() if count)
    if not found["labelled"]:
        return f"The true accuracy is not known yet: {found[WAITING]:,} audited answers wait for a label{others}."
    low, high = 100 * found["low"], 100 * found["high"]
    return (
        f"Of {found['labelled']:,} audited answers {found['right']:,} are right, {100 * found['accuracy']:.1f} % "
        f"({low:.1f} to {high:.1f}, at {100 * (1 - found['level']):g} % however often one looks){others}."
    )


def _look(number: int, judged: Iterable[Judged]) -> dict[str, Any]:
    """The figures of one look alone."""
    verdicts = [each.verdict for each in judged if each.number == number]
    right, labelled = verdicts.count(RIGHT), verdicts.count(RIGHT) + verdicts.count(WRONG)
    low, high = wilson_interval(right, labelled)
    return {
        "number": number,
        "drawn": len(verdicts),
        "labelled": labelled,
        "right": right,
        "accuracy": right / labelled if labelled else None,
        "low": low,
        "high": high,
    }


class _Said(NamedTuple):
    """What people say of images, by id."""

    held: Mapping[str, Answer]  # a class, as it is called now
    none: Mapping[str, Answer]  # none of the classes
    skipped: Mapping[str, Answer]
    open: Mapping[str, Any]
    called: Mapping[str, str]  # what renamed classes are called now


def _said(store: Store, name: str, labels_file: str) -> _Said:
    state = State(votes(read_answers(labels_file)[1]), []) if labels_file else LabelStore(store, name).read()
    found = resolve(state)
    return _Said(found.held, found.none, found.skipped, found.open, called_now(state.renamings))


def _judged(look: Drawn, answers: pa.Table, said: _Said, learned: set[str]) -> Iterable[Judged]:
    """What is known of each answer of a look. What was labelled before it was drawn is known since it was."""
    at = datetime.fromisoformat(look.about["until"])
    for image, predicted in zip(answers.column("id").to_pylist(), answers.column("predicted").to_pylist(), strict=True):
        known = UNDATED
        if image in learned:
            verdict = LEARNED
        elif answer := said.held.get(image) or said.none.get(image):
            verdict = RIGHT if answer.label == said.called.get(predicted, predicted) else WRONG
            known = max(answer.time, at)
        else:
            verdict = SKIPPED if image in said.skipped else OPEN if image in said.open else WAITING
        yield Judged(look.number, verdict, known)
