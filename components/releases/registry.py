"""Tell a Kubeflow Model Registry about a release: REST, v1alpha3 (kubeflow/model-registry, api/openapi).

A registered model, a version of it and the artifact that the version has; each is looked up by its name, and made or
brought up to date, so that telling it twice changes nothing. A registry that is not there, or does not take it, holds
nothing up: what happened is said in a sentence.
"""

import json
import os
from typing import Any, NamedTuple

import urllib3

API = "/api/model_registry/v1alpha3"
TOKEN = "GLEANER_REGISTRY_TOKEN"  # noqa: S105 (a name)
TIMEOUT = urllib3.Timeout(connect=5, read=15)  # seconds
RETRIES = 3
AGAIN = (429, 502, 503, 504)  # answers that a later try may mend
TAKEN = (400, 409)  # what a registry answers where somebody made the same just before


class Entry(NamedTuple):
    """What a registry is told about a release."""

    model: str
    version: str
    uri: str  # of the bundle
    description: str
    author: str
    properties: dict[str, str | float]


class _RefusedError(Exception):
    """The registry answered something else than was hoped for."""


def register(address: str, entry: Entry) -> str:
    """Make or update a release in the registry at `address`; returns a sentence that says whether that was done."""
    try:
        return _Registry(address).register(entry)
    except (_RefusedError, urllib3.exceptions.HTTPError) as error:
        reason = getattr(error, "reason", None) or error
        return f"the Model Registry at {address} was not told: {' '.join(str(reason).split())}"


class _Registry:
    def __init__(self, address: str) -> None:
        scheme, _, rest = address.partition("://")
        if scheme not in ("http", "https") or not rest:
            raise _RefusedError("expected http:// or https:// and a host as release.registry")
        self.base = address.rstrip("/").removesuffix(API) + API
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token := os.environ.get(TOKEN):
            headers["Authorization"] = f"Bearer {token}"
        retries = urllib3.Retry(
            RETRIES, backoff_factor=0.2, status_forcelist=AGAIN, allowed_methods=None, raise_on_status=False, redirect=0
        )
        self.http = urllib3.PoolManager(headers=headers, timeout=TIMEOUT, retries=retries)

    def register(self, entry: Entry) -> str:
        with self.http:
            model = self._upsert(
                "registered_model",
                {"name": entry.model},
                create={"name": entry.model, "description": "Image classifier", "state": "LIVE"},
                update={"state": "LIVE"},
            )
            told = {
                "description": entry.description,
                "author": entry.author,
                "state": "LIVE",
                "customProperties": {name: _property(value) for name, value in sorted(entry.properties.items())},
            }
            version = self._upsert(
                "model_version",
                {"name": entry.version, "parentResourceId": model},
                create={"name": entry.version, "registeredModelId": model, **told},
                update=told,
            )
            artifact = {
                "artifactType": "model-artifact",
                "uri": entry.uri,
                "modelFormatName": "gleaner",
                "modelFormatVersion": "2",
                "state": "LIVE",
            }
            self._upsert(
                "model_artifact",
                {"name": entry.version, "parentResourceId": version},
                create={"name": entry.version, **artifact},
                update=artifact,
                beneath=f"model_versions/{version}/artifacts",
            )
        return f"the Model Registry has {entry.model} {entry.version} as version {version}"

    def _upsert(
        self, kind: str, query: dict[str, str], create: dict[str, Any], update: dict[str, Any], beneath: str = ""
    ) -> str:
        """Id of the one thing of a kind that a query finds, made where there is none. beneath: the collection that it
        is made in, by default its kind's own.
        """
        found = self._find(kind, query)
        if found is None:
            status, made = self._ask("POST", beneath or f"{kind}s", create, accepted=TAKEN)
            if status not in TAKEN:
                return self._id(made)
            found = self._find(kind, query)  # somebody was faster, or the answer to a first try was lost
            if found is None:
                raise _RefusedError(f"{kind}s answered {status}: {_message(made)}")
        identity = self._id(found)
        if any(found.get(key) != value for key, value in update.items()):
            self._ask("PATCH", f"{kind}s/{identity}", update)
        return identity

    def _find(self, kind: str, query: dict[str, str]) -> dict[str, Any] | None:
        status, found = self._ask("GET", kind, query, accepted=(404,))
        return None if status == 404 else found

    def _ask(
        self, method: str, path: str, what: dict[str, Any], accepted: tuple[int, ...] = ()
    ) -> tuple[int, dict[str, Any]]:
        """Status and body of an answer. what: query of a GET, else the body."""
        url = f"{self.base}/{path}"
        if method == "GET":
            answer = self.http.request(method, url, fields=what)
        else:
            answer = self.http.request(method, url, body=json.dumps(what))
        try:
            body = json.loads(answer.data) if answer.data else {}
        except ValueError:
            body = {}
        if not isinstance(body, dict):
            body = {}
        if not 200 <= answer.status < 300 and answer.status not in accepted:
            raise _RefusedError(f"{path} answered {answer.status}: {_message(body)}")
        return answer.status, body

    def _id(self, found: dict[str, Any]) -> str:
        if not isinstance(found.get("id"), str):
            raise _RefusedError(f"{self.base}: answers without an id; is that a Model Registry?")
        return str(found["id"])


def _property(value: str | float) -> dict[str, Any]:
    if isinstance(value, str):
        return {"metadataType": "MetadataStringValue", "string_value": value}
    return {"metadataType": "MetadataDoubleValue", "double_value": value}


def _message(body: dict[str, Any]) -> str:
    return str(body.get("message") or body.get("code") or "no reason given")
