"""All that a store knows of one release: what it is made of, who labelled, what was decided, and how it answered."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from components.common.artifacts import PROPAGATED, SPLITS, TRAIN
from components.common.code import code_digest
from components.common.errors import BadInputError
from components.common.storage import Store
from components.labels.store import LabelStore
from components.lineage.nodes import counted, moment, short
from components.lineage.reading.columns import rows_of
from components.lineage.reading.served import Span, served_by
from components.lineage.told import Section, lines_of
from components.lineage.trace import UNLABELLED, how_of, read_labels
from components.lineage.versions import about, versions_of
from components.releases import champion as champions
from components.releases.bundle import verified_file, verified_release
from components.releases.deciding.listing import state_of
from components.releases.history import Event
from components.releases.provenance import FILE as PROVENANCE

PERSON = "store"  # source of a label that the label store has, with its round


class Teachers(NamedTuple):
    """Labels of one kind: who gave them, in which round, and how many for each purpose."""

    source: str  # as of a label: oracle, source, file, store or propagated
    who: str
    round: int  # 0 where nobody noted it
    counts: dict[str, int]


class Release(NamedTuple):
    """What is known of a release."""

    folder: str  # its key in the store, which ends in a slash
    about: dict[str, Any]  # release.json
    state: str
    events: list[Event]
    dataset: dict[str, Any] | None  # dataset.json; None where it is not in the store any more
    labels: pa.Table | None
    teachers: list[Teachers]
    figures: dict[str, Any]  # of metrics.json
    images: dict[str, str]  # containers that it was made in, by role
    candidates: str  # key of what was asked for; empty where labels.json does not say
    network: dict[str, Any]  # classifier.json
    served: Span | None
    log: str  # where servers log to; empty where that was not looked at
    unknown: list[str]  # sentences

    @property
    def model(self) -> str:
        return str(self.about["model"])

    @property
    def version(self) -> str:
        return str(self.about["version"])


def release_of(store: Store, model: str, version: str, log: Store | None) -> Release:
    """Raises BadInputError where release.json was changed: then nothing is known of it."""
    folder = f"releases/{model}/{version}/"
    release = verified_release(store, folder)
    now, events = champions.champion(store, model), champions.history(store, model)
    compared = release.get("compared_with") or None
    unknown: list[str] = []

    def file(name: str, otherwise: Any) -> Any:
        """A JSON file of the release, as far as it has one."""
        try:
            return json.loads(verified_file(store, folder, release, name)) if name in release["files"] else otherwise
        except BadInputError as error:
            unknown.append(str(error))
            return otherwise

    try:
        labels = read_labels(store, folder, release)
    except BadInputError as error:
        labels = None
        unknown.append(str(error))
    name, dataset = release.get("dataset_name", ""), release.get("digests", {}).get("dataset", "")
    found = about(store, name, dataset) if name and dataset else None
    if found is None:
        unknown.append(
            f"which images it learned from without a label: its dataset {name} {short(dataset)} is not in the store "
            "any more"
        )
    teachers, untold = _teachers(store, name, release, labels)
    statement = file(PROVENANCE, {})
    return Release(
        folder,
        release,
        state_of(version, events, now and now.version, compared),
        [event for event in events if version in (event["version"], event.get("previous"))],
        found,
        labels,
        teachers,
        file("metrics.json", {}),
        _containers(statement),
        str(file("labels.json", {}).get("candidates", "")),
        file("classifier.json", {}),
        None if log is None else served_by(log, model, version),
        log.uri if log else "",
        [*unknown, *untold, *([] if log else ["what it answered: the serving log was not looked at"])],
    )


def told(release: Release, store: Store) -> Iterator[str]:
    """What `gleaner lineage RELEASE` prints."""
    about, figures, code = release.about, release.figures, release.about.get("digests", {}).get("code", "")
    accuracy = ""
    if figures.get("images"):
        low, high = (f"{100 * figures[name]:.2f} %" for name in ("accuracy_low", "accuracy_high"))
        accuracy = f"{100 * figures['accuracy']:.2f} % ({low} to {high}, {figures['images']:,} test images)"
    facts = {
        "state": release.state,
        "place": f"{store.uri}/{release.folder}".rstrip("/"),
        "classes": ", ".join(about.get("classes", [])),
        "accuracy": accuracy,
        "dataset": _dataset(release),
        "labels": _labels(release),
        "candidates": f"{store.uri}/{release.candidates}" if release.candidates else "",
        "asked for": wanted_from(about),
        "encoder": _encoder(release),
        "trained by": _training(release),
        "code": f"{short(code)}{' (as it runs here)' if code == code_digest() else ''}" if code else "",
        "run": short(str(about.get("run", {}).get("key") or "")),
        "seed": f"{about['seed']}, {about.get('threads')} threads" if "seed" in about else "",
        "images": ", ".join(f"{role} {image}" for role, image in sorted(release.images.items())),
        "compared with": about.get("compared_with") or "no champion",
    }
    yield from lines_of(f"release {release.version} of {release.model}", facts, _sections(release), release.unknown)


def images_in(store: Store, release: Release) -> Iterator[tuple[str, str, str, str]]:
    """Every image that it learned from or was measured by: id, how, label and who gave it; those with a label first.

    Raises BadInputError where that is not known any more.
    """
    if release.labels is None or release.dataset is None:
        raise BadInputError(f"{store.uri}/{release.folder}: {release.unknown[0]}")
    ids = set()
    for row in release.labels.to_pylist():
        ids.add(row["id"])
        yield row["id"], how_of(row), row["label"], row["annotator"] or row["source"]
    which = (release.dataset["name"], release.dataset["id"])
    table = next(one.index for one in versions_of(store) if (one.name, one.version) == which)
    rows = rows_of(store, table, "split", [TRAIN], ["id"])
    for image in rows["id"].to_pylist() if rows else ():
        if image not in ids:
            yield image, UNLABELLED, "", ""


def wanted_from(about: dict[str, Any]) -> str:
    """The list of images that its run was told to ask about, as the watch writes one; empty where there was none."""
    given = about.get("run", {}).get("settings", {}).get("sample", {}).get("candidates_from")
    return "" if given in (None, "null") else str(given)


def _sections(release: Release) -> Iterator[Section]:
    rows = [
        {"who": one.who, "round": str(one.round or ""), **{split: f"{one.counts.get(split, 0):,}" for split in SPLITS}}
        for one in release.teachers
    ]
    yield Section("labels", rows, "none that is known")
    events = [
        {
            "time": moment(event["when"]),
            "what": event["what"],
            "version": event["version"],
            "after": event.get("previous") or "",
            "who": event["who"],
            "from": event["from"],
            "why": event["why"],
        }
        for event in release.events
    ]
    yield Section("decisions", events, "none was noted")
    if release.log:
        span = release.served
        rows = [{"answers": f"{span.answers:,}", "from": moment(span.first), "to": moment(span.last)}] if span else []
        yield Section("answers", rows, f"none in {release.log}, a sample of what is served")


def _encoder(release: Release) -> str:
    """The network, and how it was pretrained; the digest of the encoder alone is recorded nowhere."""
    model, pretrained = release.network.get("model", {}), settings_of(release).get("pretrain", {})
    if not model:
        return ""
    size = f"{model['architecture']} at {model['image_size']} px"
    return f"{size}, pretrained for {pretrained['epochs']:g} epochs" if "epochs" in pretrained else size


def _training(release: Release) -> str:
    """The stage that the weights are of."""
    network = release.network
    why = f", which handed on what it was given: {network['why']}" if network.get("handed_on") else ""
    return f"{network['stage']}{why}" if "stage" in network else ""


def settings_of(release: Release) -> dict[str, Any]:
    """Settings of the whole run, by stage, as far as the release has them."""
    found = release.about.get("run", {}).get("settings")
    return found if isinstance(found, dict) else {}


def _dataset(release: Release) -> str:
    digest = release.about.get("digests", {}).get("dataset", "")
    which = f"{release.about.get('dataset_name', '')} {short(digest)}".strip()
    known = (release.dataset or {}).get("counts", {})
    counts = {split: known[split] for split in SPLITS if split in known}
    return f"{which}, {sum(counts.values()):,} images ({counted(counts)})" if counts else f"{which}, which is gone"


def _labels(release: Release) -> str:
    digest = release.about.get("digests", {}).get("labels", "")
    return f"{short(digest)}, {counted(purposes(release))}".rstrip(", ")


def purposes(release: Release) -> dict[str, int]:
    """Labels by what they were for."""
    total: Counter[str] = Counter()
    for one in release.teachers:
        total.update(one.counts)
    return {split: total[split] for split in SPLITS}


def _teachers(
    store: Store, name: str, release: dict[str, Any], labels: pa.Table | None
) -> tuple[list[Teachers], list[str]]:
    """Labels by who gave them and in which round, and what is not known of that."""
    if labels is None:
        return [], []
    rows = labels.select(["id", "purpose", "source", "annotator", "time"]).to_pylist()
    rounds: dict[tuple[str, str], int] = {}
    untold = []
    if any(row["source"] == PERSON for row in rows):
        version = release.get("run", {}).get("settings", {}).get("sample", {}).get("labels_version") or ""
        try:
            answers = LabelStore(store, name).read("" if version == "null" else version).answers
            rounds = {(answer.id, answer.annotator): answer.round for answer in answers}
        except BadInputError as error:
            untold.append(f"in which rounds its labels were given: {error}")
    counts: dict[tuple[str, str, int], Counter[str]] = {}
    for row in rows:
        who = row["annotator"] or row["source"]
        which = (row["source"], who if row["source"] != PROPAGATED else PROPAGATED, rounds.get((row["id"], who), 0))
        counts.setdefault(which, Counter())[row["purpose"]] += 1
    return [Teachers(*which, dict(some)) for which, some in sorted(counts.items(), key=lambda one: one[0][1:])], untold


def _containers(statement: dict[str, Any]) -> dict[str, str]:
    """References of the images that it was made in, by role, from provenance.json."""
    said = statement.get("predicate", {}).get("buildDefinition", {}).get("resolvedDependencies", [])
    named = ((one.get("name", ""), one.get("uri", "")) for one in said)
    return {name.removeprefix("image "): uri.removeprefix("oci://") for name, uri in named if uri.startswith("oci://")}
