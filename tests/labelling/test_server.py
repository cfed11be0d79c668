"""The page's server: who is let in, what it refuses, how it starts and ends; a real one, asked over the loopback."""

import io
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from components.common.storage import open_store
from components.labelling.access import known_hosts
from components.labelling.pictures import picture
from tests.labelling.world import ROOT, Server, World, build, serve, started

NOBODY = "f" * 64


class Client(NamedTuple):
    address: str
    cookie: str

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Message, bytes]:
        """Status, headers and body of an answer; a body makes it a POST of JSON."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        given = {"cookie": self.cookie, "content-type": "application/json", **headers}
        request = urllib.request.Request(f"{self.address}{path}", data, given)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def say(self, path: str, **body: Any) -> Any:
        status, _, data = self.ask(f"api/{path}", {"person": "Ann", "tab": "1", **body})
        assert status == 200, data
        return json.loads(data)

    def refused(self, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        status, _, data = self.ask(path, body, **headers)
        error = json.loads(data)["error"]
        assert "\n" not in error
        return status, error


def client(server: Server) -> Client:
    """With the cookie that the link gives."""
    with urllib.request.urlopen(server.link, timeout=20) as answer:
        return Client(server.address, answer.headers["set-cookie"].partition(";")[0])


@pytest.fixture(scope="module")
def server(first_round: World) -> Iterator[Server]:
    """Nothing is answered here."""
    with serve(first_round.store) as started:
        yield started


def test_only_the_link_lets_in_and_the_cookie_is_kept_from_scripts_and_other_sites(server):
    for cookie in ("", "gleaner=1", f"gleaner-{server.address.split(':')[2][:-1]}=wrong"):
        stranger = Client(server.address, cookie)
        for path in ("", "?token=wrong", "page/main.js", f"image/{NOBODY}"):
            assert stranger.refused(path)[0] == 403
        assert stranger.refused("api/next", {"person": "Eve", "tab": "1"})[0] == 403
    with urllib.request.urlopen(server.link, timeout=20) as answer:
        flags = answer.headers["set-cookie"].split("; ")[1:]
        assert b'content="0;url=/"' in answer.read()
    assert flags == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert b'<div id="classes"' in client(server).ask("")[2]


def test_other_names_of_this_machine_and_other_sites_are_refused(server):
    page = client(server)
    assert page.refused("", host="evil.example:80")[0] == 421
    assert page.refused("", host="127.0.0.1.evil.example")[0] == 421
    assert page.ask("", host="LocalHost:99")[0] == 200
    body = {"person": "Ann", "tab": "1"}
    assert page.refused("api/next", body, origin="http://evil.example") == (
        403,
        "asked for by another site, 'http://evil.example'",
    )
    assert page.ask("api/about", body, origin=server.address.rstrip("/"))[0] == 200
    assert page.refused("api/next", body, **{"content-type": "text/plain"}) == (415, "expected application/json")
    assert page.refused("api/next", b"x" * 300_000)[0] == 413


def test_pages_and_pictures_say_what_they_are_and_fetch_nothing_elsewhere(server, first_round):
    page = client(server)
    image, _ = page.say("next")["next"][:2]
    for path, kind in (("", "text/html"), ("page/main.js", "text/javascript"), (f"image/{image['id']}", "image/png")):
        status, headers, data = page.ask(path)
        assert status == 200
        assert headers["content-type"].partition(";")[0] == kind
        assert headers["x-content-type-options"] == "nosniff"
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'")
        assert "unsafe" not in policy
    pixels = first_round.pixels[first_round.dataset.column("id").tolist().index(image["id"])]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    for file in (ROOT / "components" / "labelling" / "page").iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text, file
        assert "https:" not in text, file
        assert len(text.splitlines()) <= 300


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("image/..%2f..%2fetc%2fpasswd", None, 404, ""),
        (f"image/{NOBODY}", None, 404, "no image"),
        ("page/..%2fapp.py", None, 404, ""),
        ("page/app.py", None, 404, "no file"),
        ("api/next", {"person": "", "tab": "1"}, 401, "say who you are first"),
        ("api/next", {"person": "a\nb\x00", "tab": "1"}, 401, "say who you are first"),
        ("api/next", {"person": "Ann"}, 400, "tab: Field required"),
        ("api/next", {"person": "Ann", "tab": "1", "more": 1}, 400, "more: Extra inputs are not permitted"),
        ("api/next", b"{", 400, "JSON"),
        ("api/answer", {"person": "Ann", "tab": "1", "images": ["../1"], "kind": "skip"}, 400, "images.0"),
        ("api/answer", {"person": "Ann", "tab": "1", "images": [NOBODY], "kind": "skip"}, 404, "no image 'ffff"),
        ("api/image", {"person": "Ann", "tab": "1", "image": NOBODY}, 404, "not asked for"),
        ("api/what", {"person": "Ann", "tab": "1"}, 404, "Not Found"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(server, path, body, status, said):
    found = client(server).refused(path, body)
    assert found[0] == status
    assert said in found[1]


def test_behind_a_login_the_header_says_who_it_is(world):
    with serve(world.store, "--behind-login", "kubeflow-userid", "--prefix", "/label") as server:
        assert server.link == server.address
        assert server.address.endswith("/label/")
        page = Client(server.address, "")
        assert page.ask("alive")[0] == 200
        body = {"person": "Eve", "tab": "1", "images": [], "kind": "skip"}
        assert page.refused("api/next", body={"person": "Eve", "tab": "1"}) == (
            401,
            "no name in the header kubeflow-userid",
        )
        user = {"kubeflow-userid": "ann@example.org", "host": "cluster.example.org"}
        _, _, data = page.ask("api/next", {"person": "Eve", "tab": "1"}, **user)
        body["images"] = [json.loads(data)["next"][0]["id"]]
        assert page.ask("api/answer", body, **user)[0] == 200
        assert page.refused("api/answer", body, **user, origin="https://evil.example")[0] == 403
    assert [answer.annotator for answer in world.answers()] == ["ann@example.org"]


def test_it_ends_well_when_told_to_and_keeps_what_was_answered_when_killed(world):
    for number, stop in enumerate((signal.SIGTERM, signal.SIGINT, signal.SIGKILL), start=1):
        with serve(world.store, "--annotator", "Ann") as server:
            page = client(server)
            image = page.say("next", person="")["next"][0]["id"]
            page.say("answer", images=[image], kind="class", label="7")
            server.process.send_signal(stop)
            assert server.process.wait(20) == (-9 if stop == signal.SIGKILL else 0)
        assert len(world.answers()) == number
    assert len({answer.id for answer in world.answers()}) == 3


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--name", "other"], "candidates/other/: no candidates to label; expected those of a run"),
        (["--name", "digits", "--host", "192.0.2.1"], "cannot listen at 192.0.2.1 port 0"),
        (["--name", "digits", "--port", "70000"], "cannot listen at 127.0.0.1 port 70000"),
    ],
)
def test_what_cannot_start_says_why_in_one_line(first_round, flags, said):
    command = [sys.executable, "-m", "components.labelling", "--store", first_round.store, *flags]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_it_works_on_the_object_store(s3_bucket, tmp_path):
    world = build(tmp_path, f"{s3_bucket}/some/prefix")
    with serve(world.store) as server:
        page = client(server)
        images = page.say("next", mode="group", count=50)["group"]["images"]
        told = page.say("answer", images=[image["id"] for image in images], kind="class", label="7", mode="group")
        assert page.ask(f"image/{images[0]['id']}")[1]["content-type"] == "image/png"
        assert told["group"]["images"][0]["id"] not in [image["id"] for image in images]
    assert [answer.label for answer in world.answers()] == ["7"] * len(images)
    assert len([*open_store(world.store).list("labels/digits/")]) == 1


def test_a_configuration_says_where_the_labels_are(world, tmp_path):
    config = tmp_path / "my.yaml"
    config.write_text(f"version: 2\nname: digits\nsource: {tmp_path}\nstore: {world.store}\n")
    with started("-m", "pipelines", "label", "-c", str(config), "--annotator", "Ann") as server:
        about = client(server).say("about", person="")
    assert (about["name"], about["person"], about["then"]) == ("digits", "Ann", f"gleaner run {config}")


def test_a_server_for_others_answers_to_its_own_names_alone():
    assert "0.0.0.0" in known_hosts("0.0.0.0")
    assert "evil.example" not in known_hosts("0.0.0.0")
    assert known_hosts("127.0.0.1") == {"localhost", "127.0.0.1", "::1"}


def test_large_pictures_are_made_smaller():
    data = io.BytesIO()
    Image.new("RGB", (2000, 1000), "teal").save(data, "JPEG")
    for size, expected in (("thumb", (320, 160)), ("screen", (1600, 800)), ("full", (2000, 1000))):
        found = picture(data.getvalue(), 2000, 1000, size)
        assert found.media_type == "image/jpeg"
        assert Image.open(io.BytesIO(found.data)).size == expected
