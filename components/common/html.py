"""Self-contained pages for people: inline style for light and dark, pictures embedded, nothing fetched."""

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["anchor", "cards", "escape", "figures", "image_tag", "named_rows", "note", "page", "table", "thumbnails"]

TINY = 64  # pixels up to which a picture is enlarged without blur

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fdfcf9; --card: #fff; --ink: #23261f; --faint: #6d7166; --line: #e3e0d6; --accent: #8a6d1d; --tint: #f5f1e4
}
@media (prefers-color-scheme: dark) {
  :root { --paper: #171813; --card: #1f211b; --ink: #e7e6dd; --faint: #a0a294; --line: #35372e;
    --accent: #dcb858; --tint: #2a2a20 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 72px }
h1 { font-size: 28px; line-height: 1.2; letter-spacing: -.015em; margin: 0 0 8px }
h2 { font-size: 18px; margin: 44px 0 12px; padding-top: 20px; border-top: 1px solid var(--line) }
h3 { font-size: 15px; margin: 20px 0 8px }
.lead, .note { color: var(--faint); max-width: 100ch; overflow-wrap: anywhere }
.lead { font-size: 16px; margin: 0 0 20px }
.note { margin: 8px 0 }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(128px, 1fr)); gap: 12px; margin: 20px 0 }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px }
.figures b { display: block; font-size: 24px; line-height: 1.25; font-variant-numeric: tabular-nums }
.figures span { color: var(--faint); font-size: 13px }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 10px; background: var(--card);
  margin: 12px 0 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: 7px 14px; text-align: left; vertical-align: top; overflow-wrap: anywhere }
th { font-size: 13px; color: var(--faint); font-weight: 600; background: var(--tint); white-space: nowrap }
tr + tr td, tfoot td { border-top: 1px solid var(--line) }
tfoot td { font-weight: 600 }
.number { text-align: right; white-space: nowrap }
.named { display: grid; grid-template-columns: minmax(72px, max-content) 1fr; gap: 10px 20px; align-items: center }
.named > b { max-width: 180px; overflow-wrap: anywhere; font-weight: 600 }
.cards { display: flex; flex-wrap: wrap; gap: 14px; margin: 12px 0 }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px }
.card > b { display: block; font-weight: 600; margin-bottom: 8px }
.thumbnails { display: flex; flex-wrap: wrap; gap: 10px }
figure { margin: 0; width: 80px }
figure img { width: 80px; height: 80px; object-fit: contain; border-radius: 8px; background: var(--tint);
  display: block }
figcaption { font-size: 12px; color: var(--faint); overflow-wrap: anywhere; padding-top: 2px }
.small { image-rendering: pixelated }
img { max-width: 100% }
@media (max-width: 640px) { .named { grid-template-columns: 1fr } .named > b { max-width: none } }
"""


def page(
    title: str, sections: Sequence[tuple[str, str]], lead: str = "", style: str = "", contents: bool = False
) -> str:
    """One whole document; `sections` are (heading or nothing, HTML); `title`, headings and `lead` are plain text.

    style: more CSS; contents: whether links to the other sections stand behind the first one.
    """
    names = [anchor(heading) if contents and heading else "" for heading, _ in sections]
    parts = [_section(*section, name) for section, name in zip(sections, names, strict=True)]
    if contents:
        parts.insert(1, _links([heading for heading, _ in sections[1:]], names[1:]))
    body = "\n".join(parts)
    opening = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{opening}\n{body}\n</main>\n</body>\n</html>\n"
    )


def anchor(heading: str) -> str:
    """The name by which a link finds the section of this heading."""
    return "-".join(re.findall(r"\w+", heading.lower()))


def _section(heading: str, content: str, name: str) -> str:
    opening = f"<h2>{escape(heading)}</h2>\n" if heading else ""
    mark = f' id="{escape(name)}"' if name else ""
    return f"<section{mark}>\n{opening}{content}\n</section>"


def _links(headings: Sequence[str], names: Sequence[str]) -> str:
    links = "".join(
        f'<a href="#{escape(name)}">{escape(heading)}</a>'
        for heading, name in zip(headings, names, strict=True)
        if name
    )
    return f'<nav aria-label="Contents">{links}</nav>'


def image_tag(data: bytes, alt: str, size: int | None = None) -> str:
    """An embedded PNG, WebP or JPEG; `size`: its width in pixels."""
    kind = "png" if data.startswith(b"\x89PNG") else "webp" if data.startswith(b"RIFF") else "jpeg"
    tiny = kind == "png" and int.from_bytes(data[16:20], "big") <= TINY  # byte 16 of a PNG: its width
    extra = (' class="small"' if tiny else "") + (f' width="{size}"' if size else "")
    return f'<img src="data:image/{kind};base64,{base64.b64encode(data).decode()}" alt="{escape(alt)}"{extra}>'


def table(header: Sequence[str], rows: Iterable[Sequence[object]], total: Sequence[object] | None = None) -> str:
    """A table of plain values, all of them escaped; columns of numbers stand to the right, a `total` at the foot."""
    lines = [list(row) for row in rows]
    numeric = [bool(lines) and all(isinstance(row[i], int | float) for row in lines) for i in range(len(header))]
    marks = [' class="number"' if number else "" for number in numeric]
    head = "".join(f"<th{mark}>{escape(name)}</th>" for mark, name in zip(marks, header, strict=True))
    body = "\n".join(_row(marks, row) for row in lines)
    foot = f"\n<tfoot>{_row(marks, total)}</tfoot>" if total is not None else ""
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>{foot}\n</table></div>'
    )


def figures(items: Sequence[tuple[str, object]]) -> str:
    """A row of large numbers, each with its name below."""
    cells = "".join(f"<div><b>{escape(_shown(value))}</b><span>{escape(name)}</span></div>" for name, value in items)
    return f'<div class="figures">{cells}</div>'


def note(text: str) -> str:
    """A paragraph of plain text that explains what stands beside it."""
    return f'<p class="note">{escape(text)}</p>'


def thumbnails(items: Iterable[tuple[bytes, str]]) -> str:
    """A grid of pictures (PNG or JPEG bytes), each with its caption in plain text."""
    cells = [
        f"<figure>{image_tag(data, caption)}<figcaption>{escape(caption)}</figcaption></figure>"
        for data, caption in items
    ]
    return '<div class="thumbnails">\n' + "\n".join(cells) + "\n</div>"


def cards(items: Iterable[tuple[str, str]]) -> str:
    """Framed boxes of (heading in plain text, HTML), side by side where they fit."""
    boxes = [f'<div class="card"><b>{escape(name)}</b>{content}</div>' for name, content in items]
    return '<div class="cards">\n' + "\n".join(boxes) + "\n</div>"


def named_rows(rows: Iterable[tuple[str, str]]) -> str:
    """Lines of (name in plain text, HTML), the names in a column of their own."""
    return '<div class="named">\n' + "\n".join(f"<b>{escape(name)}</b>{content}" for name, content in rows) + "\n</div>"


def _row(marks: Sequence[str], values: Sequence[object]) -> str:
    return (
        "<tr>"
        + "".join(f"<td{mark}>{escape(_shown(value))}</td>" for mark, value in zip(marks, values, strict=True))
        + "</tr>"
    )


def _shown(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
