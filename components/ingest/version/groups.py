"""Assign groups of near-duplicates to one split each, so that no picture is both trained and measured on.

The group and split of an image of an earlier version never change; new images join. One that cannot, without a picture
then standing on both sides, is set aside.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.ingest.duplicates.connections import connected
from components.ingest.duplicates.parts import near_parts
from components.ingest.source.splits import HELD_OUT, precedence, split_for
from components.ingest.version.inventory import Inventory

MEMBER = "SELECT id, given, CASE WHEN old THEN split END, CASE WHEN old THEN team END FROM images WHERE n = ?"
GIVEN, BRIDGE = "given", "bridge"  # why an image is set aside: a given split is in the way, or it joins two splits


class Member(NamedTuple):
    """An image of a group-to-be; `split` and `group` where an earlier version decided them."""

    id: str
    given: str | None
    split: str | None = None
    group: str | None = None


class Verdict(NamedTuple):
    group: str
    split: str
    aside: str = ""


def form_groups(inventory: Inventory, pairs: np.ndarray) -> None:
    """Write the group and split of every image that has near-duplicates. pairs: int64 (pairs, 2), numbers of images."""
    components: dict[int, list[int]] = {}
    for member, first in connected(pairs).items():
        components.setdefault(first, []).append(member)
    for numbers in components.values():
        members = [Member(*inventory.db.execute(MEMBER, (number,)).fetchone()) for number in numbers]
        verdicts = decide(members, inventory.brought)
        inventory.db.executemany(
            "UPDATE images SET team = ?, split = ?, aside = CASE aside WHEN '' THEN ? ELSE aside END WHERE id = ?",
            ((*verdict, image) for image, verdict in verdicts.items()),
        )


def note_parts(inventory: Inventory, thumbnails: Path) -> None:
    """Write which members of each group are near-duplicates; those of an earlier version too, of which only the group
    is known. What connects these parts of a group are edited copies.
    """
    crowd = "SELECT team FROM images GROUP BY team HAVING COUNT(*) > 1"
    members = list(inventory.rows(f"SELECT team, n FROM images WHERE team IN ({crowd}) ORDER BY team, n"))
    teams, rows = (np.array([member[at] for member in members], kind) for at, kind in ((0, str), (1, np.int64)))
    pairs = near_parts(thumbnails, teams, rows)
    inventory.db.executemany("UPDATE images SET part = ? WHERE n = ?", pairs.tolist())


def decide(members: list[Member], brought: frozenset[str]) -> dict[str, Verdict]:
    """Group and split of each member, by id. Where a given held-out split is among them, it keeps its own and no
    others.
    """
    old = [member for member in members if member.group is not None]
    new = [member for member in members if member.group is None]
    if old:
        return {member.id: Verdict(str(member.group), str(member.split)) for member in old} | _joining(
            old, new, brought
        )
    first = min(precedence(member.given) for member in new)
    if first < len(HELD_OUT):
        split = HELD_OUT[first]
        kept = {member.id for member in new if precedence(member.given) == first}
    else:
        kept = {member.id for member in new}
        split = split_for(min(kept), None, brought)
    return {member.id: Verdict(min(kept), split, "" if member.id in kept else GIVEN) for member in new}


def _joining(old: list[Member], new: list[Member], brought: frozenset[str]) -> dict[str, Verdict]:
    name, split = min((str(member.group), str(member.split)) for member in old)
    if any(member.split != split for member in old):
        return {member.id: Verdict(name, split, BRIDGE) for member in new}
    return {member.id: Verdict(name, split, "" if _may_join(member.given, split, brought) else GIVEN) for member in new}


def _may_join(given: str | None, split: str, brought: frozenset[str]) -> bool:
    if given in HELD_OUT:
        return given == split
    return split not in brought or split not in HELD_OUT  # what a source gives as a test set is the whole of it
