"""What goes wrong between us and Label Studio: each in one line, asked again where that does no harm, no token told."""

import json
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from components.common.errors import BadInputError, FailedError
from components.labels.studio import client
from components.labels.studio.client import LabelStudio, read_token
from tests.loopback import listen
from tests.processes import free_port

SECRET = "c0ffee" * 6
VERSION = {"label-studio-os-package": {"version": "1.23.0"}}


class Scripted(BaseHTTPRequestHandler):
    """Gives the answers of `state`, by method and path, one after the other; the last again and again."""

    state: dict[str, Any]
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = f"{self.command} {self.path}"
        self.state.setdefault("asked", []).append((asked, self.headers.get("Authorization")))
        answers = self.state.get(asked, [(404, {"detail": "not scripted"})])
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "https://login.example.com/")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY", client.RETRY.new(backoff_factor=0.001))


def script(**answers: Any) -> dict[str, Any]:
    return {"GET /api/version": [(200, VERSION)], **answers}


def test_a_server_that_is_away_is_one_line():
    with pytest.raises(FailedError, match=r"0\.1:\d+: .*refused; is Label Studio up, and is this its address\?$"):
        LabelStudio(f"http://127.0.0.1:{free_port()}", SECRET)


@pytest.mark.parametrize("url", ["label.example.com", "ftp://label.example.com", "http://", "http://[", ""])
def test_an_address_that_is_none_is_told(url):
    with pytest.raises(BadInputError, match="expected the address of Label Studio's start page"):
        LabelStudio(url, SECRET)


def test_a_password_in_the_address_is_not_repeated():
    with pytest.raises(BadInputError) as error:
        LabelStudio("http://ann:hunter2@label.example.com", SECRET)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((404, "<html>"), "no Label Studio there (404 at /api/version)"),
        ((200, "<html>"), "no Label Studio there (200 at /api/version)"),
        ((200, {"version": 2}), "no Label Studio there (200 at /api/version)"),
        ((302, ""), "no Label Studio there (302 at /api/version, and leads to https://login.example.com/)"),
    ],
)
def test_another_server_gets_no_token(answer, told):
    state = {"GET /api/version": [answer]}
    with listen(Scripted, state) as url, pytest.raises(BadInputError) as error:
        LabelStudio(url, SECRET)
    assert told in str(error.value)
    assert state["asked"] == [("GET /api/version", None)]


def test_the_page_of_a_project_and_a_path_lead_to_the_server():
    state = script() | {"GET /under/api/version": [(200, VERSION)]}
    with listen(Scripted, state) as url:
        assert LabelStudio(f"{url}/projects/7/data?tab=3", SECRET).url == url
        assert LabelStudio(f"{url}/under/", SECRET).url == f"{url}/under"


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (401, BadInputError, "does not take this token (no)"),
        (403, BadInputError, "/api/x/: this token may not (no)"),
        (404, BadInputError, "/api/x/: not there (no)"),
        (400, BadInputError, "/api/x/: refused with 400 (no)"),
        (302, BadInputError, "/api/x/: leads to https://login.example.com/"),
        (500, FailedError, "/api/x/: Label Studio failed with 500 (no); see its log"),
    ],
)
def test_what_the_server_refuses_is_one_line(status, kind, told):
    with listen(Scripted, script(**{"GET /api/x/?y=1": [(status, {"detail": "n\no".replace("\n", "")})]})) as url:
        server = LabelStudio(url, SECRET)
        with pytest.raises(kind) as error:
            server.get("/api/x/", y=1)
    assert told in str(error.value)
    assert SECRET not in str(error.value)
    assert "\n" not in str(error.value)


def test_what_only_asks_is_asked_again_and_what_adds_is_not():
    busy = [(503, ""), (502, ""), (200, {"a": 1})]
    state = script(**{"GET /api/x/": list(busy), "POST /api/x/": list(busy)})
    with listen(Scripted, state) as url:
        server = LabelStudio(url, SECRET)
        assert server.get("/api/x/") == {"a": 1}
        with pytest.raises(FailedError, match="failed with 503"):
            server.post("/api/x/", {})
    assert [asked for asked, _ in state["asked"]].count("POST /api/x/") == 1


def test_an_answer_that_breaks_off_is_one_line_and_may_be_repeated():
    class Closing(Scripted):
        def do_POST(self) -> None:
            self.close_connection = True  # without an answer

    with listen(Closing, script()) as url, pytest.raises(FailedError, match=r"what has arrived is not sent twice$"):
        LabelStudio(url, SECRET).post("/api/x/", {})


def test_an_access_token_that_ran_out_is_asked_for_again():
    personal = "head.body.signature"
    state = script(
        **{
            "POST /api/token/refresh/": [(200, {"access": "one"}), (200, {"access": "two"})],
            "GET /api/x/": [(200, 1), (401, {"detail": "expired"}), (200, 2)],
        }
    )
    with listen(Scripted, state) as url:
        server = LabelStudio(url, personal)
        assert (server.get("/api/x/"), server.get("/api/x/")) == (1, 2)
    assert [login for asked, login in state["asked"] if asked == "GET /api/x/"] == [
        "Bearer one",
        "Bearer one",
        "Bearer two",
    ]


def test_pages_end_where_entries_were_removed_meanwhile():
    pages = {f"GET /api/p/?page={n}&page_size=100": [(200, {"count": 3, "results": [n]})] for n in (1, 2)}
    gone = {"GET /api/p/?page=3&page_size=100": [(404, {"detail": "Invalid page."})]}
    with listen(Scripted, script(**pages, **gone)) as url:
        assert [*LabelStudio(url, SECRET).pages("/api/p/", "results")] == [1, 2]


@pytest.mark.parametrize("text", ["", " \n", "two words", "line\nline", "tökén"])
def test_a_token_that_is_none_is_not_repeated(text, tmp_path, monkeypatch):
    (tmp_path / "token").write_text(text, encoding="utf-8")
    monkeypatch.setenv(client.VARIABLE, text)
    for path in ("", str(tmp_path / "token")):
        with pytest.raises(BadInputError, match="expected a token of Label Studio") as error:
            read_token(path)
        assert not text.strip() or text.strip() not in str(error.value)


def test_a_token_comes_from_the_file_that_is_named(tmp_path, monkeypatch):
    (tmp_path / "token").write_text(f"{SECRET}\n")
    monkeypatch.setenv(client.VARIABLE, "other")
    assert read_token(str(tmp_path / "token")) == SECRET
    assert read_token("") == "other"
    with pytest.raises(BadInputError, match="FileNotFoundError"):
        read_token(str(tmp_path / "nothing"))
