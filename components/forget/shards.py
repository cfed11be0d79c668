"""Shards without some images: which images lie in a shard, named by a version or not, and the shard packed anew."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from components.common.artifacts import Shard
from components.common.data.shards import BLOCK, END, Member, Packed, ShardWriter
from components.common.storage import Store

WHOLE = 1 << 62  # bytes of a shard: it is never cut


class Anew(NamedTuple):
    """A shard packed anew."""

    packed: Packed | None  # None where no image is left
    moved: dict[int, int]  # where the contents of each image that stays began, and where they begin now


def members_of(store: Store, key: str, size: int, live: Mapping[int, int]) -> Iterator[Member]:
    """What lies in a shard beside what is known; each costs a request. live: size by offset of the known contents.

    So images are found that no index names: those that were set aside, and those of versions that are gone.
    """
    at = 0
    while at < size - len(END):
        offset = at + BLOCK
        length = live.get(offset)
        if length is None:
            name, length = read_header(store.read_range(key, at, BLOCK))
            yield Member(name, offset, length)
        at = offset + -(-length // BLOCK) * BLOCK


def read_header(block: bytes) -> tuple[str, int]:
    """Name and size of the member that a header is of."""
    return block[:100].rstrip(b"\0").decode("ascii"), int(block[124:136].rstrip(b"\0 "), 8)


def image_of(member: str) -> str:
    """The id of the image that a member is named after."""
    return member.partition(".")[0]


def pack_anew(store: Store, shard: Shard, ids: frozenset[str], folder: Path) -> Anew:
    """The shard without the images, in `folder`; equal shards give equal bytes."""
    path = store.local(shard.key, shard.sha256, shard.size)
    moved: dict[int, int] = {}
    try:
        with path.open("rb") as file, ShardWriter(folder, shard.sha256, WHOLE) as writer:
            at = 0
            while at < shard.size - len(END):
                file.seek(at)
                name, size = read_header(file.read(BLOCK))
                if image_of(name) not in ids:
                    moved[at + BLOCK] = writer.add(name, file.read(size))[1]
                at += BLOCK + -(-size // BLOCK) * BLOCK
    finally:
        store.let_go(path)
    return Anew(writer.shards[0] if writer.shards else None, moved)
