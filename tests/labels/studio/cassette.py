"""Record what a server answers, and answer the same again: each request must be the one recorded in its place.

A recording is a line of JSON for each: {method, path, body, status, type, answer}. Tokens are not in it: headers are
not kept, and what the server calls a token is replaced.
"""

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import urllib3

SECRETS = ("access", "refresh", "token")  # fields of requests and answers


class Answering(BaseHTTPRequestHandler):
    """Answers every request as its state, a Player or a Recorder, says."""

    state: "Player | Recorder"
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, kind, answer = self.state.reply(self.command, self.path, dict(self.headers), body)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PATCH = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


class Player:
    """Gives the answers of a recording; `wrong` says which requests were others, and `left` which were not asked."""

    def __init__(self, recording: Path) -> None:
        lines = recording.read_text(encoding="utf-8").splitlines() if recording.exists() else []  # nothing is asked
        self.left: list[dict[str, Any]] = [json.loads(line) for line in lines]
        self.wrong: list[str] = []

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        asked = {"method": method, "path": path, "body": _plain(body)}
        expected = self.left.pop(0) if self.left else {}
        if asked != {key: expected.get(key) for key in asked}:
            self.wrong.append(f"asked {asked}, recorded is {expected or 'nothing more'}")
            return 418, "application/json", b'{"detail": "not as recorded"}'
        return expected["status"], expected["type"], json.dumps(expected["answer"]).encode()


class Recorder:
    """Hands each request on, and keeps what was said."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.heard: list[dict[str, Any]] = []

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        passed: dict[str, str] = {name: headers[name] for name in ("Authorization", "Content-Type") if name in headers}
        got = urllib3.request(method, self.url + path, headers=passed, body=body or None, redirect=False)
        kind = got.headers.get("Content-Type", "text/plain")
        entry = {"method": method, "path": path, "body": _plain(body), "status": got.status, "type": kind}
        self.heard.append({**entry, "answer": _plain(got.data)})
        return got.status, kind, got.data


def _plain(data: bytes) -> Any:
    """JSON without secrets."""

    def hidden(fields: dict[str, Any]) -> dict[str, Any]:
        return {name: "hidden" if name in SECRETS else value for name, value in fields.items()}

    return json.loads(data, object_hook=hidden) if data else None
