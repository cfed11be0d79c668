"""Pictures of images of the dataset, bounded in bytes whatever they show, so that the page stays small."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import NamedTuple

import numpy as np
from PIL import Image

from components.common.data.images import decode
from components.common.data.pictures import QUALITIES, small, webp
from components.common.html import image_tag
from components.evaluate.pages.facts import Evaluation

MAX_PIXELS = 1_000_000_000  # ingest has refused what is too large
SHEET = 300_000  # bytes of all pictures of a sheet
PICTURE = 12_000  # bytes of one picture
ATLAS = 900_000  # bytes of the pictures of the map
ATLAS_SIDES = (48, 40, 32, 24, 16)


class Atlas(NamedTuple):
    """Many small pictures in one: picture k lies in row k // columns."""

    data: bytes
    side: int  # pixels of each
    columns: int
    rows: int


def pixels(facts: Evaluation, rows: Sequence[int]) -> Iterator[Image.Image]:
    """The images of these rows of the dataset, in their order."""
    with ThreadPoolExecutor(facts.threads) as pool:
        yield from pool.map(lambda row: decode(facts.reader.image_bytes(row), facts.dataset.mode, MAX_PIXELS), rows)


def sheet(facts: Evaluation, shown: Sequence[tuple[str, str, str]], budget: int = SHEET) -> str:
    """A grid of pictures of (id of an image, what stands below it in bold, and plain); budget: bytes of all."""
    if not shown:
        return ""
    most = min(PICTURE, budget // len(shown))
    rows = [facts.row_of[image] for image, _, _ in shown]
    cells = [
        f'<figure title="{escape(image[:16])}">{image_tag(small(picture, most), f"{bold} {plain}".strip())}'
        f"<figcaption><b>{escape(bold)}</b> {escape(plain)}</figcaption></figure>"
        for (image, bold, plain), picture in zip(shown, pixels(facts, rows), strict=True)
    ]
    return '<div class="sheet">\n' + "\n".join(cells) + "\n</div>"


def atlas(facts: Evaluation, rows: Sequence[int]) -> Atlas:
    """The images of these rows, squeezed into squares of one picture of at most ATLAS bytes."""
    columns = max(1, int(np.ceil(np.sqrt(len(rows)))))
    down = -(-len(rows) // columns)
    side = min(ATLAS_SIDES[0], max(facts.dataset.column("width").max(), facts.dataset.column("height").max()))
    whole = Image.new(facts.dataset.mode, (columns * side, down * side))
    for place, picture in enumerate(pixels(facts, rows)):
        picture.thumbnail((side, side))
        y, x = divmod(place, columns)
        whole.paste(picture, (x * side + (side - picture.width) // 2, y * side + (side - picture.height) // 2))
    for smaller in (side, *(each for each in ATLAS_SIDES if each < side)):
        if smaller < side:
            whole = whole.resize((columns * smaller, down * smaller))
        for quality in QUALITIES:
            if len(data := webp(whole, quality)) <= ATLAS:
                return Atlas(data, smaller, columns, down)
    return Atlas(data, smaller, columns, down)
