"""What came of what, as a graph in the words of W3C PROV: the source of both the JSON and the picture.

https://www.w3.org/TR/prov-dm/ says what the kinds and relations mean.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

ENTITY, ACTIVITY, AGENT = "entity", "activity", "agent"

RELATIONS = {  # name -> what its two ends are called in PROV-JSON: what came of something, and what that was
    "used": ("prov:activity", "prov:entity"),
    "wasGeneratedBy": ("prov:entity", "prov:activity"),
    "wasDerivedFrom": ("prov:generatedEntity", "prov:usedEntity"),
    "wasAttributedTo": ("prov:entity", "prov:agent"),
    "wasAssociatedWith": ("prov:activity", "prov:agent"),
    "hadMember": ("prov:collection", "prov:entity"),
}


class Node(NamedTuple):
    key: str  # a qualified name, `prefix:local`, as prov.py defines the prefixes
    kind: str  # one of the three above
    what: str  # image, dataset, label, person, run, release, decision, answer …
    title: str  # for people
    lines: tuple[str, ...] = ()  # more for people, short
    facts: Mapping[str, Any] = {}  # more for machines


class Edge(NamedTuple):
    """`effect` came of `cause`."""

    cause: str  # key of a node
    effect: str
    relation: str  # one of RELATIONS
    word: str = ""  # for people
    drawn: bool = True  # whether the picture has it


class Graph(NamedTuple):
    title: str
    nodes: list[Node]
    edges: list[Edge]
    focus: str  # key of the node that was asked about


def graph_of(title: str, focus: str, nodes: Iterable[Node], edges: Iterable[Edge]) -> Graph:
    """Each node and edge once, in the order in which they first come."""
    once: dict[str, Node] = {}
    for node in nodes:
        once.setdefault(node.key, node)
    return Graph(title, list(once.values()), list(dict.fromkeys(edges)), focus)
