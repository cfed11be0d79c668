"""Ask a Label Studio server by its REST API: both kinds of tokens, retries, errors in one line.

A legacy token is 40 letters that go along as they are. A personal access token is a JSON Web Token (two dots in it),
which gives access tokens of some minutes. Seen in Label Studio 1.23, whose code for it is label_studio.jwt_auth.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from components.common.errors import BadInputError, FailedError

VARIABLE = "LABEL_STUDIO_API_KEY"
TOKEN = (
    f"expected a token of Label Studio (Account & Settings there) in {VARIABLE}, or in a file that --token-file names"
)
ADDRESS = "expected the address of Label Studio's start page, such as https://label.example.com"
TIMEOUT = urllib3.Timeout(connect=5, read=120)  # seconds; an import of pictures takes some
# What only asks is asked again; what adds tasks is not, unless no connection was made: it may have arrived.
RETRY = urllib3.Retry(
    total=4, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504), redirect=False, raise_on_status=False
)
PAGE = 100  # tasks or projects that are listed at once
SHOWN = 200  # characters of an answer that an error repeats


class AbsentError(BadInputError):
    """There is no such thing on the server."""


def read_token(path: str) -> str:
    """The token in a file, or in the environment where no file is named."""
    try:
        text = Path(path).read_text(encoding="utf-8") if path else os.environ.get(VARIABLE, "")
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path}: cannot be read ({type(error).__name__}); {TOKEN}") from None
    token = text.strip()
    if not token:
        raise BadInputError(f"{path or VARIABLE} is empty; {TOKEN}")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise BadInputError(f"{path or VARIABLE} holds more than a token; {TOKEN}")
    return token


class LabelStudio:
    """One server, asked by one person. It is looked for when it is made."""

    def __init__(self, url: str, token: str) -> None:
        try:
            parts = urllib3.util.parse_url(url.strip())
        except urllib3.exceptions.LocationParseError:
            raise BadInputError(f"--url: not an address; {ADDRESS}") from None
        if parts.auth:
            raise BadInputError(f"--url holds a user and a password; give it without them, and a token: {TOKEN}")
        if parts.scheme not in ("http", "https") or not parts.host:
            raise BadInputError(f"--url {url!r}: not an address of a server; {ADDRESS}")
        # the page of a project that somebody looks at leads to the server too
        self.url = parts.url.partition("?")[0].partition("#")[0].partition("/projects/")[0].rstrip("/")
        self._token = token
        self._access = ""  # made from a personal access token, for some minutes
        self._pool = urllib3.PoolManager(retries=RETRY, timeout=TIMEOUT)
        version = self._request("GET", "/api/version", {})
        if version.status != 200 or "label-studio-os-package" not in _object(version):
            led = f", and leads to {location}" if (location := version.headers.get("Location")) else ""
            raise BadInputError(f"{self.url}: no Label Studio there ({version.status} at /api/version{led}); {ADDRESS}")

    def get(self, path: str, **query: Any) -> Any:
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: Any) -> Any:
        return self._call("POST", path, body)

    def pages(self, path: str, key: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All entries of a list that is given by pages; key: where they stand in an answer."""
        page, seen = 1, 0
        while True:
            try:
                answer = self.get(path, **query, page=page, page_size=PAGE)
            except AbsentError:
                if page == 1:
                    raise
                return  # entries were removed meanwhile, and this page with them
            yield from answer[key]
            seen += len(answer[key])
            if not answer[key] or seen >= answer.get("total", answer.get("count", 0)):
                return
            page += 1

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._request(method, path, self._login(), body)
        if answer.status == 401 and self._is_personal():
            self._access = ""  # it lasts for minutes
            answer = self._request(method, path, self._login(), body)
        if answer.status >= 300:
            raise self._explained(answer, path)
        try:
            return json.loads(answer.data)
        except ValueError:
            raise BadInputError(f"{self.url}{path.partition('?')[0]}: no JSON came back; {ADDRESS}") from None

    def _is_personal(self) -> bool:
        return self._token.count(".") == 2

    def _login(self) -> dict[str, str]:
        if not self._is_personal():
            return {"Authorization": f"Token {self._token}"}
        if not self._access:
            answer = self._request("POST", "/api/token/refresh/", {}, {"refresh": self._token})
            if answer.status != 200:
                raise self._explained(answer, "/api/token/refresh/")
            self._access = str(_object(answer).get("access"))
        return {"Authorization": f"Bearer {self._access}"}

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], body: Any = None
    ) -> urllib3.BaseHTTPResponse:
        """One request. Redirects are not followed: a login page is no answer, and the token is for this server."""
        try:
            return self._pool.request(
                method,
                f"{self.url}{path}",
                headers={"Accept": "application/json", **headers},
                json=body,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            again = "" if method == "GET" else "; run it again, what has arrived is not sent twice"
            raise FailedError(
                f"{self.url}: {_reason(error)}; is Label Studio up, and is this its address?{again}"
            ) from None

    def _explained(self, answer: urllib3.BaseHTTPResponse, path: str) -> Exception:
        path = path.partition("?")[0]
        said = _said(answer)
        if answer.status == 401:
            return BadInputError(f"{self.url}: does not take this token ({said}); {TOKEN}")
        if answer.status == 403:
            return BadInputError(f"{self.url}{path}: this token may not ({said}); ask for the right there")
        if answer.status == 404 and not _object(answer):
            return BadInputError(f"{self.url}: no Label Studio there (404 at {path}); {ADDRESS}")
        if answer.status == 404:
            return AbsentError(f"{self.url}{path}: not there ({said})")
        if answer.status < 400:
            return BadInputError(f"{self.url}{path}: leads to {answer.headers.get('Location')}; {ADDRESS}")
        if answer.status < 500:
            return BadInputError(f"{self.url}{path}: refused with {answer.status} ({said})")
        return FailedError(f"{self.url}{path}: Label Studio failed with {answer.status} ({said}); see its log")


def _object(answer: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    """The JSON object that an answer holds; empty where it holds none."""
    try:
        read = json.loads(answer.data)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _said(answer: urllib3.BaseHTTPResponse) -> str:
    """What the server says is wrong, in a line."""
    about = _object(answer)
    told = about.get("validation_errors") or about.get("detail") or "no reason given"
    return " ".join(str(told).split())[:SHOWN]


def _reason(error: BaseException) -> str:
    """Why no answer came, without the object that urllib3 names first."""
    reason = getattr(error, "reason", None) or error
    return str(reason).rpartition(": ")[2][:SHOWN] or type(reason).__name__
