"""What a round of labelling came to, as a record in the store, and how it differs from the round before."""

import re
from collections import Counter
from math import hypot
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.common.artifacts import PROPAGATED, TRAIN, read_about
from components.common.metrics import PerClass
from components.common.storage import Store
from components.labels.candidates import Candidates

PEOPLE = {"file", "store"}  # sources of labels that come in rounds
LISTED = 10  # labels that the comparison names
CLASS_FIGURES = ("class", *PerClass._fields)
FIGURES = ("images", "accuracy", "accuracy_low", "accuracy_high", "macro_f1", "warmup_accuracy", "ece_after")


def of_labels(labels: Path, about: dict[str, Any]) -> dict[str, Any]:
    """What `sample` found out about the labels: whether more would pay (`advice`), whether clusters agree with them
    (`assumption`), and whether neighbours share a cluster (`neighbours`); each where it is known.

    labels: the artifact of `sample`, or a classifier; about: its labels.json.
    """
    known = (labels / "label_advice.json").is_file()
    advice = read_about(labels, "label_advice.json", writer="sample") if known else {}
    found = {"advice": advice, **{key: about.get(key) or advice.get(key) for key in ("assumption", "neighbours")}}
    return {key: value for key, value in found.items() if value}


def in_rounds(labels: pa.Table, about: dict[str, Any]) -> bool:
    """Whether people gave the labels (`about`: labels.json), round after round."""
    return "round" in about and bool(PEOPLE.intersection(labels.column("source").to_pylist()))


def record_of(
    metrics: dict[str, Any], labels: pa.Table, about: dict[str, Any], store: Store, before: dict[str, Any] | None
) -> dict[str, Any]:
    """The record of this round. metrics: metrics.json; about: labels.json; before: the record of the round before.

    Equal runs give equal records: no place or time is in it.
    """
    rows = labels.select(["id", "label", "purpose", "source"]).to_pylist()
    given = [row for row in rows if row["source"] != PROPAGATED]
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row["purpose"], Counter())[row["source"]] += 1
    figures = {name: metrics[name] for name in FIGURES if name in metrics}
    point = {"round": about["round"], "labels": sum(row["purpose"] == TRAIN for row in given), **figures}
    return {
        "format": 1,
        "round": about["round"],
        "figures": figures,
        "per_class": [{name: line[name] for name in CLASS_FIGURES} for line in metrics["per_class"]]
        if figures["images"]
        else [],
        "labels": {purpose: dict(sorted(sources.items())) for purpose, sources in sorted(counts.items())},
        "given": {row["id"]: row["label"] for row in given},
        "picks": picks_of(store, about["candidates"]),
        "provenance": metrics["provenance"],
        "history": [*(before["history"] if before else []), point],
    }


def picks_of(store: Store, key: str) -> dict[str, Any]:
    """How many images the candidates at `key` ask for, by purpose, and those for training by kind of reason; empty
    where they are gone.
    """
    key = key.rstrip("/")
    if store.stat(f"{key}/candidates.parquet") is None:
        return {}
    rows = Candidates(store, key, {}).picks().to_pylist()
    return {
        "purposes": dict(sorted(Counter(row["purpose"] for row in rows).items())),
        "kinds": dict(sorted(Counter(kind(row["reason"]) for row in rows if row["purpose"] == TRAIN).items())),
    }


def kind(reason: str) -> str:
    """A reason without what is of the single image: `typical of a cluster of n`."""
    short = re.split(r"; | \(|:", reason)[0]
    for words, plain in (("between ", "between two classes"), ("could be ", "could be one of several classes")):
        if short.startswith(words):
            return plain
    return re.sub(r"\d[\d.,]*", "n", short)


def changes(before: dict[str, Any], now: dict[str, Any], key: str) -> dict[str, Any]:
    """What `now` has that the record `before` (at `key`) had not: `since` of metrics.json."""
    return {
        "round": before["round"],
        "record": key,
        **_accuracy(before["figures"], now["figures"]),
        "per_class": _per_class(before["per_class"], now["per_class"]),
        "labels": _labels(before["given"], now["given"]),
        "propagated": {"before": _propagated(before), "after": _propagated(now)},
        "picks": {"before": before["picks"], "after": now["picks"]},
        "history": now["history"],
    }


def _accuracy(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Both accuracies, and the interval of their difference from those of each (Newcombe 1998, method 10), as if the
    test images were others: it is wide rather than narrow.
    """
    if not before["images"] or not now["images"]:
        return {}
    p, q = before["accuracy"], now["accuracy"]
    low = q - p - hypot(q - now["accuracy_low"], before["accuracy_high"] - p)
    high = q - p + hypot(now["accuracy_high"] - q, p - before["accuracy_low"])
    return {"accuracy": {"before": p, "after": q, "change": q - p, "low": low, "high": high}}


def _per_class(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """F1 of each class that both measured, the greatest change first."""
    earlier = {line["class"]: line["f1"] for line in before}
    pairs = [(line["class"], earlier.get(line["class"]), line["f1"]) for line in now]
    both = [(name, p, q) for name, p, q in pairs if p is not None and q is not None]
    return [
        {"class": name, "before": p, "after": q}
        for name, p, q in sorted(both, key=lambda line: -abs(line[2] - line[1]))
    ]


def _labels(before: dict[str, str], now: dict[str, str]) -> dict[str, Any]:
    """How many labels of people came, changed and went, and some of those that changed or went."""
    changed = sorted(image for image in before.keys() & now.keys() if before[image] != now[image])
    gone = sorted(before.keys() - now.keys())
    return {
        "added": len(now.keys() - before.keys()),
        "changed": len(changed),
        "withdrawn": len(gone),
        "listed": [
            {"id": image, "before": before[image], "after": now.get(image)} for image in (changed + gone)[:LISTED]
        ],
    }


def _propagated(record: dict[str, Any]) -> int:
    return record["labels"].get(TRAIN, {}).get(PROPAGATED, 0)


def told(since: dict[str, Any]) -> str:
    """The comparison in a line: `accuracy +2.1 points (91.0 to 93.1 %), 20 labels more, 1 changed`."""
    parts = []
    if "accuracy" in since:
        change = since["accuracy"]
        parts.append(
            f"accuracy {100 * change['change']:+.1f} points "
            f"({100 * change['before']:.1f} to {100 * change['after']:.1f} %)"
        )
    labels = since["labels"]
    words = {"added": "{} more", "changed": "{} changed", "withdrawn": "{} withdrawn"}
    counted = [text.format(f"{labels[name]:,}") for name, text in words.items() if labels[name]]
    if labels["added"]:
        counted[0] = f"{labels['added']:,} {'label' if labels['added'] == 1 else 'labels'} more"
    elif counted:
        counted[0] = counted[0].replace(" ", f" label{'' if counted[0].startswith('1 ') else 's'} ", 1)
    return ", ".join(parts + (counted or ["the same labels"]))
