"""What this machine holds of some images: the folders of runs, copies of shards, and copies of runs elsewhere."""

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.common.errors import BadInputError
from components.common.storage import cache_folder
from components.forget.hand import REMOVED, Change, Hand
from components.forget.labels import ABOUT, TABLE, about_labels
from components.forget.objects import look_through, read, strip
from components.forget.rules import BINARY, Gone, table_without, without

WHOLE = ("index.parquet", "attributes.parquet", "sources.parquet")  # of a version that is gone
EMBEDDINGS = "embeddings.npy"
LOCK = "lock"  # of a working folder, shared by the runs in flight


@contextmanager
def alone(workdir: Path) -> Iterator[None]:
    """Keep runs out of a working folder for the block; BadInputError where one is in flight."""
    if not workdir.is_dir():
        yield
        return
    lock = os.open(workdir / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInputError(
                f"{workdir}: a run is in flight, which may hold the images; end it or wait for its end, then run "
                "gleaner forget again"
            ) from None
        yield
    finally:
        os.close(lock)


def forget_in_runs(hand: Hand, gone: Gone, words: Collection[str], every_page: bool = False) -> None:
    """Take the images out of a working folder of `gleaner run`, or of a place with copies of what runs made.

    words: as in `forget_in_objects`. every_page: pages lose their pictures whatever lies beside them. What is cut out
    of an artifact makes it another one: the cache of `gleaner run` sees that and makes it again.
    """
    keys = sorted(stat.key for stat in hand.store.list())
    found = look_through(hand.store, [key for key in keys if not key.endswith(BINARY)], gone, words, _run)
    for key in found.pages:
        strip(hand, key, gone, every_page or _run(key) in found.touched)
    for key in keys:
        if key.rpartition("/")[2] == EMBEDDINGS and _run(key) in found.touched:
            hand.delete(key)
    for key in sorted(found.holding):
        _write(hand, key, without(key, read(hand.store, key), gone))


def _run(key: str) -> str:
    """The folder of the run that a file lies in; elsewhere its own folder."""
    first, _, rest = key.partition("/")
    return f"{first}/{rest.partition('/')[0]}" if first == "runs" else key.rpartition("/")[0]


def _write(hand: Hand, key: str, made: bytes | None) -> None:
    folder, _, name = key.rpartition("/")
    if not made or name in WHOLE:
        hand.delete(key)
        return
    about = f"{folder}/{ABOUT}"
    if name == TABLE and (said := read(hand.store, about)):
        hand.add(about, about_labels(said, made))
    hand.replace(key, made)


def forget_in_cache(ids: Collection[str], only_look: bool) -> list[Change]:
    """Remove the copies of shards and thumbnails that hold one of the images."""
    gone = Gone(ids)
    folder = cache_folder()
    holding = [path for path in sorted(folder.glob("*")) if path.is_file() and _holds(path, gone)]
    for path in () if only_look else holding:
        path.unlink(missing_ok=True)
    return [Change(REMOVED, str(path)) for path in holding]


def _holds(path: Path, gone: Gone) -> bool:
    data = path.read_bytes()
    return gone.in_bytes(data) or (data.startswith(b"PAR1") and table_without(data, gone) is not None)
