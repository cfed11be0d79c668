"""drift.html holds all that it shows, says what to do, and fits a phone."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.common.parquet import read_table
from components.monitor.page.changes import odds
from components.monitor.page.dates import span
from components.monitor.page.drift import SHOWN
from components.monitor.page.trend import Point, trend
from tests.labelling.person import browser
from tests.monitor.compare.world import World, released

LARGEST = 2_000_000  # bytes of a page
HOSTILE = "<script>alert('x')</script>"


class Links(HTMLParser):
    """All that a page refers to, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.to: list[str] = []
        self.tags: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.to += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return released(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def alarm(world: World) -> tuple[dict[str, Any], Path]:
    """The third look, whose images are large, noisy photos, and the second that is an alarm."""
    for number, brighter in ((1, 0.0), (2, 0.05)):
        world.compare(world.observe(number, brighter=brighter), audit=20)
    observed = world.observe(3, brighter=0.1, novel=60, share=0.5)
    table = read_table(observed / "observed.parquet")
    photos = world.folder / "photos"
    photos.mkdir()
    where: list[str | None] = [None] * len(table)
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    for row in range(60):
        path = photos / f"{row}.png"
        Image.fromarray(np.roll(noise, row * 997)).save(path, compress_level=1) if row < 3 else path.symlink_to("0.png")
        where[row] = str(path)
    place = table.column_names.index("where")
    pq.write_table(table.set_column(place, "where", pa.array(where, pa.string())), observed / "observed.parquet")
    return world.compare(observed, audit=20)


def test_the_page_is_one_file_that_fetches_nothing(alarm):
    drift, folder = alarm
    assert drift["verdict"]["alarm"]
    page = (folder / "drift.html").read_text()
    assert len(page.encode()) < LARGEST
    links = Links(page)
    pictures = [link for link in links.to if link.startswith("data:image/")]
    assert SHOWN - 4 <= len(pictures) <= SHOWN
    assert all(link.startswith(("data:image/", "#")) for link in links.to)
    assert not links.tags & {"script", "link", "iframe", "object"}
    assert not re.search(r"url\(|@import", page)


def test_the_page_says_what_changed_since_when_how_sure_and_what_to_do(alarm):
    page = (alarm[1] / "drift.html").read_text()
    for words in (
        "Alarm. The model is likely to be right less often",
        "<b>Since 2 March 2026</b>: 2 looks in a row say so.",
        "all looks of a year together raise a false alarm with a chance of 5",
        "The images are brighter: 0.59 on average, 0.50 in the reference.",
        "Look whether something is wrong where the images come from",
        "gleaner run CONFIG sample.candidates_from=candidates.csv",
        "gleaner release rollback -c CONFIG",
        "Label the 40 audited answers that wait",
        "The true accuracy is not known yet",
        "are like none that the model was measured on; 1.0&nbsp;% are usual",
        "no picture",  # of the nearest ones: there is no data set
    ):
        assert words in page, words
    order = [page.index(f">{heading}</h2>") for heading in ("What to do next", "What changed", "New images")]
    assert order == sorted(order)


def test_a_quiet_look_says_that_nothing_has_to_be_done(world):
    quiet = released(world.folder, classes=["of its own"])
    page = (quiet.compare(quiet.observe(9, "observed-quiet"))[1] / "drift.html").read_text()
    assert "Nothing has to be done" in page
    assert '<div class="verdict yes"' in page
    assert "Nobody looks yet. Set monitor.audit" in page
    assert "<svg" not in page  # one look makes no line


def test_names_stay_text(tmp_path):
    world = released(tmp_path)
    observed = world.observe(place=HOSTILE, others={HOSTILE: 3}, novel=30)
    page = (world.compare(observed)[1] / "drift.html").read_text()
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;") >= 2


@pytest.mark.parametrize("look", [{"color_scheme": "light"}, {"color_scheme": "dark"}])
def test_the_page_fits_a_phone_in_light_and_in_dark(alarm, look):
    with browser() as started:
        page = started.new_context(viewport={"width": 390, "height": 800}, **look).new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((alarm[1] / "drift.html").as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        ink, paper = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
        assert _bright(ink) > _bright(paper) if look["color_scheme"] == "dark" else _bright(ink) < _bright(paper)


def _bright(colour: str) -> int:
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_a_line_through_the_looks_has_its_limit_and_marks_alarms():
    weeks = [Point(f"2026-03-{day:02}T00:00:00+00:00", value, value > 0.2) for day, value in ((2, 0.1), (9, 0.3))]
    drawn = trend(weeks, 0.2, "shift", "alt", [Point(weeks[1].until, 0.25, False, 0.2, 0.4), Point("2025-01-01", 9)])
    assert drawn.count('class="dot blue"') == drawn.count('class="dot orange"') == drawn.count('class="dot ink"') == 1
    assert 'class="line orange thin"' in drawn
    assert "2 Mar" in drawn
    assert trend(weeks[:1], 0.2, "shift", "alt") == ""


@pytest.mark.parametrize(
    ("p", "words"), [(0.26, "0.26"), (0.012, "1 in 83"), (4.5e-5, "1 in 22,000"), (1e-30, "under 1 in a billion")]
)
def test_a_chance_is_told_as_one_can_picture_it(p, words):
    assert odds(p) == words


def test_days_are_told_once():
    assert span("2026-02-23T06:00:00+00:00", "2026-03-02T06:00:00+00:00") == "from 23 February to 2 March 2026"
    assert span("2025-12-29T06:00:00+00:00", "2026-01-05T06:00:00+00:00") == "from 29 December 2025 to 5 January 2026"
    assert span("2026-03-02T06:00:00+00:00", "2026-03-02T18:00:00+00:00") == "on 2 March 2026"
