"""A server that speaks the REST paths and JSON of Kubeflow Pipelines 2.17 on a loopback port, with faults on demand."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import kfp_server_api as api

from tests.loopback import listen
from tests.pipelines.kubeflow.kfp_routes import routes
from tests.pipelines.kubeflow.kfp_state import Fault, KfpServer, Refused

CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body in one packet, or each answer waits 40 ms for an acknowledgement
    state: KfpServer

    def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.state.fault(self.command, path)
        if fault:
            threading.Event().wait(fault.delay)
        if fault and not fault.after:
            return self._fail(fault)
        try:
            with self.state.lock:
                status = 200
                answer = self._work(unquote(urlsplit(path).path), query, body)
                payload = json.dumps(api.ApiClient().sanitize_for_serialization(answer)).encode()
        except Refused as refused:
            status = refused.status
            payload = json.dumps(
                {"error": refused.message, "code": CODES[status], "message": refused.message, "details": []}
            ).encode()
        return self._fail(fault) if fault else self._send(status, payload)

    def _work(self, path: str, query: str, body: bytes) -> Any:
        if self.state.tokens and self.headers.get("authorization", "").removeprefix("Bearer ") not in self.state.tokens:
            raise Refused(401, "Failed to authenticate: Unauthenticated: token is expired")
        self.state.log.append((self.command, path))
        for method, pattern, work in routes(self.state):
            match = re.fullmatch(pattern, path)
            if match and method == self.command:
                options = {key: values[0] for key, values in parse_qs(query).items()}
                content = (
                    []
                    if method in ("GET", "DELETE")
                    else [self._file(body) if path.endswith("upload_version") else body]
                )
                return work(options, *content, *match.groups())
        raise Refused(404, "Not Found")

    def _file(self, body: bytes) -> bytes:
        """The one file of a multipart form."""
        message = message_from_bytes(b"content-type: " + self.headers["content-type"].encode() + b"\r\n\r\n" + body)
        content = message.get_payload()[0].get_payload(decode=True)  # type: ignore[union-attr, index]
        assert isinstance(content, bytes)
        return content

    def _fail(self, fault: Fault) -> None:
        if fault.status:
            return self._send(
                fault.status, b'{"error": "upstream connect error", "code": 14, "message": "upstream connect error"}'
            )
        self.close_connection = True
        return None

    def _send(self, status: int, payload: bytes) -> None:
        with suppress(ConnectionError):  # a client that did not wait
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

    do_GET = do_POST = do_DELETE = _answer

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serve(**options: Any) -> Iterator[KfpServer]:
    """A server of its own on a free loopback port, until the block ends."""
    state = KfpServer(**options)
    with listen(_Handler, state) as state.url:
        yield state
