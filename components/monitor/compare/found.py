"""drift.json of a look: what the tests found, beside what earlier looks had found."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa

from components.common.storage import Store
from components.monitor.compare.audited import audited
from components.monitor.observed import Observed
from components.monitor.settings import MonitorSettings
from components.monitor.signals import novel
from components.monitor.signals.measure import LEAST, measure
from components.monitor.signals.sample import compared, present
from components.monitor.signals.signal import look_level, rounded
from components.monitor.signals.verdict import cannot_tell, of_signal, since, spent, verdict
from components.monitor.signals.was_right import was_right

FORMAT = 1
SAID = ("model", "version", "release", "store", "source", "place", "since", "until", "images", "seen", "unreadable")
MORE = ("others", "number", "previous")


class Found(NamedTuple):
    """What a look comes to."""

    drift: dict[str, Any]
    candidates: pa.Table  # of components.monitor.signals.novel.CANDIDATES


def why_not(observed: Observed) -> str:
    """The sentence why nothing can be told of these images; empty where something can."""
    images = len(present(observed.reference))
    if observed.about["why"] or images >= LEAST:
        return str(observed.about["why"])
    return (
        f"the release's reference holds {images:,} images, {LEAST} are the least to compare with: "
        "release again with more test images"
    )


def undecided(observed: Observed, why: str, looks: Sequence[Mapping[str, Any]]) -> Found:
    """Where nothing can be told yet: the next look takes these images in."""
    sentence = f"{why[:1].upper()}{why[1:].rstrip('.')}."
    nothing = {"held_out": None, "atc": None, "doc": None, "alarm": False, "told": sentence, "since": None}
    none = novel.none()
    nothing_yet: dict[str, Any] = {
        "level": 0.0,
        "spent_in_year": rounded(spent(looks, observed.about["until"], 0.0)),
        "signals": [],
        "shares": [],
        "accuracy": nothing,
        "was_right": None,
        "audit": None,
        "novel": none.about,
        "lacks": "",
        "verdict": cannot_tell(sentence),
        "published": False,
    }
    return Found({**_said(observed), **nothing_yet}, none.candidates)


def found(
    observed: Observed,
    release: Mapping[str, Any],
    store: Store | None,
    looks: Sequence[Mapping[str, Any]],
    settings: MonitorSettings,
) -> Found:
    """Compare the images of a look with the reference. release: release.json; looks: all earlier ones at the model,
    of which those at the same version tell since when something is.
    """
    said = observed.about
    before = [look for look in looks if look["version"] == said["version"]]
    last = before[-1] if before else None
    ends = [datetime.fromisoformat(said[name]) for name in ("since", "until")]
    level = look_level((ends[1] - ends[0]).total_seconds(), settings.false_alarms)
    each = compared(observed)
    tests = measure(each, level, settings)
    signals = [test.as_dict() for test in tests.signals]
    signals = [{**test, "since": since(test, of_signal(last, test["name"]), said["since"])} for test in signals]
    accuracy = {**tests.accuracy, "since": since(tests.accuracy, last and last["accuracy"], said["since"])}
    audit = audited(store, said, release, each.held, settings) if store is not None else None
    if audit is not None:
        audit["since"] = since(audit, last and last["audit"], said["since"])
    outcome = verdict(signals, accuracy, audit)
    new = novel.novel(observed.table, observed.reference, settings.candidates, outcome["alarm"])
    drift = {
        **_said(observed),
        "level": rounded(level),
        "spent_in_year": rounded(spent(looks, said["until"], level)),
        "signals": signals,
        "shares": tests.shares,
        "no_shares": tests.no_shares,
        "accuracy": accuracy,
        "was_right": was_right(before, audit),
        "audit": audit,
        "novel": new.about,
        "lacks": each.lacks,
        "verdict": outcome,
        "published": store is not None,
    }
    return Found(drift, new.candidates)


def _said(observed: Observed) -> dict[str, Any]:
    """What drift.json has of observed.json, and how many images it is compared with."""
    kept = {name: observed.about[name] for name in (*SAID, *MORE)}
    return {"format": FORMAT, **kept, "reference_images": len(present(observed.reference))}
