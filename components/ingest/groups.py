"""Near-duplicate groups decide splits: whatever shows one picture is learned from, or measured on, never both."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from components.common.artifacts import SPLITS
from components.common.shards import ShardWriter
from components.ingest.duplicates import connected, find_pairs
from components.ingest.looks import Album
from components.ingest.pack import Contents
from components.ingest.sources import HELD_OUT, precedence, split_for

PNG = b"\x89PNG"  # how such a file begins


def group(contents: Contents, album: Album, brought: frozenset[str], folder: Path, shard_size: int) -> Contents:
    """The contents with their near-duplicate groups, repacked into `folder` where that moves an image.

    An image that is in a group with one of a given held-out split, and is not of that split itself, is set aside: it cannot join
    the split, which is given whole, and in any other it would leak.
    """
    ids = list(contents.images)  # in the order in which they were packed, which is the album's
    pairs = find_pairs(album.thumbnails(), len(ids), np.ones(len(ids), bool), folder)
    members: dict[int, list[str]] = {}
    for row, first in connected(pairs).items():
        members.setdefault(first, []).append(ids[row])
    splits: dict[str, str] = {}
    named: dict[str, str] = {}
    set_aside: dict[str, str] = {}
    for found in members.values():
        kept, split = decide({image: contents.images[image].kept.given for image in found}, brought)
        name = min(kept)
        named |= dict.fromkeys(found, name)
        splits |= dict.fromkeys(kept, split)
        set_aside |= dict.fromkeys(set(found) - set(kept), split)
    for image, name in named.items():
        contents.images[image].group = name
    if not set_aside and all(contents.images[image].split == split for image, split in splits.items()):
        return contents
    return _repacked(contents, splits, set_aside, folder, shard_size)


def decide(given: dict[str, str | None], brought: frozenset[str]) -> tuple[list[str], str]:
    """Which members of a group are kept, and their split, from the splits that the source gave them."""
    first = min(precedence(split) for split in given.values())
    if first < len(HELD_OUT):
        return sorted(image for image, split in given.items() if precedence(split) == first), HELD_OUT[first]
    return sorted(given), split_for(min(given), None, brought)


def _repacked(contents: Contents, splits: dict[str, str], set_aside: dict[str, str], folder: Path, shard_size: int) -> Contents:
    """The same images in the same order in new shards, as if their splits had been known when they were read."""
    final = Contents(refused=contents.refused, came_as=contents.came_as)
    with ExitStack() as stack:
        writers = {split: stack.enter_context(ShardWriter(folder, split, shard_size)) for split in SPLITS}
        for image in contents.images.values():
            if image.id in set_aside:
                final.set_aside.append(image)
                continue
            split = splits.get(image.id, image.split)
            data = contents.stored(image)
            shard, offset = writers[split].add(f"{image.id}.{'png' if data.startswith(PNG) else 'jpg'}", data)
            final.images[image.id] = replace(image, split=split, shard=shard, offset=offset)
    final.shards = {split: writer.shards for split, writer in writers.items()}
    return final

