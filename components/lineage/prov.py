"""A lineage as PROV-JSON (https://www.w3.org/submissions/prov-json/), which tools for provenance read.

Objects of the store are named by their addresses in it (prefix `store`), images by their digest (`sha256`), people and
what happened by the prefix of this project (`gleaner`).
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from components.common.storage import Store
from components.lineage.graph import ENTITY, RELATIONS, Graph, Node
from components.lineage.nodes import IMAGE, OURS, STORE
from components.releases.provenance import HOME

COLLECTIONS = ("dataset", "labels", "batch")  # what has members
TIMES = {"started": "prov:startTime", "ended": "prov:endTime"}  # of an activity


def document(graph: Graph, store: Store) -> dict[str, Any]:
    """The graph as a PROV-JSON document."""
    made: dict[str, Any] = {
        "prefix": {
            STORE: f"{address(store)}/",
            IMAGE: "urn:sha256:",
            OURS: f"{HOME}/ns#",
            "xsd": "http://www.w3.org/2001/XMLSchema#",
        }
    }
    for node in graph.nodes:
        made.setdefault(node.kind, {})[node.key] = _about(node)
    for number, edge in enumerate(graph.edges, 1):
        effect, cause = RELATIONS[edge.relation]
        ends = {effect: edge.effect, cause: edge.cause}
        if edge.word and edge.relation != "hadMember":  # which has no attributes
            ends["prov:label"] = edge.word
        made.setdefault(edge.relation, {})[f"_:e{number}"] = ends
    return made


def address(store: Store) -> str:
    """The store as a URI without a slash at its end."""
    return (store.uri if "://" in store.uri else Path(store.uri).expanduser().resolve().as_uri()).rstrip("/")


def _about(node: Node) -> dict[str, Any]:
    """Attributes of a node; times of an activity are PROV's own."""
    types = [_named(f"{OURS}:{quote(node.what.replace(' ', '-'), safe='-')}")]
    if node.kind == ENTITY and node.what in COLLECTIONS:
        types.append(_named("prov:Collection"))
    if node.what == "person":
        types.append(_named("prov:Person"))
    told: dict[str, Any] = {"prov:label": node.title, "prov:type": types}
    for key, value in node.facts.items():
        if value in (None, "", (), []):
            continue
        if key in TIMES:
            told[TIMES[key]] = _time(value)
        else:
            told[f"{OURS}:{key}"] = _value(value)
    return told


def _named(qualified: str) -> dict[str, str]:
    return {"$": qualified, "type": "prov:QUALIFIED_NAME"}


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$": _time(value), "type": "xsd:dateTime"}
    if isinstance(value, list | tuple):
        return [_value(each) for each in value]
    return value


def _time(value: datetime | str) -> str:
    """As XML Schema writes it, in UTC."""
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    return time.astimezone(UTC).isoformat()
