"""An API server of ours on a loopback port: the REST paths and JSON of TrainJobs, pods and logs, watches in chunks."""

import copy
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.loopback import listen
from tests.trainjob.state import Fault, RefusedError, State

TOKEN = "eyJ-a-token-that-nobody-may-see"
JOBS = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/([^/]+)/(trainjobs)"
PODS = "/api/v1/namespaces/([^/]+)/(pods)"
PATHS = re.compile(rf"(?:{JOBS}|{PODS})(?:/([^/]+))?(/log)?$")


class CutError(Exception):
    """The connection ends here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    state: State

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            kind, name, verb = self._asked(parts.path, query := dict(parse_qsl(parts.query)))
            if hook := self.state.before.pop(verb, None):
                hook()
            fault = self.state.fault(verb)
            if fault and not fault.after and fault.lines < 0 and not fault.event:
                return self._fail(fault)
            if verb in ("watch", "log"):
                return self._stream(
                    self._events(kind, query, fault) if verb == "watch" else self._log(name, query, fault)
                )
            answer = self._work(kind, name, verb, query, body)
            return self._fail(fault) if fault else self._send(200, answer)
        except RefusedError as refused:
            return self._send(refused.status, status(refused.status, refused.message))

    def _asked(self, path: str, query: dict[str, str]) -> tuple[str, str, str]:
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            raise RefusedError(401, "Unauthorized")
        match = PATHS.match(path)
        if match is None:
            raise RefusedError(404, "the server could not find the requested resource")
        namespace = match[1] or match[3]
        kind = match[2] or match[4]
        name = match[5] or ""
        log = match[6] or ""
        verb = (
            "log"
            if log
            else {"POST": "create", "DELETE": "delete", "PATCH": "patch"}.get(
                self.command, "get" if name else "watch" if query.get("watch") else "list"
            )
        )
        self.state.requests.append(f"{verb} {kind}")
        self.state.rights.add("pods/log: get" if log else f"{kind}: {verb}")
        if namespace != self.state.namespace:
            raise RefusedError(
                403,
                f'{kind} is forbidden: User "system:serviceaccount:team:default" cannot {verb} resource "{kind}" '
                f'in the namespace "{namespace}"',
            )
        if kind == "trainjobs" and self.state.missing_crd:
            raise RefusedError(404, "the server could not find the requested resource")
        return kind, name, verb

    def _work(self, kind: str, name: str, verb: str, query: dict[str, str], body: bytes) -> Any:
        state = self.state
        with state.lock:
            if verb == "create":
                return copy.deepcopy(state.create_job(json.loads(body)))
            if verb == "list":
                items = [item for item in state.objects[kind].values() if _selected(item, query)]
                return {
                    "kind": "List",
                    "metadata": {"resourceVersion": str(state.version)},
                    "items": copy.deepcopy(items),
                }
            if name not in state.objects[kind]:
                raise RefusedError(404, f'{kind} "{name}" not found')
            if verb == "get":
                return copy.deepcopy(state.objects[kind][name])
            wanted = json.loads(body)
            there = state.objects[kind][name]["metadata"]
            given = wanted["metadata"] if verb == "patch" else wanted["preconditions"]
            if any(there[key] != given.get(key, there[key]) for key in ("uid", "resourceVersion")):
                raise RefusedError(409, "the precondition does not match the record; the object has been modified")
            if verb == "patch":
                assert self.headers["content-type"] == "application/merge-patch+json"
                assert wanted["metadata"].keys() == {"resourceVersion", "ownerReferences"}
                return copy.deepcopy(state.set_owners(name, wanted["metadata"]["ownerReferences"]))
            assert wanted["propagationPolicy"] == "Foreground"
            return state.delete_job(name)

    def _events(self, kind: str, query: dict[str, str], fault: Fault | None) -> Iterator[bytes]:
        since = int(query["resourceVersion"])
        sent = 0
        while True:
            with self.state.lock:
                if since < self.state.oldest:
                    if not sent:
                        raise RefusedError(410, "too old resource version")
                    yield event("ERROR", status(410, "too old resource version"))
                    return
                new = [each for each in self.state.history if each[0] > since]
                if not new and not (fault and sent >= fault.lines):
                    self.state.lock.wait(0.2)
            for version, what, item in new:
                since = version
                if item["kind"] == kind and _selected(item, query):
                    yield event(what, item)
                    sent += 1
            if fault and sent >= fault.lines:
                if fault.event:
                    yield event("ERROR", status(fault.event, fault.message))
                    return
                yield event("BOOKMARK", {"metadata": {"resourceVersion": str(since)}})[:20]
                raise CutError

    def _log(self, name: str, query: dict[str, str], fault: Fault | None) -> Iterator[bytes]:
        state = self.state
        sent = 0
        done = 0
        if name not in state.logs:
            raise RefusedError(404, f'pods "{name}" not found')
        with state.lock:
            tail = query.get("tailLines")
            done = max(0, len(state.logs[name]) - int(tail)) if tail else 0
        while True:
            with state.lock:
                pod = state.objects["pods"].get(name)
                lines = state.logs[name][done:]
                over = pod is None or pod["status"]["phase"] in ("Succeeded", "Failed") or query.get("follow") != "true"
                if not lines and not over:
                    state.lock.wait(0.2)
            done += len(lines)
            for time, text in lines:
                if time[:19] + "Z" < query.get("sinceTime", ""):
                    continue
                line = f"{time} {text}\n" if query.get("timestamps") == "true" else f"{text}\n"
                if fault and sent >= fault.lines:
                    yield line[: len(line) // 2].encode()
                    raise CutError
                sent += 1
                yield line.encode()
            if over and not lines:
                return

    def _stream(self, pieces: Iterator[bytes]) -> None:
        with suppress(ConnectionError):
            first = next(pieces, None)  # a refusal comes before the head
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            try:
                while first is not None:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(first), first))
                    self.wfile.flush()
                    first = next(pieces, None)
                self.wfile.write(b"0\r\n\r\n")
            except CutError:
                self.close_connection = True

    def _fail(self, fault: Fault) -> None:
        if fault.status:
            return self._send(fault.status, status(fault.status, fault.message), fault.retry_after)
        self.close_connection = True
        return None

    def _send(self, code: int, answer: Any, retry_after: int | None = None) -> None:
        payload = json.dumps(answer).encode()
        with suppress(ConnectionError):
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            if retry_after is not None:
                self.send_header("retry-after", str(retry_after))
            self.end_headers()
            self.wfile.write(payload)

    do_GET = do_POST = do_PATCH = do_DELETE = _answer

    def log_message(self, *arguments: Any) -> None:
        pass


def _selected(item: dict[str, Any], query: dict[str, str]) -> bool:
    fields = {"metadata.name": item["metadata"]["name"]}
    pairs = [(fields, query.get("fieldSelector")), (item["metadata"].get("labels", {}), query.get("labelSelector"))]
    return all(labels.get(text.partition("=")[0]) == text.partition("=")[2] for labels, text in pairs if text)


def event(kind: str, item: Any) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def status(code: int, message: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}


@contextmanager
def serve(state: State) -> Iterator[State]:
    """The state on a free loopback port, until the block ends."""
    with listen(_Handler, state) as state.url:
        yield state
