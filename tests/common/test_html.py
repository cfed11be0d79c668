"""Pages: what is data stays data, and nothing is fetched."""

import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from components.common import html

HOSTILE = "<script>alert(\"x\")</script> & 'quoted'"


class Texts(HTMLParser):
    """The visible text and the tags of a page."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(document)

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture
def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, "PNG")
    return buffer.getvalue()


def test_values_are_shown_and_never_read_as_html(picture: bytes) -> None:
    parts = [
        html.table([HOSTILE], [[HOSTILE]], [HOSTILE]),
        html.thumbnails([(picture, HOSTILE)]),
        html.figures([(HOSTILE, HOSTILE)]),
        html.note(HOSTILE),
        html.named_rows([(HOSTILE, "")]),
    ]
    page = Texts(html.page(HOSTILE, [(HOSTILE, "".join(parts))], HOSTILE))
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count(HOSTILE) == 4 + 3 + 1 + 2 + 1 + 1
    assert [values["alt"] for tag, values in page.tags if tag == "img"] == [HOSTILE]


def test_a_page_fetches_nothing(picture: bytes) -> None:
    page = html.page("Title", [("One", html.image_tag(picture, "", 40)), ("", "<p>two</p>")])
    assert all(values["src"].startswith("data:image/png;base64,") for tag, values in Texts(page).tags if tag == "img")  # type: ignore[union-attr]
    assert not re.search(r"https?:|url\(|@import", page)
    assert page.count("<h2>") == 1


def test_columns_of_numbers_stand_to_the_right() -> None:
    table = html.table(["name", "count"], [["a", 1234567], ["b", 0.123456]])
    assert '<td class="number">1,234,567</td>' in table
    assert '<td class="number">0.1235</td>' in table
    assert "<td>a</td>" in table


def test_links_lead_to_the_sections_that_follow() -> None:
    sections = [("The box", "a"), ("What's new?", "b"), ("", "c"), (HOSTILE, "d")]
    page = Texts(html.page("Title", sections, contents=True, style=".x { color: red }"))
    links = [values["href"] for tag, values in page.tags if tag == "a"]
    names = {f"#{values['id']}" for tag, values in page.tags if tag == "section" and "id" in values}
    assert links == ["#what-s-new", f"#{html.anchor(HOSTILE)}"]
    assert set(links) < names
    assert not [tag for tag, _ in Texts(html.page("Title", sections)).tags if tag == "nav"]


def test_kinds_of_pictures_are_told_by_their_first_bytes() -> None:
    for kind in ("png", "jpeg", "webp"):
        buffer = io.BytesIO()
        Image.new("RGB", (70, 70)).save(buffer, kind.upper())
        assert f"data:image/{kind};base64," in html.image_tag(buffer.getvalue(), "")
