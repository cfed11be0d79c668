"""Shards: any tar reader, WebDataset's index and DALI read what was packed, and so does our reader by offset."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from components.common.artifacts import INDEX, Dataset, Shard
from components.common.data.images import png
from components.common.data.reader import ShardReader
from components.common.data.shards import ShardWriter, header, index_key
from components.common.storage import IntegrityError, open_store

RNG = np.random.default_rng(0)
PIXELS = [RNG.integers(0, 256, (9 + n % 3, 7 + n % 5, 3), dtype=np.uint8) for n in range(17)]
FILES = [(f"{n:064x}.png", png(Image.fromarray(pixels))) for n, pixels in enumerate(PIXELS)]


def packed(folder: Path, limit: int = 4096) -> tuple[ShardWriter, list[tuple[int, int]]]:
    folder.mkdir(parents=True, exist_ok=True)
    with ShardWriter(folder, "train", limit) as writer:
        places = [writer.add(name, data) for name, data in FILES]
    return writer, places


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 8**11 - 1])
def test_a_header_is_the_one_tarfile_writes(size: int) -> None:
    info = tarfile.TarInfo(f"{7:064x}.png")
    info.size = size
    info.mode = 0o644
    assert header(info.name, size) == info.tobuf(tarfile.USTAR_FORMAT)


def test_what_a_header_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="ustar"):
        header("x" * 101, 1)
    with pytest.raises(ValueError, match="ustar"):
        header("x", 8**11)


def test_any_tar_reader_gives_the_files_back(tmp_path: Path) -> None:
    writer, places = packed(tmp_path)
    assert len(writer.shards) > 2
    found = []
    for shard in writer.shards:
        with tarfile.open(shard.path) as tar:
            for info in tar:
                file = tar.extractfile(info)
                assert file is not None
                found.append((info.name, file.read()))
                assert (info.mtime, info.uid, info.mode, info.uname) == (0, 0, 0o644, "")
    assert found == FILES
    for (number, offset), (_, data) in zip(places, FILES, strict=True):
        assert writer.shards[number].path.read_bytes()[offset : offset + len(data)] == data
    subprocess.run(["tar", "--list", "--file", writer.shards[0].path], check=True, capture_output=True)


def test_equal_images_give_equal_bytes_and_true_digests(tmp_path: Path) -> None:
    first = packed(tmp_path / "a")[0].shards
    second = packed(tmp_path / "b")[0].shards
    for one, other in zip(first, second, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()
        assert one.sha256 == other.sha256
        assert one.size == one.path.stat().st_size
    assert (
        subprocess.run(["sha256sum", first[0].path], capture_output=True, text=True, check=True).stdout.split()[0]
        == first[0].sha256
    )


def test_a_shard_closes_once_it_is_full(tmp_path: Path) -> None:
    shards = packed(tmp_path, limit=4096)[0].shards
    for shard in shards[:-1]:
        last = shard.members[-1]
        assert shard.size >= 4096 > last.offset - 512, "full, and not full before its last member"
    assert len(packed(tmp_path / "one", limit=1 << 20)[0].shards) == 1
    with ShardWriter(tmp_path, "none", 4096) as writer:
        pass
    assert writer.shards == []


def test_the_index_is_the_one_dali_makes(tmp_path: Path) -> None:
    shard = packed(tmp_path)[0].shards[1]
    subprocess.run(
        [sys.executable, "-m", "wds2idx", shard.path, tmp_path / "theirs.idx"], check=True, capture_output=True
    )
    assert shard.path.with_suffix(".idx").read_text() == (tmp_path / "theirs.idx").read_text()


def test_dali_reads_a_shard_with_its_index(tmp_path: Path) -> None:
    from nvidia.dali import Pipeline, fn

    shards = packed(tmp_path)[0].shards

    reading = Pipeline(batch_size=len(FILES), num_threads=1, device_id=None)
    with reading:
        files: Any = fn.readers.webdataset(
            paths=[str(s.path) for s in shards],
            ext=["png;jpg"],
            missing_component_behavior="error",
            index_paths=[str(s.path.with_suffix(".idx")) for s in shards],
        )
        reading.set_outputs(fn.decoders.image(files))
    reading.build()
    (images,) = reading.run()
    for number, pixels in enumerate(PIXELS):
        np.testing.assert_array_equal(np.array(images[number]), pixels)


@pytest.mark.parametrize("where", ["folder", "s3"])
def test_the_reader_finds_every_image_and_refuses_a_damaged_shard(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    uri = str(tmp_path / "store") if where == "folder" else request.getfixturevalue("s3_bucket")
    store = open_store(uri)
    writer, places = packed(tmp_path / "work")
    shards = tuple(Shard(f"d/{s.path.name}", s.sha256, s.size, len(s.members)) for s in writer.shards)
    for shard, local in zip(shards, writer.shards, strict=True):
        store.upload(shard.key, local.path)
    columns = {
        "id": [name[:64] for name, _ in FILES],
        "shard": [n for n, _ in places],
        "offset": [o for _, o in places],
        "size": [len(data) for _, data in FILES],
    }
    rows = {name: columns.get(name, pa.nulls(len(FILES), INDEX.field(name).type)) for name in INDEX.names}
    dataset = Dataset("d", "0", "RGB", (), shards, pa.table(rows, schema=INDEX))
    reader = ShardReader(dataset, store)
    order = list(range(len(FILES)))[::-1]
    assert [reader.image_bytes(row) for row in order] == [FILES[row][1] for row in order]
    assert np.asarray(Image.open(io.BytesIO(reader.image_bytes(3)))).shape == PIXELS[3].shape

    damaged = bytearray(writer.shards[0].path.read_bytes())
    damaged[600] ^= 1
    other = open_store(uri + "-other") if where == "folder" else store
    other.write("x/train.tar", bytes(damaged))
    bad = Dataset("d", "0", "RGB", (), (Shard("x/train.tar", "0" * 64, len(damaged), 1),), dataset.index)
    with pytest.raises(IntegrityError, match=r"x/train\.tar"):
        ShardReader(bad, other).image_bytes(0)
    assert index_key(shards[0].key) == "d/train-00000.idx"
