"""The answers of a few images as a table on the terminal, those of many in a line."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def summary(output: str, counts: dict[str, int]) -> str:
    """What an output holds, by its counts: images, abstained, unreadable."""
    told = f"{counts['images']:,} images"
    if counts["abstained"]:
        told += f", {counts['abstained']:,} below the threshold of the wanted precision (column abstain)"
    if counts["unreadable"]:
        told += f", {counts['unreadable']:,} that could not be read (column error)"
    return f"{output}: {told}"


def show(answers: Sequence[dict[str, Any]]) -> None:
    """A table of the images that could be read; never wrapped where another program reads it."""
    readable = [answer for answer in answers if "top" in answer]
    if not readable:
        return
    width = len(readable[0]["top"])
    abstaining = any(answer["abstain"] for answer in readable)
    table = Table(box=None, pad_edge=False)
    for heading in ("image", "class", "confidence", *(f"{n}." for n in range(2, width + 1)), *[""] * abstaining):
        table.add_column(heading, overflow="fold", justify="right" if heading == "confidence" else "left")
    for answer in readable:
        others = [f"{one['class']} {one['confidence']:.1%}" for one in answer["top"][1:]]
        last = ["unsure: ask a person" if answer["abstain"] else ""] if abstaining else []
        table.add_row(answer["image"], answer["class"], f"{answer['confidence']:.1%}", *others, *last)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 10_000
    console.print(table)
