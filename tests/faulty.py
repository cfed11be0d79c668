"""A proxy before the S3 server that misbehaves by seed, as networks and busy servers do, and counts requests."""

import http.client
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

BUSY = b"<Error><Code>ServiceUnavailable</Code><Message>Please try again</Message></Error>"


class Faults(NamedTuple):
    """Shares of the requests (busy, reset) and of the bodies of objects, going either way (cut, flipped)."""

    busy: float = 0.0  # answered 503
    reset: float = 0.0  # connection reset, half of them after the server did what was asked
    cut: float = 0.0  # body ends early
    flipped: float = 0.0  # one bit of the body differs


ROUGH = Faults(busy=0.30, reset=0.01, cut=0.05, flipped=0.01)


class FaultyServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str, faults: Faults, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.counts: Counter[str] = Counter()
        self.methods: Counter[str] = Counter()  # GET, PUT and so on
        # faults of the next requests, before chance has its say: "busy", "lost", "cut", "flipped", ""
        self.script: list[str] = []
        self.canned: tuple[int, dict[str, str], bytes] | None = None  # answer to everything
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._happens = {name: self._deck(share) for name, share in faults._asdict().items()}

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def draw(self, method: str, body: bool) -> tuple[str, float]:
        """The fault of the next request, and a number in [0, 1) that says where."""
        with self._lock:
            self.counts["requests"] += 1
            self.methods[method] += 1
            where = self._random.random()
            if self.script:
                fault = self.script.pop(0)
            elif next(self._happens["busy"]):
                fault = "busy"
            elif next(self._happens["reset"]):
                fault = "reset" if where < 0.5 else "lost"
            elif body and next(self._happens["cut"]):
                fault = "cut"
            else:
                fault = "flipped" if body and next(self._happens["flipped"]) else ""
            self.counts[fault] += 1
            return fault, where

    def _deck(self, share: float) -> Iterator[bool]:
        """Whether a fault happens, in an order by chance, with its exact share in every hundred."""
        while True:
            yield from self._random.sample([True, False], 100, counts=[round(100 * share), 100 - round(100 * share)])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that give up are what this is about."""


class _Handler(BaseHTTPRequestHandler):
    server: FaultyServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.canned:
            self._answer(*self.server.canned)
        else:
            self._misbehave(body)

    do_PUT = do_POST = do_HEAD = do_DELETE = do_GET

    def _misbehave(self, body: bytes) -> None:
        query = urlsplit(self.path).query
        objects = self.command in ("GET", "PUT") and not any(word in query for word in ("list-type", "uploads"))
        fault, where = self.server.draw(self.command, objects)
        if fault == "busy":
            self._answer(503, {"Content-Type": "application/xml"}, BUSY)
            return
        half = bool(body) and fault == "cut"
        if half:
            self._forward(body[: int(len(body) * where)])
        if half or fault == "reset":
            self._reset()
            return
        status, headers, data = self._forward(_flipped(body, where) if fault == "flipped" else body)
        if fault == "lost":
            self._reset()
            return
        if not body and fault == "flipped" and status < 300:
            data = _flipped(data, where)
        self._answer(status, headers, data, int(len(data) * where) if not body and fault == "cut" else None)

    def handle_expect_100(self) -> bool:
        proceed = super().handle_expect_100()
        self.wfile.flush()  # else the client waits a second for leave to send
        return proceed

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Pass the request on as it was signed; a body shorter than announced is all that the server gets."""
        connection = http.client.HTTPConnection(self.server.upstream, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("expect", "connection"):
                connection.putheader(name, value)
        connection.endheaders(body)
        try:
            if len(body) < int(self.headers.get("Content-Length", 0)):
                return 0, {}, b""
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], data: bytes, cut: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else data[:cut])
        self.wfile.flush()
        self.close_connection = self.close_connection or (cut is not None and cut < len(data))

    def _reset(self) -> None:
        """End with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""


def _flipped(data: bytes, where: float) -> bytes:
    if not data:
        return data
    at = int(len(data) * where)
    return data[:at] + bytes([data[at] ^ 1 << int(where * 8)]) + data[at + 1 :]


@contextmanager
def faulty(upstream: str, faults: Faults = Faults(), seed: int = 0) -> Iterator[FaultyServer]:  # noqa: B008 (immutable)
    """Serve as a proxy of `upstream` until the block ends."""
    with FaultyServer(upstream, faults, seed) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
