"""The page in a real browser: pictures dropped, pasted and chosen, what it says of them; light, dark, on a phone."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.labelling.person import browser
from tests.serve.running import Running

DROP = """([kind, files]) => {
  const data = new DataTransfer()
  for (const [name, text] of files) {
    const bytes = Uint8Array.from(atob(text), each => each.charCodeAt(0))
    data.items.add(new File([bytes], name, { type: 'image/png' }))
  }
  const event = kind === 'paste' ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true })
    : new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })
  document.getElementById('drop').dispatchEvent(event)
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


def opened(chromium: Browser, link: str, errors: list[str], **look: Any) -> Page:
    page = chromium.new_context(**{"viewport": {"width": 1200, "height": 850}, **look}).new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(link)
    page.wait_for_selector("body[data-ready]")
    return page


def bring(page: Page, kind: str, files: dict[str, bytes]) -> None:
    page.evaluate(DROP, [kind, [[name, base64.b64encode(data).decode()] for name, data in files.items()]])


def test_dropped_pasted_and_chosen_pictures_are_answered(
    chromium: Browser, server: Running, pictures: list[bytes], tmp_path: Path
) -> None:
    errors: list[str] = []
    page = opened(chromium, server.link, errors)
    told = server.predict(*pictures[:30]).json()
    doubtful = next(n for n, each in enumerate(told["predictions"]) if each["abstain"])
    sure = next(n for n, each in enumerate(told["predictions"]) if not each["abstain"])
    expect(page.locator("#model")).to_have_text("digits")
    expect(page.locator("#version")).to_have_text(told["version"])
    expect(page.locator("#facts")).to_contain_text("60.0 %")

    bring(page, "drop", {"sure.png": pictures[sure], "doubtful.png": pictures[doubtful]})
    page.wait_for_selector("body[data-done='2']")
    for name, number in (("sure.png", sure), ("doubtful.png", doubtful)):
        card = page.locator(".answer", has_text=name)
        each = told["predictions"][number]
        expect(card.locator(".verdict b")).to_have_text(each["class"])
        expect(card.locator(".sure")).to_have_text(f"{100 * each['confidence']:.1f} %")
        assert card.locator(".bars li").count() == 5
        assert card.locator(".bars li > span:first-child").all_text_contents() == [one["class"] for one in each["top"]]
        expect(card.locator(".person")).to_be_visible(visible=number == doubtful)
        assert card.locator(".set b").all_text_contents() == each["set"]
        assert card.locator("img").evaluate("each => each.naturalWidth") == 8

    bring(page, "paste", {"pasted.png": pictures[3]})
    page.wait_for_selector("body[data-done='3']")
    (tmp_path / "chosen.png").write_bytes(pictures[4])
    (tmp_path / "broken.png").write_bytes(pictures[4][:50])
    page.locator("#files").set_input_files([tmp_path / "chosen.png", tmp_path / "broken.png"])
    page.wait_for_selector("body[data-done='5']")
    expect(page.locator(".answer", has_text="broken.png").locator(".verdict b")).to_have_text("truncated")
    expect(page.locator("#summary")).to_contain_text("4 pictures")
    expect(page.locator("#summary")).to_contain_text("1 that could not be read")
    assert [each for each in errors if "422" not in each and "blob:" not in each] == []
    page.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (320, "light"), (1200, "dark")])
def test_nothing_is_cut_off_on_any_screen(
    chromium: Browser, server: Running, pictures: list[bytes], width: int, scheme: str
) -> None:
    errors: list[str] = []
    look = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    page = opened(chromium, server.link, errors, **look)
    bring(page, "drop", {f"a picture with a rather long name, number {n}.png": pictures[n] for n in range(4)})
    page.wait_for_selector("body[data-done='4']")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 300) == (scheme == "dark")
    assert errors == []
    page.context.close()


def test_the_docs_show_every_endpoint_without_a_script_from_elsewhere(chromium: Browser, server: Running) -> None:
    errors: list[str] = []
    asked: list[str] = []
    page = chromium.new_context().new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(f"{server.link}/docs")
    page.wait_for_selector("body[data-ready]")
    paths = server.client.get("/openapi.json").json()["paths"]
    assert page.locator("summary > code").all_text_contents() == [path for path, verbs in paths.items() for _ in verbs]
    page.locator("summary", has_text="/predict").click()
    expect(page.locator("details[open]")).to_contain_text("multipart/form-data")
    assert all(each.startswith(server.link) for each in asked)
    assert errors == []
    page.context.close()
