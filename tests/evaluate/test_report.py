"""The page as people see it: on a phone and on a screen, in light and in dark, and small whatever it shows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from components.common.artifacts import ModelSpec
from components.evaluate.notebook import OPTIONAL, parts_of, write_report
from tests import tiny
from tests.evaluate import told
from tests.labelling.person import browser

MOST = 5_000_000  # bytes
PHONE = 390  # pixels


def written(world: tiny.World, evaluation: Path, points: int) -> Path:
    """report.html of an evaluation, written into its folder."""
    inputs = {name: getattr(world, name) for name in ("dataset", "embeddings", "labels", "classifier")}
    parameters = {"seed": 0, "threads": 1, "map_points": points, "mistakes": 24, "saliency": 4}
    write_report(evaluation, {**inputs, "evaluation": evaluation}, world.store, parameters)
    return evaluation / "report.html"


@pytest.fixture(scope="module")
def page_path(tiny_world: tiny.World, tiny_evaluated: tiny.Evaluated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = told.complete(tiny_evaluated.evaluation, tmp_path_factory.mktemp("told") / "evaluation")
    return written(tiny_world, folder, 200)


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    with browser() as one:
        yield one


def opened(started: Browser, path: Path, width: int, scheme: Any, **more: Any) -> Page:
    page = started.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme, **more)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("request", lambda request: troubles.append(request.url))
    page.goto(path.as_uri())
    assert [each for each in troubles if not each.startswith(("file:", "data:"))] == []
    return page


def colour(page: Page, selector: str, name: str) -> str:
    return page.evaluate("([s, n]) => getComputedStyle(document.querySelector(s))[n]", [selector, name])


def test_the_page_fits_a_phone_and_fetches_nothing(started, page_path):
    page = opened(started, page_path, PHONE, "light")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE
    box = page.locator(".verdict").bounding_box()
    assert box is not None
    assert box["y"] < 300
    assert page.locator("nav a").count() >= 15
    for link in page.locator("nav a").all():
        target = link.get_attribute("href") or ""
        assert page.locator(f"[id='{target[1:]}']").count() == 1
    page.close()


def test_charts_have_the_colours_of_the_page(started, page_path):
    seen = {}
    for scheme in ("light", "dark"):
        page = opened(started, page_path, 1100, scheme)
        text = colour(page, ".chart text", "fill")
        seen[scheme] = (text, colour(page, ".chart .line.blue", "stroke"), colour(page, ".panel", "backgroundColor"))
        assert text == colour(page, "body", "color")
        assert page.evaluate("document.documentElement.scrollWidth") == 1100
        page.close()
    assert all(a != b for a, b in zip(seen["light"], seen["dark"], strict=True))


def test_the_map_shows_the_picture_under_the_pointer(started, page_path):
    page = opened(started, page_path, 1100, "light")
    points = page.locator(".map circle[data-k]")
    assert points.count() == 200
    assert page.locator(".map .tip").is_hidden()
    points.nth(150).scroll_into_view_if_needed()
    points.nth(150).hover(force=True)
    page.wait_for_selector(".map .tip:not([hidden])")
    background = colour(page, ".map .tip i", "backgroundImage")
    assert background.startswith('url("data:image/webp;base64,')
    said = page.locator(".map .tip span").text_content() or ""
    assert said
    page.mouse.move(2, 2)
    page.wait_for_selector(".map .tip", state="hidden")
    page.close()


def test_a_finger_sees_the_picture_too(started, page_path):
    page = opened(started, page_path, PHONE, "dark", has_touch=True, is_mobile=True)
    points = page.locator(".map circle[data-k]")
    points.nth(150).scroll_into_view_if_needed()
    points.nth(150).tap(force=True)
    page.wait_for_selector(".map .tip:not([hidden])")
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE
    page.close()


def test_the_map_is_switched_without_a_script(started, page_path):
    page = opened(started, page_path, 1100, "light", java_script_enabled=False)
    wrong = page.locator(".map circle.w").first
    before = wrong.evaluate("each => getComputedStyle(each).fill")
    page.get_by_text("By error", exact=True).click()
    assert wrong.evaluate("each => getComputedStyle(each).fill") != before
    assert page.locator(".map .legend.error").is_visible()
    assert page.locator(".map .legend.class").is_hidden()
    page.close()


def test_every_part_is_there_where_there_is_something_to_say(page_path):
    page = page_path.read_text(encoding="utf-8")
    for heading in ("What was forgotten", "Root causes", "When to ask a person", "A second opinion", "Each slice"):
        assert f">{heading}</h2>" in page
    assert "Traceback" not in page
    assert parts_of({"images": 0}) == set()
    assert parts_of({"accuracy": 0.9, "forgotten": None, "precise": {}, "suspects": []}) == {
        "measured",
        "precise",
        "suspects",
    }
    assert OPTIONAL.keys() >= {"forgotten", "thresholds", "slices"}


def test_a_page_of_many_large_images_stays_small(tmp_path):
    """Noise, which no picture format makes smaller, and a model that mistakes nearly all of it."""
    draws = np.random.default_rng(0)
    pixels = draws.integers(0, 256, (2200, 48, 48, 3), dtype=np.uint8)
    names = np.array([f"class {name}" for name in draws.integers(0, 12, len(pixels))])
    spec = ModelSpec("resnet9", 4, "3x3", 8, "RGB", (0.5,) * 3, (0.3,) * 3)
    world = tiny.build(tmp_path / "world", others=(pixels, names), spec=spec)
    done = tiny.evaluated(world, tmp_path, map_points=2000)
    page = done.report.read_bytes()
    assert page.count(b"<figure title=") > 200
    assert 1_000_000 < len(page) < MOST
