"""Labelled images per minute that the page allows: a scripted person in headless Chromium, who knows every answer, on
5,000 digits; one image at a time, and by groups, over a folder and over SeaweedFS.

Each answer is in the store before the next image is shown. The person needs no time to think, but takes what is out of
place out of a group, image by image.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser

from components.common.storage import S3Store, open_store
from components.ingest.example import mnist
from tests.bench.machine import spread
from tests.labelling.person import Person, browser
from tests.labelling.world import World, build_of, serve
from tests.s3 import serve as serve_s3

RUNS = 5
SINGLE = 60  # images of a run
GROUPS = 300
ASKED = {"train": SINGLE * RUNS, "validation": 50, "calibration": 50, "test": 100}
CLUSTERS = 100


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as name, browser() as started:
        folder = Path(name)
        measure("folder", str(folder / "store"), folder / "local", started)
        with serve_s3(folder / "seaweedfs") as server:
            os.environ.update({**server.environment(), "XDG_CACHE_HOME": str(folder / "cache")})
            store = open_store("s3://labelling")
            assert isinstance(store, S3Store)
            store.make_bucket()
            measure("SeaweedFS", store.uri, folder / "remote", started)


def measure(what: str, store: str, folder: Path, started: Browser) -> None:
    pixels, digits = mnist()
    world = build_of(folder, pixels, digits.astype(str), store, ASKED, CLUSTERS)
    with serve(store) as server:
        person = Person(started, server.link, "Ann", world.truth.__getitem__)
        for way, number, label in (("single", SINGLE, person.answer), ("groups", GROUPS, person.answer_groups)):
            rates = [per_minute(label, number) for _ in range(RUNS)]
            print(f"labelled images per minute, {what}, {way:7} {spread(rates, digits=0)}", flush=True)
        person.leaves()
    check(world)


def per_minute(label: Callable[[int], list[str]], number: int) -> float:
    begun = time.perf_counter()
    return 60 * len(label(number)) / (time.perf_counter() - begun)


def check(world: World) -> None:
    """Every image has the answer that was given."""
    said = world.answers()
    assert len(said) >= RUNS * (SINGLE + GROUPS)
    assert all(answer.label == world.truth[answer.id] for answer in said)


if __name__ == "__main__":
    main()
