"""Who may use the page: whoever holds the token of the link, or whom a login before it names."""

import hmac
import ipaddress
import json
import socket
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - what is compared, not bound
MOST_BYTES = 256 * 1024  # of a request's body
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
# A page, and no redirection: after one, a browser that came from another site would not send the cookie.
WELCOME = (
    '<!doctype html><html lang="en"><title>Gleaner</title><meta http-equiv="refresh" content="0;url={prefix}">'
    '<link rel="icon" href="page/icon.svg">'
)


class Guard:
    """Stands before the page, and refuses in one line.

    token: that the link carries, kept as a cookie from then on; empty where a login stands before this page.
    hosts: names by which it may be asked for, so that no other site's name can be made to point here; empty for any.
    """

    def __init__(self, app: App, prefix: str, token: str, cookie: str, hosts: Collection[str]) -> None:
        self.app, self.prefix, self.token, self.cookie, self.hosts = app, prefix, token, cookie, hosts

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if refused := self._refusal(scope, headers):
            await _answer(send, refused[0], "application/json", json.dumps({"error": refused[1]}))
            return
        if self.token and "token=" in scope["query_string"].decode("latin-1") and scope["path"] == self.prefix:
            kept = f"{self.cookie}={self.token}; Path={self.prefix}; HttpOnly; SameSite=Strict"
            await _answer(send, 200, "text/html; charset=utf-8", WELCOME.format(prefix=self.prefix), kept)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_encoded(HEADERS)]
            await send(message)

        await self.app(scope, receive, with_headers)

    def _refusal(self, scope: Message, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and reason where a request is not let through."""
        host = headers.get("host", "")
        if self.hosts and host_name(host) not in self.hosts:
            return 421, f"this page is not at {host[:100]!r}; open the link that `gleaner label` printed"
        if scope["path"] == f"{self.prefix}alive":
            return None
        if self.token and not self._knows_token(scope, headers):
            return 403, "the link is not the one that `gleaner label` printed last; open that one"
        if scope["method"] in ("GET", "HEAD"):
            return None
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return 415, "expected application/json"
        origin = headers.get("origin", "")
        if origin and origin.partition("://")[2] not in (host, headers.get("x-forwarded-host")):
            return 403, f"asked for by another site, {origin[:100]!r}"
        size = headers.get("content-length", "")
        if not size.isdecimal() or int(size) > MOST_BYTES:
            return 413, f"expected a body of at most {MOST_BYTES} bytes, its length said"
        return None

    def _knows_token(self, scope: Message, headers: dict[str, str]) -> bool:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        try:
            kept = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            kept = None
        if kept is not None:
            given = [*given, kept.value]
        return any(hmac.compare_digest(each.encode(), self.token.encode()) for each in given)


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def known_hosts(bound: str) -> set[str]:
    """Names of a server that listens at the address `bound`."""
    names = {"localhost", "127.0.0.1", "::1", bound.lower()}
    if bound in EVERYWHERE:
        names |= {socket.gethostname().lower(), *addresses()}
    return names


def addresses() -> set[str]:
    """Addresses of this machine."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None)}
    except OSError:
        return set()
    return {str(ipaddress.ip_address(each.partition("%")[0])) for each in found}


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def _answer(send: Send, status: int, media_type: str, text: str, cookie: str = "") -> None:
    body = text.encode()
    headers = {**HEADERS, "content-type": media_type, "content-length": str(len(body)), "cache-control": "no-store"}
    if cookie:
        headers["set-cookie"] = cookie
    await send({"type": "http.response.start", "status": status, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": body})
