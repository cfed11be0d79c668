"""A champion that moves while requests come: it is followed without losing one, and a broken one is not followed."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from components.common.storage import open_store
from tests import tiny
from tests.releases.made import THRESHOLDS, publish_release
from tests.serve.running import Running, running

OTHER = {**THRESHOLDS, "precision": {**THRESHOLDS["precision"], "threshold": 0.7}}  # what makes another version of it


def point(folder: Path, place: str) -> str:
    """Make the release at `place` the champion; returns its version."""
    version = place.rpartition("/")[2]
    pointer = {"format": 1, "model": "digits", "version": version, "previous": None}
    open_store(str(folder)).write("releases/digits/champion.json", json.dumps(pointer).encode())
    return version


@contextmanager
def asking(server: Running, picture: bytes, clients: int = 3) -> Iterator[tuple[Counter[tuple[int, str]], list[float]]]:
    """Ask without a pause; yields the answers by status and version, and the seconds that each took."""
    seen: Counter[tuple[int, str]] = Counter()
    took: list[float] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=server.link, trust_env=False, timeout=30) as client:
            while not over.is_set():
                begun = time.monotonic()
                response = client.post("/predict", files={"image": picture})
                took.append(time.monotonic() - begun)
                seen[response.status_code, response.json().get("version", "")] += 1

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield seen, took
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_a_moved_champion_takes_over_under_load_without_a_failed_request(
    tiny_world: tiny.World, tmp_path: Path, pictures: list[bytes]
) -> None:
    places = [publish_release(tiny_world, str(tmp_path), thresholds=each) for each in (THRESHOLDS, OTHER)]
    first = point(tmp_path, places[0])
    with running(str(tmp_path / "releases" / "digits"), "--threads", "1", "--watch", "0.1") as server:
        with asking(server, pictures[0]) as (seen, took):
            for number in range(1, 5):
                before = sum(seen.values())
                version = point(tmp_path, places[number % 2])
                assert server.line("release", number)["version"] == version
                while sum(seen.values()) < before + 50:
                    time.sleep(0.02)
        assert {status for status, _ in seen} == {200}
        assert {version for _, version in seen} == {place.rpartition("/")[2] for place in places}
        assert len(took) == sum(seen.values())
        assert server.metric("gleaner_release_swaps_total") == 4
        assert server.metric("gleaner_release", version=first) == 1
        assert server.client.get("/v2/models/digits").json()["versions"] == [first]


def test_a_broken_champion_is_not_followed_until_it_is_mended(
    tiny_world: tiny.World, tmp_path: Path, pictures: list[bytes]
) -> None:
    places = [publish_release(tiny_world, str(tmp_path), thresholds=each) for each in (THRESHOLDS, OTHER)]
    first = point(tmp_path, places[0])
    file = Path(places[1]) / "model.onnx"
    whole = file.read_bytes()
    with running(str(tmp_path / "releases" / "digits"), "--threads", "1", "--watch", "0.1") as server:
        file.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
        second = point(tmp_path, places[1])
        told = server.line("release refused")
        assert "changed after its release" in told["why"]
        assert "model.onnx" in told["why"]
        assert told["still"] == first
        assert server.metric("gleaner_release_behind") == 1
        assert server.predict(pictures[0]).json()["version"] == first
        assert server.client.get("/v2/health/ready").status_code == 200
        file.write_bytes(whole)
        assert server.line("release")["version"] == second
        assert server.metric("gleaner_release_behind") == 0
        assert server.predict(pictures[0]).json()["version"] == second
        assert [line["event"] for line in server.lines].count("release refused") == 1, "said once"


@pytest.mark.parametrize("spoiled", ["", "{", '{"version": "0000000000000000"}'])
def test_a_pointer_that_leads_nowhere_is_not_followed(
    tiny_world: tiny.World, tmp_path: Path, pictures: list[bytes], spoiled: str
) -> None:
    first = point(tmp_path, publish_release(tiny_world, str(tmp_path)))
    with running(str(tmp_path / "releases" / "digits"), "--threads", "1", "--watch", "0.1") as server:
        open_store(str(tmp_path)).write("releases/digits/champion.json", spoiled.encode())
        assert server.line("release refused")["still"] == first
        assert server.predict(pictures[0]).json()["version"] == first
