"""The command `gleaner store gc`."""

import argparse
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

from components.common.errors import BadInputError
from components.common.storage import FolderStore, Store, collection, open_store
from pipelines.collecting.contents import PREFIXES
from pipelines.collecting.machine import Runs
from pipelines.collecting.sweep import DAY, Found, Sweep

NAME = "store gc"
WORKDIR = Path(".gleaner")
EXAMPLES = """examples:
  gleaner store gc s3://bucket/prefix                                 list what nothing names any more
  gleaner store gc s3://bucket/prefix --delete                        remove it
  gleaner store gc --object-store demo/objects s3://gleaner --delete  in the store of the demo
  gleaner store gc demo/store --keep-versions 3 --keep-days 30 --delete

Versions of datasets, what people answered, labels, records of rounds, releases, and the candidates that labels name
stay. With --keep-versions, an older version goes too, unless a release or a run on this machine is made of it, or
Kubeflow's cache gave it to a run lately.
An ingest in flight keeps all of its dataset.
Choose --keep-days longer than your longest run. A bucket that keeps versions of objects itself keeps what is removed.
A version that was removed is made again by the next run of its source, whatever Kubeflow's cache holds.
"""


def one_word(words: list[str]) -> list[str]:
    """`store gc` as the name of one command; a folder of that name is ./gc."""
    return [NAME, *words[2:]] if words[:2] == NAME.split() else words


def add_gc(commands: Any) -> None:
    """Add `gleaner store gc` to the sub-parsers."""
    gc = commands.add_parser(
        NAME,
        help="list, or remove, what nothing in a store names any more",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="List shards, plans, checkpoints, candidates and files of TrainJobs in a store, and runs and\n"
        "cache entries on this machine, that no kept version, release or run refers to.\n"
        "With --delete, remove them.",
        epilog=EXAMPLES,
    )
    gc.add_argument("store", metavar="STORE", help="the `store` of a run configuration: s3://bucket/prefix or a folder")
    gc.add_argument("--object-store", metavar="DIR", type=Path, help="the folder that `object_store` names")
    gc.add_argument(
        "--workdir",
        metavar="DIR",
        type=Path,
        help=f"where runs and their cache are kept (default: {WORKDIR}, if there)",
    )
    gc.add_argument(
        "--keep-days",
        metavar="N",
        type=_count,
        default=14,
        help="nothing younger is removed, by the store's clock (default: %(default)s, at least 1)",
    )
    gc.add_argument(
        "--keep-versions", metavar="N", type=_count, help="of each dataset, only the newest N versions (default: all)"
    )
    gc.add_argument("--delete", action="store_true", help="remove what is listed")
    gc.set_defaults(run=_gc)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a whole number, 1 at least")
    return int(text)


def _gc(options: argparse.Namespace) -> int:
    store = _opened(options.store, options.object_store)
    workdir = options.workdir or WORKDIR
    if options.workdir and not workdir.is_dir():
        raise BadInputError(
            f"--workdir {workdir}: no such folder; expected the one that `gleaner run` keeps its runs in"
        )
    with ExitStack() as stack:
        runs: Runs | None = None
        datasets: set[str] = set()
        if workdir.is_dir():
            from pipelines.local.workdir import alone

            is_free = stack.enter_context(alone(workdir, options.delete))
            found = Runs(workdir, options.keep_days)
            datasets = found.datasets(all_stay=not is_free)
            runs = found if is_free else None
            if not is_free:
                print(f"{workdir}: a run is in flight, so all runs and cache entries stay", file=sys.stderr)
        sweep = Sweep(store, options.keep_days, options.keep_versions, datasets)
        if options.delete:
            removed = sweep.remove(stack.enter_context(collection(store)))
            _tell(chain(removed, runs.remove() if runs else ()), sweep, options.delete)
        else:
            _tell(chain(sweep.found(), runs.found() if runs else ()), sweep, options.delete)
        _tell_uploads(store, options.keep_days, options.delete)
    return 0


def _opened(uri: str, object_store: Path | None) -> Store:
    if object_store is not None:
        from pipelines.local.objectstore import reachable

        [uri] = reachable(object_store, [uri])
    store = open_store(uri)
    if isinstance(store, FolderStore) and not store.root.is_dir():
        raise BadInputError(f"{uri}: no such folder; expected the `store` of a run configuration")
    if isinstance(store, FolderStore) and (store.root / "s3.json").is_file() and (store.root / "data").is_dir():
        raise BadInputError(
            f"{uri}: keeps an object store; give --object-store {uri} and the store in it, s3://bucket/prefix"
        )
    return store


def _tell(found: Iterable[Found], sweep: Sweep, is_gone: bool) -> None:
    """A line for each thing as it is found, or removed, then a line for each kind and for what stays."""
    totals: dict[str, tuple[int, int]] = {}
    for thing, why, _ in found:
        if not totals:
            print(f"{'KIND':<12} {'SIZE':>9} {'AGE':>6}  WHAT")
        things, size = totals.get(thing.kind, (0, 0))
        totals[thing.kind] = (things + 1, size + thing.size)
        age = f"{(sweep.now - thing.modified) / DAY:.0f} d"
        print(f"{thing.kind:<12} {_bytes(thing.size):>9} {age:>6}  {thing.key}  ({why})", flush=True)
    if totals:
        print(f"\n{'KIND':<12} {'NUMBER':>9} {'SIZE':>9}")
        totals["all"] = (sum(n for n, _ in totals.values()), sum(size for _, size in totals.values()))
    for kind, (things, size) in totals.items():
        print(f"{kind:<12} {things:>9,} {_bytes(size):>9}")
    for place, things in sweep.held.items():
        print(f"{place}: something was in flight less than {sweep.days} d ago, so {things:,} unnamed things stay")
    if sweep.young:
        print(f"{sweep.young:,} unnamed things are younger than {sweep.days} d, and stay")
    if not totals:
        print("nothing to remove")
    else:
        print("removed" if is_gone else "nothing was removed: --delete does")


def _tell_uploads(store: Store, days: int, to_remove: bool) -> None:
    uploads = sum(store.clean_uploads(prefix, days * 24, only_count=not to_remove) for prefix in PREFIXES)
    if uploads:
        print(f"unfinished uploads older than {days} d: {uploads:,}{', removed' if to_remove else ''}")


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 99.5 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
