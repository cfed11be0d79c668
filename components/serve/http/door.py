"""Stands before everything: asks for the token, sheds what is too much before anything is spent on it, counts, times
and logs each request, and sets headers of safety.
"""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from components.serve.engine.admission import Admission
from components.serve.engine.errors import RefusedError
from components.serve.lines import Lines
from components.serve.metrics import Metrics

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

OPEN = {"/v2/health/live", "/v2/health/ready", "/metrics"}  # asked by a cluster, which has no token
GONE = 499  # the client left before its answer; known from nginx, counted and never sent
UNAUTHORISED = RefusedError(
    "expected the server's token: Authorization: Bearer TOKEN",
    401,
    {"www-authenticate": 'Basic realm="gleaner: the token as password"', "cache-control": "no-store"},
)
MOST_ID = 64  # characters of a request's id that are logged
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


def told(scope: Message) -> dict[str, Any]:
    """What an endpoint says of a request, for its line in the log: images, version, why it was refused."""
    return scope["gleaner"]


class Door:
    """token: that every request but those of OPEN must carry, as `Authorization: Bearer TOKEN`, or as the password of
    HTTP Basic, which a browser asks a person for; empty asks for none.
    """

    def __init__(self, app: App, token: str, admission: Admission, metrics: Metrics, lines: Lines) -> None:
        self.app, self.token, self.admission, self.metrics, self.lines = app, token, admission, metrics, lines
        self.closing = False  # from then on connections are closed after the answer under way
        self.shed = 0  # requests answered 429 since the log said so
        self.shed_told = 0.0
        self.headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        facts = scope["gleaner"] = {}
        status = GONE

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *self.headers]
                if self.closing:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            if self.token and scope["path"] not in OPEN and not self._knows_token(scope):
                await _refuse(watched, UNAUTHORISED)
            elif scope["method"] == "POST" and self.admission.is_full:
                await _refuse(watched, self.admission.busy())
            else:
                await self.app(scope, receive, watched)
        finally:
            self._note(scope, facts, status, time.perf_counter() - begun)

    def _knows_token(self, scope: Message) -> bool:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, secret = given.partition(b" ")
        if scheme.lower() == b"basic":
            try:
                secret = base64.b64decode(secret, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        elif scheme.lower() != b"bearer":
            return False
        return hmac.compare_digest(secret.strip(), self.token.encode())

    def _note(self, scope: Message, facts: dict[str, Any], status: int, seconds: float) -> None:
        endpoint = getattr(scope.get("route"), "path", "other")
        self.metrics.requests.labels(endpoint, status).inc()
        self.metrics.seconds.labels(endpoint).observe(seconds)
        if status == 429:
            self._note_shed()
            return
        if scope["path"] in OPEN and status < 400:  # asked every few seconds
            return
        asked = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        about = {"id": asked[:MOST_ID].decode(errors="replace")} if asked else {}
        client = scope.get("client")
        self.lines.say(
            "request",
            method=scope["method"],
            path=scope["path"],
            code=status,
            ms=round(seconds * 1000, 2),
            client=client[0] if client else "",
            **about,
            **facts,
        )

    def _note_shed(self) -> None:
        """A line a second, not one for each: they come by the thousand."""
        self.metrics.shed.inc()
        self.shed += 1
        now = time.monotonic()
        if now - self.shed_told >= 1:
            self.lines.say("shed", requests=self.shed)
            self.shed, self.shed_told = 0, now


async def _refuse(send: Send, error: RefusedError) -> None:
    body = json.dumps({"error": str(error)}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
