"""All that a store knows of one image: where it is, who was asked and said what, which releases learned from it, and
what they answered about it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from components.common.forgotten import asked_to_forget
from components.common.storage import Store
from components.lineage.nodes import moment, short
from components.lineage.reading.asked import Asked, asked_about
from components.lineage.reading.said import Given, answers_about, by_time, fates, now_called
from components.lineage.reading.served import Served, served_about
from components.lineage.told import Section, lines_of
from components.lineage.trace import MEANS, UNKNOWN, Learned, releases_of
from components.lineage.versions import Held, about, held_by, near_duplicates, versions_of
from components.releases.champion import champion

SHOWN = 20  # answers of the log that the text tells, the newest


class Image(NamedTuple):
    """What is known of an image."""

    id: str
    held: list[Held]
    shards: list[str]  # of `held`: keys of the files that have its bytes; empty where nobody knows
    near: list[str]  # ids of its near-duplicates in the newest version that holds it
    asked: list[Asked]
    given: list[Given]
    fates: list[str]  # of `given`
    called: dict[str, str]  # classes that were renamed
    releases: list[Learned]
    champions: dict[str, str]  # by model
    forgotten: str  # when that was asked for, in ISO 8601; empty where it was not
    log: str  # where servers log to; empty where that was not looked at
    served: list[Served]


def image_of(store: Store, image: str, names: list[str], log: Store | None) -> Image:
    """names: label stores that are looked at beside those of the datasets that hold it."""
    versions = versions_of(store)
    held = held_by(store, versions, [image])
    near: list[str] = []
    if held:
        newest = next(one for one in versions if (one.name, one.version) == (held[-1].dataset, held[-1].version))
        near = [other for other in near_duplicates(store, newest, held[-1].group) if other != image]
    labels = sorted({*names, *(one.dataset for one in held)})
    given = by_time(one for name in labels for one in answers_about(store, name, [image]))
    called = {old: new for name in labels for old, new in now_called(store, name).items()} if given else {}
    releases, champions = releases_with(store, image)
    return Image(
        image,
        held,
        [_shard(store, one) for one in held],
        near,
        asked_about(store, [image]),
        given,
        fates(given),
        called,
        releases,
        champions,
        asked_to_forget(store, image),
        log.uri if log else "",
        served_about(log, [image]) if log else [],
    )


def told(image: Image) -> Iterator[str]:
    """What `gleaner lineage IMAGE` prints."""
    known = [one for one in image.releases if one.how != UNKNOWN]
    learned = sum(one.learned is True for one in known)
    facts = {
        "forgotten": f"as asked for at {moment(image.forgotten)}; no ingest takes it in again"
        if image.forgotten
        else "",
        "near-duplicates": ", ".join(map(short, image.near)),
        "learned from it": f"{learned:,} of the {len(known):,} releases below" if known else "no release that is known",
    }
    more = [] if image.log else ["what was answered about it: the serving log was not looked at"]
    yield from lines_of(f"image {image.id}", facts, _sections(image), [*untold(image.releases), *more])


def releases_with(store: Store, image: str) -> tuple[list[Learned], dict[str, str]]:
    """Releases that have to do with an image, and the champions of their models."""
    releases = releases_of(store, image)
    pointers = {model: champion(store, model) for model in sorted({one.model for one in releases})}
    return releases, {model: now.version for model, now in pointers.items() if now}


def releases_section(releases: Sequence[Learned], champions: Mapping[str, str]) -> Section:
    rows = [
        {
            "release": f"{one.model} {one.version}",
            "state": "champion" if champions.get(one.model) == one.version else "",
            "learned": {True: "yes", False: "no", None: "?"}[one.learned],
            "how": MEANS[one.how],
            "label": one.label,
            "by": one.by,
        }
        for one in releases
    ]
    return Section("releases", rows, "none learned from it, or was measured by it")


def untold(releases: Sequence[Learned]) -> list[str]:
    """Whether releases learned from it, where nobody knows, in sentences."""
    return [f"whether {one.model} {one.version} learned from it: {one.why}" for one in releases if one.why]


def _sections(image: Image) -> Iterator[Section]:
    held = [_held(one, shard) for one, shard in zip(image.held, image.shards, strict=True)]
    yield Section("datasets", held, "none holds it")
    yield Section("asked", [_asked(one) for one in image.asked], "no candidates that are still there hold it")
    answers = [_given(one, fate, image.called) for one, fate in zip(image.given, image.fates, strict=True)]
    yield Section("labels of people", answers, "nobody answered about it")
    yield releases_section(image.releases, image.champions)
    if image.log:
        newest = image.served[-SHOWN:]
        more = f" (the newest {SHOWN} of {len(image.served):,})" if len(image.served) > SHOWN else ""
        yield Section(
            f"answers{more}", [_served(one) for one in newest], f"none in {image.log}, a sample of what is served"
        )


def _shard(store: Store, one: Held) -> str:
    shards = (about(store, one.dataset, one.version) or {}).get("shards", [])
    return str(shards[one.shard]["key"]) if one.shard < len(shards) else ""


def _held(one: Held, shard: str) -> dict[str, str]:
    return {
        "dataset": one.dataset,
        "version": one.version,
        "split": one.split,
        "label_of_source": one.label or "",
        "path": one.source,
        "shard": shard,
    }


def _asked(one: Asked) -> dict[str, str]:
    return {"when": one.what, "for": one.purpose, "why": one.reason, "where": one.where}


def _given(one: Given, fate: str, called: dict[str, str]) -> dict[str, str]:
    said = one.answer.label or one.answer.kind
    return {
        "time": moment(one.answer.time),
        "who": one.answer.annotator,
        "said": f"{said} ({called[said]} now)" if said in called else said,
        "round": str(one.answer.round),
        "batch": one.batch,
        "became": fate,
    }


def _served(one: Served) -> dict[str, str]:
    return {
        "time": moment(one.time),
        "release": f"{one.model} {one.version}",
        "said": one.predicted,
        "confidence": f"{one.confidence:.1%}",
    }
