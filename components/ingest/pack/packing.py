"""Pack a part of a plan into shards, a table of thumbnails and a table of results, which the merge joins.

Workers need nothing of each other, so an image that lies in two parts is packed in both, and the merge takes the first.
The result is written last: a part without one is packed again, to the same bytes.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.artifacts import SPLITS, Shard
from components.common.data.shards import ShardWriter, index_key
from components.common.files import sha256_file
from components.common.storage import Store
from components.ingest.plan.planning import batch_of, plan_folder
from components.ingest.plan.work import Work
from components.ingest.reading.check import Checked
from components.ingest.reading.pool import Reading, check_all
from components.ingest.source.archives import at_hand, tidy
from components.ingest.source.locations import Location, SourceFile
from components.ingest.source.splits import precedence, split_for

BATCH = 1024  # rows held at a time
UPLOADS = 4  # shards under way at a time
RESULT = pa.schema(
    [
        ("key", pa.string()),
        ("size", pa.int64()),
        ("etag", pa.string()),
        ("id", pa.string()),
        ("reason", pa.string()),
        ("label", pa.string()),
        ("given", pa.string()),
        ("rank", pa.int8()),
        ("text", pa.string()),
        ("text_reason", pa.string()),
        ("passed", pa.string()),
        ("other", pa.string()),
        ("attributes", pa.string()),
        ("split", pa.string()),
        ("shard", pa.int32()),
        ("offset", pa.int64()),
        ("stored", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)
THUMBNAILS = pa.schema(
    [("id", pa.string()), ("came_as", pa.string()), ("kept", pa.bool_()), ("thumbnail", pa.binary())]
)

REPEATED = ["label", "given", "reason", "passed", "other", "split", "came_as"]  # columns of few values


class Part(NamedTuple):
    """What became of a part."""

    # RESULT, one row a file; `split` and `shard` lead into `shards`, and are null where the image is not packed here
    result: Path
    shards: dict[str, list[Shard]]  # by split
    thumbnails: Shard | None


def result_key(work: Work, part: int) -> str:
    """Images that the version before has are not packed again, so that a result is one on top of that version."""
    name, version = work.previous.name, work.previous.id or "first"
    return f"{plan_folder(name, work.plan.key)}/{version}/part-{part:05d}.parquet"


def read_part(work: Work, number: int) -> Part | None:
    """A part that someone has packed; None where nobody has."""
    path = work.scratch / f"part-{number:05d}.parquet"
    try:
        path.write_bytes(work.store.read(result_key(work, number)))
    except KeyError:
        return None
    about = json.loads(pq.read_metadata(path).metadata[b"gleaner"])
    shards = {split: [Shard(**shard) for shard in found] for split, found in about["shards"].items()}
    return Part(path, shards, Shard(**about["thumbnails"]) if about["thumbnails"] else None)


def drop_forgotten(work: Work, number: int, part: Part) -> bool:
    """Remove a part that was packed before one of its images was forgotten, with the shards that hold it; returns
    whether it is gone, to be packed again.
    """
    columns = pq.read_table(part.result, columns=["id", "split", "shard"]).to_pydict()
    rows = zip(*columns.values(), strict=True)
    holding = {(split, shard) for image, split, shard in rows if split is not None and image in work.forgotten}
    if not holding:
        return False
    work.store.delete(result_key(work, number))
    shards = [part.shards[split][shard].key for split, shard in sorted(holding)]
    for key in [*shards, *map(index_key, shards), *([part.thumbnails.key] if part.thumbnails else [])]:
        work.store.delete(key)
    return True


def pack_part(work: Work, number: int, reading: Reading, processes: int, shard_size: int) -> Iterator[int]:
    """Pack one part into the store; yields 1 for each file that is done."""
    name, plan, store = work.previous.name, work.plan, work.store
    with tempfile.TemporaryDirectory(prefix="part-", dir=work.scratch) as temporary:
        folder = Path(temporary)
        with Rows(folder / "result.parquet", RESULT) as results:
            with ExitStack() as stack:
                writers = {split: stack.enter_context(ShardWriter(folder, split, shard_size)) for split in SPLITS}
                thumbnails = stack.enter_context(Rows(folder / "thumbnails.parquet", THUMBNAILS))
                packer = _Packer(writers, plan.brought, results, thumbnails)
                files = work.files.told(_near(plan.part(number), work.scratch))
                checked = check_all(files, reading, processes)
                for file, one in zip(plan.part(number), checked, strict=True):
                    packer.add(file, one)
                    yield 1
            tidy(work.scratch, file.location)  # the next part begins in the archive where this one ends
            with ThreadPoolExecutor(1) as beside:
                seen = beside.submit(upload_thumbnails, name, thumbnails, store) if thumbnails.count else None
                shards = upload_shards(name, writers, store)
            about = {
                "shards": {split: [asdict(shard) for shard in found] for split, found in shards.items()},
                "thumbnails": seen and asdict(seen.result()),
            }
            results.writer.add_key_value_metadata({"gleaner": json.dumps(about)})
        store.write(result_key(work, number), results.path.read_bytes())


def upload_shards(name: str, writers: dict[str, ShardWriter], store: Store) -> dict[str, list[Shard]]:
    """The shards of each split, once all of them are in the store."""
    packed = [(split, one) for split, writer in writers.items() for one in writer.shards]
    shards = [
        Shard(f"datasets/{name}/shards/{split}-{one.sha256}.tar", one.sha256, one.size, len(one.members))
        for split, one in packed
    ]
    with ThreadPoolExecutor(UPLOADS) as threads:
        for done in [
            threads.submit(_upload_new, store, shard, one.path) for shard, (_, one) in zip(shards, packed, strict=True)
        ]:
            done.result()
    return {split: [shard for shard, (of, _) in zip(shards, packed, strict=True) if of == split] for split in writers}


def upload_thumbnails(name: str, rows: "Rows", store: Store) -> Shard:
    digest = sha256_file(rows.path)
    thumbnails = Shard(f"datasets/{name}/thumbnails/{digest}.parquet", digest, rows.path.stat().st_size, rows.count)
    _upload_new(store, thumbnails, rows.path)
    return thumbnails


def _upload_new(store: Store, shard: Shard, path: Path) -> None:
    """Upload what is not there: the name says the contents."""
    there = store.stat(shard.key)
    if there is None or there.size != shard.size:
        store.upload(shard.key, path)


class _Packer:
    """Writes each image of a part that no earlier version has, once, into a shard of its own split."""

    def __init__(
        self, writers: dict[str, ShardWriter], brought: frozenset[str], results: "Rows", thumbnails: "Rows"
    ) -> None:
        self.writers = writers
        self.brought = brought
        self.results = results
        self.thumbnails = thumbnails
        self.seen: set[bytes] = set()

    def add(self, file: SourceFile, checked: Checked) -> None:
        where: tuple[Any, ...] = (None,) * 6
        image = checked.image
        if image and bytes.fromhex(checked.id) not in self.seen:
            self.seen.add(bytes.fromhex(checked.id))
            split = split_for(checked.id, file.given, self.brought)
            shard, offset = self.writers[split].add(f"{checked.id}.{image.extension}", image.data)
            where = (split, shard, offset, len(image.data), image.width, image.height)
            self.thumbnails.add((checked.id, image.came_as, image.kept, checked.thumbnail))
        self.results.add(
            (
                checked.key,
                file.size,
                file.etag,
                checked.id or None,
                checked.reason or None,
                file.label,
                file.given,
                precedence(file.given),
                checked.text,
                checked.text_reason or None,
                checked.passed or None,
                checked.other or None,
                file.attributes,
                *where,
            )
        )


class Rows:
    """A Parquet file that is written row by row."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema
        self.count = 0
        self._rows: list[tuple[Any, ...]] = []

    def __enter__(self) -> "Rows":
        self.writer = pq.ParquetWriter(
            self.path, self.schema, compression="zstd", use_dictionary=REPEATED, write_statistics=False
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._flush()
        self.writer.close()

    def add(self, row: tuple[Any, ...]) -> None:
        self.count += 1
        self._rows.append(row)
        if len(self._rows) == BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self.writer.write_batch(batch_of(self._rows, self.schema))
            self._rows = []


def _near(files: Iterable[SourceFile], scratch: Path) -> Iterator[SourceFile]:
    """The same files, members of archives where they are quickly read."""
    for file in files:
        if file.reason or not (
            (file.location and file.location.is_member) or (isinstance(file.text, Location) and file.text.is_member)
        ):
            yield file
            continue
        location = at_hand(file.location, scratch) if file.location and file.location.is_member else file.location
        text = at_hand(file.text, scratch) if isinstance(file.text, Location) and file.text.is_member else file.text
        yield file._replace(location=location, text=text)
