"""All that a store knows of labels: one person's answers about an image, all of a person's, or a batch."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from components.common.errors import BadInputError
from components.common.storage import Store
from components.lineage.nodes import label_name, moment, short
from components.lineage.reading.said import Given, answers_about, answers_by, answers_in, fates, now_called
from components.lineage.told import Section, lines_of
from components.lineage.trace import MEANS, UNKNOWN, Learned, releases_of_all

SHOWN = 20  # labels that the text tells, the newest
TAKEN, AGREES, DIFFERS, WITHOUT = "taken", "another's, the same", "another label", "the image without a label"
"""What a release has of the image of an answer: this one; the same label, for which it names someone else; another
label; none."""


class Used(NamedTuple):
    """What became of an answer in a release."""

    given: Given
    release: Learned
    what: str  # one of the four above


class Labels(NamedTuple):
    """What is known of some answers."""

    which: str  # in words
    given: list[Given]  # by time
    fates: list[str]
    called: dict[str, str]  # classes that were renamed
    used: list[Used]  # only of releases that have to do with the image
    unknown: list[Learned]  # one for each release of which nobody knows


def labels_of(store: Store, name: str, batch: str = "", image: str = "", person: str = "") -> Labels:
    """The answers of a batch, or of a person about one image or all. Raises BadInputError where there are none."""
    if batch:
        found = answers_in(store, name, batch)
        names = sorted({one.batch.rpartition("/")[2] for one in found})
        if len(names) > 1:
            raise BadInputError(f"{batch}: more than one batch begins so: {', '.join(names[:5])}; give more digits")
        which = f"labels of batch {(names or [batch])[0].removesuffix('.parquet')}"
    elif image:
        which = f"what {person} said of image {short(image)}"
        found = [one for one in answers_about(store, name, [image]) if one.answer.annotator == person]
    else:
        which, found = f"all that {person} said", answers_by(store, name, person)
    if not found:
        raise BadInputError(
            f"{store.uri}/labels/{name}/: {which}: there is nothing; `gleaner labels status` says who answered"
        )
    ids = sorted({one.answer.id for one in found})
    everything = answers_about(store, name, ids)
    fate = dict(zip(map(label_name, everything), fates(everything), strict=True))
    called, releases = now_called(store, name), releases_of_all(store, ids)
    return Labels(
        which,
        found,
        [fate[label_name(one)] for one in found],
        called,
        [
            Used(one, release, _what(one, release, called))
            for one in found
            for release in releases[one.answer.id]
            if release.how != UNKNOWN
        ],
        [*{one[:2]: one for some in releases.values() for one in some if one.how == UNKNOWN}.values()],
    )


def told(labels: Labels) -> Iterator[str]:
    """What `gleaner lineage LABEL` prints."""
    answers = [one.answer for one in labels.given]
    facts = {
        "answers": f"{len(answers):,} about {len({one.id for one in answers}):,} images",
        "people": ", ".join(sorted({one.annotator for one in answers})),
        "rounds": ", ".join(map(str, sorted({one.round for one in answers}))),
        "time": " to ".join(dict.fromkeys([moment(answers[0].time), moment(answers[-1].time)])),
    }
    yield from lines_of(labels.which, facts, _sections(labels), unknown(labels))


def unknown(labels: Labels) -> list[str]:
    """What nobody knows, in sentences."""
    return [f"whether {one.model} {one.version} learned from them: {one.why}" for one in labels.unknown]


def _sections(labels: Labels) -> Iterator[Section]:
    newest = [*zip(labels.given, labels.fates, strict=True)][-SHOWN:]
    more = f" (the newest {SHOWN} of {len(labels.given):,})" if len(labels.given) > SHOWN else ""
    rows = [
        {
            "time": moment(one.answer.time),
            "image": short(one.answer.id),
            "who": one.answer.annotator,
            "said": _said(one, labels.called),
            "round": str(one.answer.round),
            "batch": one.batch,
            "became": fate,
        }
        for one, fate in newest
    ]
    yield Section(f"labels{more}", rows)
    yield Section("releases", [*_by_release(labels)], "none knows their images")


def _by_release(labels: Labels) -> Iterator[Mapping[str, str]]:
    """A row for each release and each thing that became of the answers in it."""
    counts = Counter((one.release.model, one.release.version, one.what, one.release.how) for one in labels.used)
    for (model, version, what, how), count in sorted(counts.items()):
        yield {"release": f"{model} {version}", "answers": f"{count:,}", "it_has": what, "how": MEANS[how]}


def _said(one: Given, called: Mapping[str, str]) -> str:
    said = one.answer.label or one.answer.kind
    return f"{said} ({called[said]} now)" if said in called else said


def _what(given: Given, release: Learned, called: Mapping[str, str]) -> str:
    """What a release has of the image of an answer."""
    said = given.answer.label or ""
    if not release.label:
        return WITHOUT
    if release.label not in (said, called.get(said, said)):
        return DIFFERS
    return TAKEN if release.by == given.answer.annotator else AGREES
