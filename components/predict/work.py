"""A run of batch prediction: what it was begun with, which of its parts are done, and how they become one table.

Beside the output, until that is written:

    OUTPUT.parts/manifest.json              the release, inputs and settings that it was begun with; written last
    OUTPUT.parts/<run>/listing.parquet      all images, a row group for each part
    OUTPUT.parts/<run>/part-00000.parquet   what is told of the images of a part; written once it is whole

<run> is the digest of the manifest, so that nothing of another run is ever taken for this one's.
"""

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from components.common.errors import BadInputError
from components.common.files import json_text, sha256_file, sha256_json
from components.common.parquet import read_table
from components.common.storage import FolderStore, IntegrityError, Store, file_at, open_store
from components.common.storage.folder import LOCK
from components.ingest.source.archives import at_hand
from components.ingest.source.locations import SourceFile
from components.predict.answering import Answering, answer_all
from components.predict.listing import Listing, binding, open_listing, write_listing
from components.predict.settings import DECIDING, PredictSettings
from components.predict.tables import check_format, part_bytes, part_table, written
from components.releases.bundle import resolved
from components.releases.model import load_release

FORMAT = 1
DIGITS = 16  # of the digest of a run
RUN = re.compile(rf"[0-9a-f]{{{DIGITS}}}/")
MANIFEST = "manifest.json"
ANEW = "or begin anew (--anew; in a pipeline's settings, anew: true)"


class Work(NamedTuple):
    """A run that was begun."""

    output: str
    store: Store  # of its parts
    manifest: dict[str, Any]
    listing: Listing
    settings: PredictSettings
    scratch: Path

    @property
    def run(self) -> str:
        return sha256_json(self.manifest)[:DIGITS]

    def key(self, number: int) -> str:
        return f"{self.run}/part-{number:05d}.parquet"

    def done(self) -> set[int]:
        """Numbers of the parts that are there."""
        there = {stat.key for stat in self.store.list(f"{self.run}/")}
        return {number for number in range(len(self.listing.sizes)) if self.key(number) in there}


def begin(release: str, words: list[str], output: str, settings: PredictSettings, scratch: Path) -> Work:
    """Begin a run, or go on with the one that was begun beside the output with equal words, release and settings.

    Raises BadInputError where another one was begun there, or the words name nothing.
    """
    check_format(output)
    place, about = resolved(release)
    load_release(place, 1, settings.int8)  # every byte is verified before anything else is done
    store = open_store(f"{output}.parts")
    asked = {
        "format": FORMAT,
        "release": place,
        "model": about["model"],
        "version": about["version"],
        "inputs": binding(words, scratch),
        "settings": settings.model_dump(mode="json", include=DECIDING),
    }
    begun = _manifest(store)
    if begun is not None and not settings.anew:
        _agree(begun, asked, output)
        return _opened(output, store, begun, settings, scratch)
    clear(store)
    listing = write_listing(words, settings.part_images, scratch, scratch / "listing.parquet")
    manifest = {**asked, "listing": sha256_file(listing.path), "images": sum(listing.sizes)}
    work = Work(output, store, manifest, listing, settings, scratch)
    store.write(f"{work.run}/listing.parquet", listing.path.read_bytes())
    if not store.write_if_absent(MANIFEST, json_text(manifest).encode()):
        return begin(release, words, output, settings.model_copy(update={"anew": False}), scratch)  # another was faster
    return work


def opened(output: str, run: str, settings: PredictSettings, scratch: Path) -> Work:
    """The run of that digest, begun beside an output; BadInputError where there is none, or another one."""
    store = open_store(f"{output}.parts")
    manifest = _manifest(store)
    if manifest is None or sha256_json(manifest)[:DIGITS] != run:
        found = "holds no run" if manifest is None else "was begun anew meanwhile"
        raise BadInputError(f"{store.uri}: {found}; expected run {run}: begin it again, with an output of its own")
    return _opened(output, store, manifest, settings, scratch)


def answer(work: Work, numbers: Iterable[int]) -> Iterator[int]:
    """Do those of the parts that are not done; yields 1 for each image."""
    there = work.done()
    left = [number for number in numbers if number not in there]
    release = load_release(work.manifest["release"], 1, work.settings.int8)
    job = Answering(work.manifest["release"], release.preprocessing.max_pixels, work.settings)
    rows = answer_all((near(work.listing.part(number), work.scratch) for number in left), job)
    for number in left:
        told = []
        for row in islice(rows, work.listing.sizes[number]):
            told += [] if row is None else [row]
            yield 1
        work.store.write(work.key(number), part_bytes(part_table(told, work.settings.embedding)))


def near(files: Iterable[SourceFile], scratch: Path) -> Iterator[SourceFile]:
    """The same files, members of archives where they are quickly read."""
    for file in files:
        is_member = file.location and file.location.is_member and not file.reason
        yield file._replace(location=at_hand(file.location, scratch)) if is_member and file.location else file


def join(work: Work) -> dict[str, int]:
    """Write the output of all parts, which `clear` then removes; returns counts: images, unreadable, abstained."""
    counts = {"images": 0, "unreadable": 0, "abstained": 0}
    path = work.scratch / f"output{Path(work.output).suffix}"
    with written(path, work.output, work.settings) as write:
        for number in range(len(work.listing.sizes)):
            try:
                table = read_table(work.store.read(work.key(number)))
            except KeyError:
                raise BadInputError(
                    f"{work.store.uri}/{work.key(number)}: gone; expected the parts of this run, which may have been "
                    f"finished by another process meanwhile: look at {work.output}, or run again"
                ) from None
            write(table)
            counts["images"] += len(table)
            counts["unreadable"] += len(table) - table.column("error").null_count
            counts["abstained"] += table.column("abstain").to_pylist().count(True)
    store, name = file_at(work.output)
    store.upload(name, path)
    return counts


def clear(store: Store) -> None:
    """Remove what runs have left beside an output, the manifest first; what else lies there stays."""
    if isinstance(store, FolderStore):
        (store.root / MANIFEST).unlink(missing_ok=True)
        for path in store.root.glob("*"):
            if RUN.fullmatch(f"{path.name}/"):
                shutil.rmtree(path, ignore_errors=True)
        (store.root / LOCK).unlink(missing_ok=True)
        with suppress(OSError):  # it is not there, or holds something of another
            store.root.rmdir()
        return
    store.delete(MANIFEST)
    for key in [stat.key for stat in store.list() if RUN.match(stat.key)]:
        store.delete(key)


def _opened(output: str, store: Store, manifest: dict[str, Any], settings: PredictSettings, scratch: Path) -> Work:
    key = f"{sha256_json(manifest)[:DIGITS]}/listing.parquet"
    path = scratch / "listing.parquet"
    with suppress(KeyError):
        path.write_bytes(store.read(key))
    if not path.is_file() or sha256_file(path) != manifest["listing"]:
        raise IntegrityError(f"{store.uri}/{key}: is not the listing that this run was begun with; {ANEW}")
    chosen = settings.model_copy(update=manifest["settings"])
    return Work(output, store, manifest, open_listing(path), chosen, scratch)


def _manifest(store: Store) -> dict[str, Any] | None:
    try:
        found = json.loads(store.read(MANIFEST))
        if found["format"] == FORMAT:
            return found
    except KeyError:
        return None
    except (ValueError, TypeError):
        pass
    raise BadInputError(f"{store.uri}/{MANIFEST}: is not what this version of Gleaner writes; remove it, {ANEW}")


def _agree(begun: dict[str, Any], asked: dict[str, Any], output: str) -> None:
    """BadInputError where a run was begun with something else."""
    names = {"version": "release", "inputs": "images", "settings": "settings"}
    for key, name in names.items():
        if begun[key] != asked[key]:
            told = f": {begun[key]} then, {asked[key]} now" if key != "inputs" else ""
            raise BadInputError(
                f"{output}.parts: was begun with other {name}{told}; give the same to go on, name another output, "
                f"{ANEW}"
            )
