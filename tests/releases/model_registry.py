"""A Model Registry for the tests, which speaks the documented part of v1alpha3 that releases use."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from components.releases.registry import API
from tests.loopback import listen

FIELDS = {  # of a body, by kind: those that may be created; `name` and parents are never updated
    "registered_models": {"name", "description", "externalId", "customProperties", "owner", "state"},
    "model_versions": {
        "name",
        "registeredModelId",
        "description",
        "externalId",
        "customProperties",
        "author",
        "state",
    },
    "model_artifacts": {
        "name",
        "artifactType",
        "uri",
        "description",
        "externalId",
        "customProperties",
        "state",
        "modelFormatName",
        "modelFormatVersion",
    },
}
REQUIRED = {"registered_models": {"name"}, "model_versions": {"name", "registeredModelId"}, "model_artifacts": set()}
FIXED = {"name", "registeredModelId"}


class Registry:
    """What is registered, by kind and id; and faults: status codes for the next requests, 0 to answer well."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in FIELDS}
        self.faults: list[int] = []
        self.requests: list[tuple[str, str]] = []
        self.lose: list[str] = []  # collections whose next POST is done and answered with 503
        self.token = ""

    def find(self, kind: str, name: str, parent: str | None) -> dict[str, Any] | None:
        return next(
            (
                one
                for one in self.kept[kind].values()
                if one["name"] == name and parent in (None, one.get("_parent"), one.get("registeredModelId"))
            ),
            None,
        )


class _Handler(BaseHTTPRequestHandler):
    state: Registry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        url = urlsplit(self.path)
        self.state.requests.append((self.command, url.path.removeprefix(API)))
        if self.state.faults and (fault := self.state.faults.pop(0)):
            self._answer(fault, {"code": "fault", "message": f"this is a\n{fault}"})
        elif self.state.token and self.headers.get("Authorization") != f"Bearer {self.state.token}":
            self._answer(401, {"code": "Unauthorized", "message": "who are you?"})
        elif not url.path.startswith(f"{API}/"):
            self._answer(404, {"code": "NotFound", "message": "no such path"})
        else:
            path = url.path.removeprefix(f"{API}/").split("/")
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            self._answer(*getattr(self, f"_{self.command.lower()}")(path, query, body))

    do_POST = do_PATCH = do_GET

    def _get(self, path: list[str], query: dict[str, str], body: Any) -> tuple[int, dict[str, Any]]:
        found = self.state.find(f"{path[0]}s", query["name"], query.get("parentResourceId"))
        return (200, found) if found else (404, {"code": "NotFound", "message": "no such thing"})

    def _post(self, path: list[str], query: dict[str, str], body: Any) -> tuple[int, dict[str, Any]]:
        kind = "model_artifacts" if path[-1] == "artifacts" else path[0]
        parent = path[1] if len(path) == 3 else body.get("registeredModelId")
        if wrong := _wrong(kind, body, FIELDS[kind], REQUIRED[kind]):
            return 400, {"code": "BadRequest", "message": wrong}
        if self.state.find(kind, body["name"], parent):
            return 409, {"code": "Conflict", "message": "there already"}
        identity = str(1 + sum(map(len, self.state.kept.values())))
        made = {**body, "id": identity, "_parent": parent}
        self.state.kept[kind][identity] = made
        if path[0] in self.state.lose:
            self.state.lose.remove(path[0])
            return 503, {"code": "Unavailable", "message": "lost"}
        return 201, made

    def _patch(self, path: list[str], query: dict[str, str], body: Any) -> tuple[int, dict[str, Any]]:
        if wrong := _wrong(path[0], body, FIELDS[path[0]] - FIXED, set()):
            return 400, {"code": "BadRequest", "message": wrong}
        self.state.kept[path[0]][path[1]].update(body)
        return 200, self.state.kept[path[0]][path[1]]

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""


def _wrong(kind: str, body: dict[str, Any], allowed: set[str], required: set[str]) -> str:
    if body.keys() - allowed or required - body.keys():
        return f"{kind}: unknown {sorted(body.keys() - allowed)}, missing {sorted(required - body.keys())}"
    if body.get("state", "LIVE") not in ("LIVE", "ARCHIVED"):
        return "state"
    for value in body.get("customProperties", {}).values():
        expected = {"MetadataStringValue": ("string_value", str), "MetadataDoubleValue": ("double_value", float)}
        field, kind_of = expected[value["metadataType"]]
        if value.keys() != {"metadataType", field} or not isinstance(value[field], kind_of):
            return f"customProperties: {value}"
    return ""


@contextmanager
def serving(registry: Registry) -> Iterator[str]:
    with listen(_Handler, registry) as address:
        yield address
