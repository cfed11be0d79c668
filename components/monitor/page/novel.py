"""The images that are new, each beside what the model knows that is nearest to it."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from PIL import Image

from components.common.data.pictures import small
from components.common.html import image_tag, note
from components.common.words import finding, share

ALL = 900_000  # bytes of all pictures
ONE = 20_000  # of one


class Picture(NamedTuple):
    """A candidate, and what there is to be seen of it."""

    row: Mapping[str, Any]  # of the table of candidates
    image: Image.Image | None
    nearest: Image.Image | None
    known: str  # what the nearest image of the reference is


def novel(drift: Mapping[str, Any], pictures: Sequence[Picture]) -> str:
    """How many images are new, and the most novel ones."""
    about = drift["novel"]
    told = (
        f"{about['images']:,} of {drift['images']:,} images, {share(about['share'])}, are like none that the model was "
        f"measured on; {share(about['usual_share'])} are usual"
    )
    if not pictures:
        return finding(told)
    most = min(ONE, ALL // (2 * len(pictures)))
    cells = "\n".join(_pair(each, most) for each in pictures)
    text = (
        "Left an image that came, right the nearest one that the model was measured on, where there is a picture; the "
        "most novel come first. They are picked so that no two are alike; candidates.csv names all."
    )
    return finding(told) + note(text) + f'<div class="novel">\n{cells}\n</div>'


def _pair(each: Picture, most: int) -> str:
    row = each.row
    left = _side(each.image, row["id"], "new image", most)
    right = _side(each.nearest, row["nearest"], "nearest image", most)
    return (
        f'<figure class="pair" title="{escape(row["id"])}"><div>{left}{right}</div><figcaption>it said '
        f"<b>{escape(row['predicted'])}</b>, {100 * row['confidence']:.0f} %. Nearest: <b>{escape(each.known)}</b>, at "
        f"{row['distance']:.2g}.</figcaption></figure>"
    )


def _side(image: Image.Image | None, name: str, what: str, most: int) -> str:
    alt = f"{what} {name[:8]}"
    if image is None:
        return f'<span class="none" role="img" aria-label="{escape(alt)}">no picture<br>{escape(name[:8])}</span>'
    return image_tag(small(image, most), alt)
