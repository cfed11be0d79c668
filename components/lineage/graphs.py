"""What came of what around an image, labels or a release."""

from collections.abc import Sequence

from components.common.files import json_text
from components.common.storage import Store
from components.lineage.graph import ACTIVITY, AGENT, ENTITY, Edge, Graph, Node, graph_of
from components.lineage.known.image import Image
from components.lineage.known.label import AGREES, TAKEN, Labels
from components.lineage.known.release import Release, purposes, settings_of, wanted_from
from components.lineage.nodes import (
    counted,
    dataset_node,
    image_node,
    label_name,
    label_parts,
    moment,
    our_name,
    person_node,
    release_node,
    short,
    store_name,
)
from components.lineage.reading.said import STANDS, Given
from components.lineage.reading.served import Served
from components.lineage.trace import UNKNOWN, Learned
from components.releases.history import COMMITTED, PUBLISHED

Parts = tuple[list[Node], list[Edge]]
PEOPLE = ("file", "store")  # sources of labels that people gave


def of_image(image: Image) -> Graph:
    """The image, what was made of it, and what that answered."""
    centre = image_node(image.id)
    nodes: list[Node] = [centre]
    edges: list[Edge] = []
    standing = [one for one, fate in zip(image.given, image.fates, strict=True) if fate in STANDS]
    names = {one.version: one.dataset for one in image.held}
    for one in image.held:
        dataset = dataset_node(one.dataset, one.version)
        nodes.append(dataset)
        edges.append(Edge(centre.key, dataset.key, "hadMember", one.split))
    parts = [label_parts(given) for given in image.given]
    parts += [_learned(image.id, one, standing, names) for one in image.releases if one.how != UNKNOWN]
    parts += [_served(centre, one) for one in image.served]
    for some, more in parts:
        nodes += some
        edges += more
    return graph_of(f"Image {short(image.id)}", centre.key, nodes, edges)


def of_labels(labels: Labels) -> Graph:
    """People, images, labels, their batches, and the releases that have them."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    for given in labels.given:
        some, more = label_parts(given)
        batch = Node(store_name(given.batch), ENTITY, "batch", given.batch.rpartition("/")[2][:17])
        nodes += [*some, batch]
        edges += [*more, Edge(some[-1].key, batch.key, "hadMember")]
    for used in labels.used:
        if used.what in (TAKEN, AGREES):
            release = release_node(used.release.model, used.release.version)
            nodes.append(release)
            edges.append(Edge(label_name(used.given), release.key, "wasDerivedFrom", used.release.how))
    people = {one.answer.annotator for one in labels.given}
    focus = label_name(labels.given[-1])
    if len(labels.given) > 1:
        focus = person_node(people.pop()).key if len(people) == 1 else store_name(labels.given[0].batch)
    return graph_of(labels.which[0].upper() + labels.which[1:], focus, nodes, edges)


def of_release(release: Release, store: Store) -> Graph:
    """Images and people, the run that learned from them, the release, and what became of it."""
    about = release.about
    centre = release_node(release.model, release.version, release.state, **_facts(release))
    run = Node(
        our_name("run", release.model, release.version),
        ACTIVITY,
        "run",
        short(str(about.get("run", {}).get("key") or "")) or "of an unknown key",
        tuple(f"{role}: {_short_image(image)}" for role, image in sorted(release.images.items())),
        {
            "key": about.get("run", {}).get("key"),
            "images": [*release.images.values()],
            "seed": about.get("seed"),
            "settings": json_text(settings_of(release)),
        },
    )
    nodes, edges = [centre, run], [Edge(run.key, centre.key, "wasGeneratedBy")]
    for some, more in (_sources(release, run), _labels(release, run, store), _decisions(release, centre)):
        nodes += some
        edges += more
    code = about.get("digests", {}).get("code")
    if code:
        nodes.append(Node(our_name("code", code), AGENT, "code", f"gleaner {short(code)}", (), {"digest": code}))
        edges.append(Edge(our_name("code", code), run.key, "wasAssociatedWith"))
    if compared := about.get("compared_with"):
        nodes.append(release_node(release.model, compared))
        edges.append(Edge(release_node(release.model, compared).key, run.key, "used", "compared with"))
    if span := release.served:
        lines = (f"{moment(span.first)[:10]} to {moment(span.last)[:10]}",)
        told = {"count": span.answers, "first": span.first, "last": span.last}
        answers = Node(f"{centre.key}/answers", ENTITY, "answers", f"{span.answers:,} answers in the log", lines, told)
        nodes.append(answers)
        edges.append(Edge(centre.key, answers.key, "wasDerivedFrom"))
    return graph_of(f"Release {release.version} of {release.model}", centre.key, nodes, edges)


def _learned(image: str, one: Learned, standing: Sequence[Given], names: dict[str, str]) -> Parts:
    """A release and what it has to do with an image. standing: answers about it that count; names: of the datasets that
    hold it, by version.
    """
    release = release_node(one.model, one.version)
    source = next((label_name(each) for each in standing if one.label and each.answer.annotator == one.by), "")
    if not one.label and one.dataset in names:
        source = dataset_node(names[one.dataset], one.dataset).key
    return [release], [Edge(source or image_node(image).key, release.key, "wasDerivedFrom", one.how)]


def _served(image: Node, one: Served) -> Parts:
    answer = Node(
        our_name("answer", one.model, one.version, one.id, one.time.isoformat()),
        ENTITY,
        "answer",
        f"“{one.predicted}”, {one.confidence:.1%}",
        (moment(one.time),),
        {"class": one.predicted, "confidence": one.confidence, "time": one.time},
    )
    release = release_node(one.model, one.version)
    return [release, answer], [
        Edge(release.key, answer.key, "wasDerivedFrom"),
        Edge(image.key, answer.key, "wasDerivedFrom", "asked about", drawn=False),
    ]


def _facts(release: Release) -> dict[str, object]:
    return {
        "state": release.state,
        "classes": release.about.get("classes", []),
        "accuracy": release.figures.get("accuracy"),
        "passed": release.about.get("passed"),
    }


def _sources(release: Release, run: Node) -> Parts:
    """The dataset, as far as it is known, and the images of its splits."""
    name, version = release.about.get("dataset_name", ""), release.about.get("digests", {}).get("dataset", "")
    if not name or not version:
        return [], []
    counts = (release.dataset or {}).get("counts", {})
    lines = (f"{sum(counts.values()):,} images", counted({"train": counts.get("train", 0)})) if counts else ("gone",)
    dataset = dataset_node(name, version, *lines, counts=[f"{split}: {count}" for split, count in counts.items()])
    return [dataset], [Edge(dataset.key, run.key, "used")]


def _labels(release: Release, run: Node, store: Store) -> Parts:
    """The labels, who gave them, and the candidates that were asked about."""
    digest = release.about.get("digests", {}).get("labels")
    if not digest:
        return [], []
    counts = purposes(release)
    labels = Node(
        store_name(f"{release.folder}labels.parquet"),
        ENTITY,
        "labels",
        f"{sum(counts.values()):,} labels",
        tuple(f"{count:,} {split}" for split, count in counts.items() if count),
        {"digest": digest},
    )
    nodes, edges = [labels], [Edge(labels.key, run.key, "used")]
    for who in sorted({one.who for one in release.teachers}):
        given = [one for one in release.teachers if one.who == who]
        rounds = ", ".join(str(one.round) for one in given if one.round)
        person = person_node(who, *([f"round {rounds}"] if rounds else []))
        if given[0].source not in PEOPLE:
            person = person._replace(what="source")
        nodes.append(person)
        count = sum(sum(one.counts.values()) for one in given)
        edges.append(Edge(person.key, labels.key, "wasAttributedTo", f"{count:,} label{'s' if count > 1 else ''}"))
    if release.candidates:
        candidates = Node(
            store_name(release.candidates), ENTITY, "candidates", short(release.candidates.rpartition("/")[2])
        )
        nodes.append(candidates)
        edges.append(Edge(candidates.key, labels.key, "wasDerivedFrom"))
        if wanted := wanted_from(release.about):
            key = wanted.removeprefix(f"{store.uri.rstrip('/')}/")
            source = Node(store_name(key), ENTITY, "candidates", "asked for", (key.rpartition("/releases/")[2],))
            nodes.append(source)
            edges.append(Edge(source.key, candidates.key, "wasDerivedFrom"))
    return nodes, edges


def _decisions(release: Release, centre: Node) -> Parts:
    """What was decided about it, and by whom."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    for event in release.events:
        if event["what"] in (PUBLISHED, COMMITTED):
            continue
        other = [f"of {short(event['version'])}"] if event["version"] != release.version else []
        decision = Node(
            our_name("decision", release.model, str(event["number"])),
            ACTIVITY,
            "decision",
            event["what"],
            (*other, moment(event["when"])[:16], f"by {event['who']}"),
            {"started": event["when"], "ended": event["when"], "version": event["version"], "why": event["why"]},
        )
        person = person_node(event["who"])
        nodes += [decision, person]
        edges.append(Edge(centre.key, decision.key, "used"))
        edges.append(Edge(person.key, decision.key, "wasAssociatedWith", drawn=False))
    return nodes, edges


def _short_image(reference: str) -> str:
    name, _, digest = reference.partition("@")
    return f"{name.rpartition('/')[2]} {short(digest.partition(':')[2])}".strip()
