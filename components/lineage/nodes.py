"""What images, datasets, labels, people and releases are in a lineage: for machines by qualified names, for people in
short.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from components.lineage.graph import AGENT, ENTITY, Edge, Node
from components.lineage.reading.said import Given

STORE, IMAGE, OURS = "store", "sha256", "gleaner"
"""Prefixes: objects by their address in the store, images by their digest, all else by names of this project's own."""


def store_name(key: str) -> str:
    return f"{STORE}:{_local(key)}"


def image_name(image: str) -> str:
    return f"{IMAGE}:{_local(image)}"


def our_name(*parts: str) -> str:
    """Of what has no address: people, labels, answers, runs, decisions."""
    return f"{OURS}:{'/'.join(quote(part, safe='-._') for part in parts)}"


def image_node(image: str, *lines: str, **facts: Any) -> Node:
    return Node(image_name(image), ENTITY, "image", short(image), lines, facts)


def dataset_node(dataset: str, version: str, *lines: str, **facts: Any) -> Node:
    about = {"name": dataset, "version": version, **facts}
    return Node(
        store_name(f"datasets/{dataset}/{version}"), ENTITY, "dataset", f"{dataset} {short(version)}", lines, about
    )


def release_node(model: str, version: str, *lines: str, **facts: Any) -> Node:
    about = {"model": model, "version": version, **facts}
    return Node(store_name(f"releases/{model}/{version}"), ENTITY, "release", f"{model} {short(version)}", lines, about)


def person_node(person: str, *lines: str) -> Node:
    return Node(our_name("person", person), AGENT, "person", person, lines)


def label_name(given: Given) -> str:
    answer = given.answer
    return our_name("label", given.name, answer.id, answer.annotator, answer.time.isoformat())


def label_parts(given: Given) -> tuple[list[Node], list[Edge]]:
    """The image, the person and the label, in this order, and what came of what."""
    answer = given.answer
    label = Node(
        label_name(given),
        ENTITY,
        "label",
        f"“{answer.label or answer.kind}”",
        (f"round {answer.round}, {moment(answer.time)[:10]}",),
        {
            "class": answer.label,
            "answer": answer.kind,
            "round": answer.round,
            "time": answer.time,
            "task": answer.task,
            "batch": given.batch,
        },
    )
    image, person = image_node(answer.id), person_node(answer.annotator)
    return [image, person, label], [
        Edge(image.key, label.key, "wasDerivedFrom"),
        Edge(person.key, label.key, "wasAttributedTo"),
    ]


def short(digest: str) -> str:
    """The first digits, which people compare."""
    return digest[:12]


def moment(when: datetime | str) -> str:
    """To the second, in UTC."""
    time = datetime.fromisoformat(when) if isinstance(when, str) else when
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def counted(counts: Mapping[str, int]) -> str:
    """`30 train, 50 validation`, those that are not 0."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _local(text: str) -> str:
    return quote(text, safe="/-._")
