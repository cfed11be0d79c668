"""What there is to know about a source before a label is bought: findings, counted and listed; settings turn any into a gate."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.common.artifacts import TRAIN, Dataset
from components.common.errors import BadInputError
from components.ingest.looks import BLANK
from components.ingest.pack import Contents, Image
from components.ingest.settings import Gates
from components.ingest.sources import HELD_OUT, Listing

LISTED = 1000  # items of a finding that are written out; `count` is always the whole
RARE, RARE_SHARE = 10, 0.1  # images of a class, and of an even share
SIZE_FACTOR, ASPECT_FACTOR = 16, 2  # of the median
TITLES = {
    "unreadable": "Unreadable files", "truncated": "Truncated files", "exact_duplicates": "Exact duplicates",
    "near_duplicates": "Near-duplicates", "leaks": "Leaks across given splits", "label_conflicts": "Equal files, different labels",
    "group_label_conflicts": "Near-duplicates, different labels", "rare_classes": "Rare classes", "missing_classes": "Missing classes",
    "size_outliers": "Unusual sizes", "aspect_outliers": "Unusual shapes", "blank": "Blank images",
}


@dataclass(frozen=True)
class Finding:
    """One kind of thing to know; `items` are plain values, in a fixed order."""

    count: int
    items: list[dict[str, Any]]


def examine(dataset: Dataset, contents: Contents, listing: Listing, contrast: dict[str, float]) -> dict[str, Finding]:
    """Every finding, in the order of TITLES. contrast: standard deviation of each image's thumbnail, grey levels, by id."""
    truncated = [{"source": key, "reason": reason} for key, reason in contents.refused if reason == "truncated"]
    unreadable = [{"source": key, "reason": reason} for key, reason in contents.refused if reason != "truncated"]
    copies = [{"id": image.id, "kept": image.kept.key, "dropped": sorted(copy.key for copy in image.copies if copy != image.kept)}
              for image in contents.duplicates]
    groups = contents.groups()
    near = [{"group": name, "split": contents.images[name].split, "images": [_named(image) for image in members]}
            for name, members in groups.items()]
    disagree = [{"group": name, "labels": sorted(labels), "images": [_named(image) for image in members]}
                for name, members in groups.items() if len(labels := {label for image in members for label in image.labels}) > 1]
    leaks = list(_leaks(contents, groups))
    found = {
        "unreadable": _all(unreadable), "truncated": _all(truncated),
        "exact_duplicates": Finding(sum(len(image.copies) - 1 for image in contents.duplicates), copies),
        "near_duplicates": Finding(sum(len(members) - 1 for members in groups.values()), near),
        "leaks": _all(leaks),
        "label_conflicts": _all([{"id": image.id, "labels": image.labels, "sources": sorted(copy.key for copy in image.copies)}
                                 for image in contents.conflicts]),
        "group_label_conflicts": _all(disagree),
        **_classes(dataset, listing), **_outliers(dataset),
        "blank": _all([{**_named(image), "contrast": contrast[image.id]} for image in contents.by_id() if contrast[image.id] < BLANK]),
    }
    return {name: found[name] for name in TITLES}


def as_json(dataset: Dataset, findings: dict[str, Finding]) -> dict[str, Any]:
    """quality.json: counts of every finding, and its first items."""
    return {"format": 1, "dataset": dataset.id, "images": len(dataset.index),
            "findings": {name: {"count": finding.count, "items": finding.items[:LISTED]} for name, finding in findings.items()}}


def stop_at(gates: Gates, findings: dict[str, Finding], report: Path) -> None:
    """Raise BadInputError where a finding has more than its gate lets through."""
    limits = {name: limit for name, limit in gates.model_dump().items() if limit is not None}
    failed = [f"{findings[name].count:,} {name} (at most {limit:,})" for name, limit in limits.items() if findings[name].count > limit]
    if failed:
        raise BadInputError(f"ingest.gates: {', '.join(failed)}; look at {report}, then mend the source or raise the limit")


def _all(items: list[dict[str, Any]]) -> Finding:
    return Finding(len(items), items)


def _named(image: Image) -> dict[str, Any]:
    label = image.labels[0] if len(image.labels) == 1 else None
    return {"id": image.id, "source": image.kept.key, "given": image.kept.given, "label": label}


def _leaks(contents: Contents, groups: dict[str, list[Image]]) -> Iterator[dict[str, Any]]:
    """Images that would have been learned from and measured on: equal files in two splits, and near-duplicates set aside."""
    for image in contents.duplicates:
        if image.kept.given in HELD_OUT and len({copy.given for copy in image.copies}) > 1:
            dropped = sorted(copy.key for copy in image.copies if copy.given != image.kept.given)
            yield {"kind": "exact", "kept": _named(image), "dropped": dropped}
    aside = {image.id for image in contents.set_aside}
    for name, members in groups.items():
        for image in members:
            if image.id in aside:
                yield {"kind": "near", "kept": _named(contents.images[name]), "set_aside": _named(image)}


def _classes(dataset: Dataset, listing: Listing) -> dict[str, Finding]:
    tally = Counter(label for label in dataset.column("label") if label is not None)
    train = Counter(label for label in dataset.column("label")[dataset.rows(TRAIN)] if label is not None)
    named = sorted({file.label for file in listing.images if file.label is not None})
    share = sum(tally.values()) / max(1, len(tally))
    rare = [{"class": name, "images": tally[name]} for name in named if 0 < tally[name] < max(RARE, RARE_SHARE * share)]
    missing = [{"class": name, "images": tally[name], "train": 0} for name in named if not train[name]]
    return {"rare_classes": _all(rare), "missing_classes": _all(missing)}


def _outliers(dataset: Dataset) -> dict[str, Finding]:
    width, height = dataset.column("width").astype(np.float64), dataset.column("height").astype(np.float64)
    return {"size_outliers": _far(dataset, width * height, SIZE_FACTOR), "aspect_outliers": _far(dataset, width / height, ASPECT_FACTOR)}


def _far(dataset: Dataset, values: np.ndarray, factor: float) -> Finding:
    """Images whose value is more than a factor away from the median, the farthest first."""
    ratio = values / np.quantile(values, 0.5, method="nearest")
    away = np.maximum(ratio, 1 / ratio)
    rows = [row for row in np.argsort(-away, kind="stable").tolist() if away[row] > factor]
    picked = dataset.index.select(["id", "source", "width", "height"]).take(np.array(rows, np.int64)).to_pylist()
    return _all([{**entry, "times_the_median": round(float(ratio[row]), 4)} for entry, row in zip(picked, rows, strict=True)])
