"""The inventory of a large source: queries take time in proportion to images, not to images times groups or shards."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from components.common.artifacts import TRAIN, Shard
from components.common.files import sha256_bytes
from components.ingest.previous.version import PreviousVersion
from components.ingest.quality.drift import profile
from components.ingest.quality.quality import examine
from components.ingest.version.inventory import Inventory
from components.ingest.version.layout import settle, shard_index

EACH = 4  # images of a shard, and of a near-duplicate group


def inventory_of(folder: Path, images: int) -> Inventory:
    """Images in groups and shards of EACH."""
    folder.mkdir()
    inventory = Inventory(folder)
    inventory.holders = [Shard(f"{number}.tar", f"{number:064x}", 1, EACH) for number in range(images // EACH)]
    inventory.splits = [TRAIN] * len(inventory.holders)
    ids = sorted(sha256_bytes(b"%d" % number) for number in range(images))
    inventory.db.executemany(
        "INSERT INTO files (key, size, id, label, rank) VALUES (?, 1, ?, 'a', 3)",
        ((f"{number}.png", image) for number, image in enumerate(ids)),
    )
    inventory.db.executemany(
        "INSERT INTO stored VALUES (?, ?, ?, 1, 28, 28, ?)",
        ((image, number // EACH, number % EACH, TRAIN) for number, image in enumerate(ids)),
    )
    inventory.join()
    inventory.db.executemany(
        f"UPDATE images SET team = ?, part = n - n % {EACH} WHERE id = ?",
        ((ids[number - number % EACH], image) for number, image in enumerate(ids)),
    )
    return inventory


def steps(inventory: Inventory, work: Callable[[Inventory], object]) -> int:
    """Hundreds of instructions that SQLite takes for it."""
    taken = 0

    def count() -> None:
        nonlocal taken
        taken += 1

    inventory.db.set_progress_handler(count, 100)
    work(inventory)
    return taken


def findings(inventory: Inventory) -> None:
    found = examine(inventory, profile(inventory), None)
    assert len(found["near_duplicates"].items) == inventory.count("images") // EACH


def shard_indices(inventory: Inventory) -> None:
    lines = [shard_index(inventory, shard).splitlines() for shard in inventory.holders]
    assert {len(index) for index in lines} == {1 + EACH}


def live_bytes(inventory: Inventory) -> None:
    previous = PreviousVersion("photos", shards=tuple(inventory.holders))
    settle(inventory, previous, None, Path(), 1)  # type: ignore[arg-type]  # nothing moves, so that no store is asked


@pytest.mark.parametrize("work", [findings, shard_indices, live_bytes])
def test_four_times_the_images_take_about_four_times_the_steps(
    tmp_path: Path, work: Callable[[Inventory], object]
) -> None:
    with (
        closing(inventory_of(tmp_path / "few", 800)) as few,
        closing(inventory_of(tmp_path / "many", 3200)) as many,
    ):
        assert steps(many, work) < 6 * steps(few, work)  # where each group or shard scans all images: 16 times
