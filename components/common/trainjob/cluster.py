"""The API server: TrainJobs, their pods and logs. The only module that knows the kubernetes client.

What another try may mend is tried again, one line each time, until PATIENCE has passed; the rest is a line with its
remedy.
"""

import builtins
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import urllib3
from kubernetes import client, config

from components.common.errors import BadInputError, FailedError
from components.common.trainjob.spec import API, RUNTIME

PATIENCE = 600.0  # seconds without a useful answer until the launcher gives up
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0  # seconds; doubled each time, then multiplied by a random number
LONGEST_WAIT = 60.0  # seconds, whatever Retry-After says
CONNECT, ANSWER = 10, 60  # seconds
MERGE = {"Content-Type": "application/merge-patch+json"}  # a list in it takes the place of the old one
WATCH = 240  # seconds after which the server ends a watch by itself

Answer = TypeVar("Answer")


class ConflictError(Exception):
    """409: an object of that name is there, or it is not the one that was meant."""


class GoneError(Exception):
    """404 of a single object, or 410: the history that was asked for is no longer kept."""


class BrokenError(Exception):
    """An answer that another try may mend. wait: seconds that the server asks for."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class Cluster:
    """One namespace, with the rights of the pod's service account (or of a kubeconfig)."""

    def __init__(self, namespace: str, say: Callable[[str], None]) -> None:
        self.namespace = namespace
        self.say = say
        settings = client.Configuration()
        try:
            load = config.load_incluster_config if "KUBERNETES_SERVICE_HOST" in os.environ else config.load_kube_config
            load(client_configuration=settings)
        except (config.ConfigException, OSError) as error:
            raise BadInputError(
                f"no Kubernetes API server is known here: {_line(str(error))}; "
                "expected a pod's service account or a kubeconfig"
            ) from None
        settings.retries = False  # urllib3's own tries are silent
        self._client = client.ApiClient(settings)
        self.jobs = f"/apis/{API}/namespaces/{namespace}/trainjobs"
        self.pods = f"/api/v1/namespaces/{namespace}/pods"

    def create(self, job: dict[str, Any]) -> dict[str, Any]:
        return self.patiently(lambda: self._read("POST", self.jobs, body=job))

    def get(self, path: str) -> dict[str, Any] | None:
        try:
            return self.patiently(lambda: self._read("GET", path))
        except GoneError:
            return None

    def delete(self, name: str, uid: str, version: str = "") -> None:
        """Delete that very job, its pods first; nothing where it is gone. With a version: ConflictError where it has
        another.
        """
        wanted = {"uid": uid, "resourceVersion": version} if version else {"uid": uid}
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Foreground",
            "preconditions": wanted,
        }
        with suppress(GoneError, *(() if version else (ConflictError,))):
            self.patiently(lambda: self._read("DELETE", f"{self.jobs}/{name}", body=body))

    def set_owners(self, job: dict[str, Any], owners: builtins.list[dict[str, Any]]) -> dict[str, Any]:
        """The job with these owners; ConflictError where somebody has changed it since, GoneError where it is gone."""
        metadata = {"resourceVersion": job["metadata"]["resourceVersion"], "ownerReferences": owners}
        path = f"{self.jobs}/{job['metadata']['name']}"
        return self.patiently(lambda: self._read("PATCH", path, body={"metadata": metadata}))

    def list(self, path: str, **selector: str) -> dict[str, Any]:
        """Items and the resourceVersion to watch from."""
        return self.patiently(lambda: self._read("GET", path, query=selector))

    def watch(self, path: str, version: str, **selector: str) -> Iterator[dict[str, Any]]:
        """Events after `version` until the server ends the watch; GoneError, BrokenError."""
        query = {
            **selector,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH),
        }
        for line in self.lines(path, query, patience=WATCH + ANSWER):
            try:
                yield json.loads(line)
            except ValueError:
                raise BrokenError("the connection broke within an event") from None

    def lines(self, path: str, query: dict[str, str], patience: float) -> Iterator[bytes]:
        """Whole lines of an answer as they come, the last one only if it is whole; ends with the answer. patience:
        seconds of silence.
        """
        answer = self._ask("GET", path, query, None, patience)
        rest = b""
        try:
            for piece in answer.stream(amt=None, decode_content=False):
                *whole, rest = (rest + piece).split(b"\n")
                yield from whole
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise BrokenError(f"the connection broke ({type(error).__name__})") from None
        finally:
            answer.close()
        if rest:
            yield rest

    def patiently(self, act: Callable[[], Answer]) -> Answer:
        end = time.monotonic() + PATIENCE
        attempt = 0
        while True:
            try:
                return act()
            except BrokenError as error:
                if time.monotonic() > end:
                    raise FailedError(f"the API server gave no answer for {PATIENCE:g} s: {error}") from None
                self.pause(error, attempt)
                attempt += 1

    def pause(self, error: BrokenError, attempt: int) -> None:
        """Say what went wrong and wait, as the server asks or longer each time."""
        wait = random.uniform(0.5, 1) * min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)  # noqa: S311 (no secret)
        wait = wait if error.wait is None else min(error.wait, LONGEST_WAIT)
        self.say(f"API server: {error}; asking again in {wait:.1f} s")
        time.sleep(wait)

    def _read(self, method: str, path: str, query: dict[str, str] | None = None, body: Any = None) -> dict[str, Any]:
        answer = self._ask(method, path, query or {}, body, ANSWER)
        try:
            return json.loads(answer.data)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise BrokenError(f"the answer broke off ({type(error).__name__})") from None

    def _ask(self, method: str, path: str, query: dict[str, str], body: Any, patience: float) -> urllib3.HTTPResponse:
        try:
            return self._client.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params={"Accept": "application/json, */*", **(MERGE if method == "PATCH" else {})},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=(CONNECT, patience),
            )
        except client.ApiException as error:
            if error.status == 0:
                raise BadInputError(
                    f"the API server's certificate is not the expected one: {_line(error.reason)}"
                ) from None
            raise self._explained(method, path, error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise BrokenError(f"no connection ({type(error).__name__})") from None

    def _explained(self, method: str, path: str, error: client.ApiException) -> Exception:
        said = _message(error.body)
        what = "pods" if path.startswith(self.pods) else "trainjobs"
        if error.status == 429 or error.status >= 500 or (error.status == 400 and "waiting to start" in said):
            wait = (error.headers or {}).get("Retry-After", "")
            return BrokenError(f"{error.status} {said or error.reason}", float(wait) if wait.isdigit() else None)
        if error.status == 401:
            return BadInputError(
                f"the API server does not know us (401): {said}; expected a valid token of a service account"
            )
        if "trainingruntime" in said.lower():
            return BadInputError(
                f"TrainingRuntime {RUNTIME!r} is missing in namespace {self.namespace!r}; "
                f"apply manifests/components/training-runtime there (the server said: {said})"
            )
        if error.status == 403 and "denied the request" not in said and "exceeded quota" not in said:
            return BadInputError(
                f"namespace {self.namespace!r} gives no right to {method} {what}: {said}; "
                "expected the Role gleaner-trainjobs of manifests/components/training-runtime"
            )
        if error.status == 404 and path == self.jobs:
            missing = (
                f"namespace {self.namespace!r} does not exist"
                if "namespaces" in said
                else f"this cluster has no TrainJobs ({API})"
            )
            return BadInputError(f"{missing}; expected Kubeflow Trainer 2 and the namespace of manifests/README.md")
        known = {404: GoneError, 409: ConflictError, 410: GoneError}
        return known.get(error.status, BadInputError)(
            f"the API server refused to {method} {what} ({error.status}): {said}"
        )


def _message(body: Any) -> str:
    """What a Status says, or the first line of something else."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
    try:
        return _line(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return _line(text)


def _line(text: str) -> str:
    return " ".join(str(text).split())[:500]
