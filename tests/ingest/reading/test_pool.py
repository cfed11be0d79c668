"""Images that kill or stall the process that decodes them: real signals, real limits, real files."""

import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from components.common import crew
from components.common.data.images import ORIENTATION, canonical_pixels
from components.ingest.reading import pool
from components.ingest.reading.check import Checked
from components.ingest.reading.pool import Limits, Reading, check_all
from components.ingest.source.locations import SourceFile
from tests.processes import descendants, gone

pillow_heif.register_heif_opener()  # so that HEIC can be written
LIMITS = Limits(100_000_000, 60, 4 << 30)
ROOT = Path(__file__).parents[3]
ENDLESS = """
import ctypes, os, sys
from pathlib import Path
from components.ingest.reading import pool
from components.ingest.source.locations import SourceFile

def endless(file, *_):
    Path(sys.argv[1], "busy").symlink_to(str(os.getpid()))
    while True:
        ctypes.PyDLL(None).sleep(60)  # as a decoder in C that lets no other thread of Python run

pool.check = endless
if __name__ == "__main__":
    reading = pool.Reading(sys.argv[1], "RGB", pool.Limits(9, 1, 4 << 30))
    list(pool.check_all([SourceFile("endless.png", 1, None, None)], reading, 1))
"""


def picture(number: int, kind: str = "PNG", size: tuple[int, int] = (20, 12), **options: Any) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def grey_png(width: int, height: int) -> bytes:
    """A valid PNG of one grey, small as a file and slow to bring to colour and to store again."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(1)
    rows = b"".join([*(packer.compress(bytes(width + 1)) for _ in range(height)), packer.flush()])
    shape = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", shape) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def slow() -> bytes:
    return grey_png(8000, 8000)


def fill(folder: Path, files: dict[str, bytes]) -> list[SourceFile]:
    for key, data in files.items():
        (folder / key).write_bytes(data)
    return [SourceFile(key, len(data), None, None) for key, data in files.items()]


def with_one(hostile: bytes, at: int = 3, of: int = 8) -> dict[str, bytes]:
    return {f"{number}.png": hostile if number == at else picture(number) for number in range(of)}


def check(folder: Path, files: list[SourceFile], workers: int = 1, limits: Limits = LIMITS) -> list[Checked]:
    return list(check_all(files, Reading(str(folder), "RGB", limits), workers))


def only_that_one(checked: list[Checked], files: dict[str, bytes]) -> str:
    """The reason why `3.png` was refused, after a look at all others."""
    assert [each.key for each in checked] == list(files)
    for each in checked:
        if each.key != "3.png":
            assert each.image == canonical_pixels(files[each.key], "RGB", 10**6)[0]
    return checked[3].reason


@contextmanager
def killer(number: signal.Signals, times: int) -> Iterator[list[int]]:
    """Send a signal to a decoding process that has been busy for a while; yields who got it."""
    killed: list[int] = []
    over = threading.Event()

    def hunt() -> None:
        seen: Counter[int] = Counter()
        while not over.wait(0.05) and len(killed) < times:
            for process in active_children():
                seen[process.pid or 0] += 1
                if seen[process.pid or 0] == 6 and process.pid:  # 0.3 s: all but the slow image are long done
                    os.kill(process.pid, number)
                    killed.append(process.pid)

    thread = threading.Thread(target=hunt)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_an_image_that_crashes_its_process_twice_is_set_aside(
    tmp_path: Path, slow: bytes, number: signal.Signals
) -> None:
    files = with_one(slow)
    with killer(number, times=2) as killed:
        reason = only_that_one(check(tmp_path, fill(tmp_path, files)), files)
    assert len(set(killed)) == 2
    expected = {
        signal.SIGSEGV: "crashed the decoder: SIGSEGV",
        signal.SIGKILL: "killed the decoder: SIGKILL, most likely for memory",
    }
    assert reason == expected[number]


def test_a_process_that_is_killed_once_costs_no_image(tmp_path: Path, slow: bytes) -> None:
    files = with_one(slow)
    with killer(signal.SIGKILL, times=1) as killed:
        checked = check(tmp_path, fill(tmp_path, files))
    assert (only_that_one(checked, files), len(killed)) == ("", 1)
    assert checked[3].image is not None
    assert checked[3].image.width == 8000


@pytest.mark.parametrize("workers", [1, 2])
def test_an_image_that_takes_too_long_is_set_aside(tmp_path: Path, slow: bytes, workers: int) -> None:
    files = with_one(slow)
    began = time.monotonic()
    checked = check(tmp_path, fill(tmp_path, files), workers, LIMITS._replace(seconds=0.2))
    assert only_that_one(checked, files) == "too long to decode: more than 0.2 s"
    assert time.monotonic() - began < 10
    assert active_children() == []


def test_an_image_that_needs_too_much_memory_is_set_aside(tmp_path: Path, slow: bytes) -> None:
    files = with_one(slow)
    checked = check(tmp_path, fill(tmp_path, files), 2, LIMITS._replace(memory=100 << 20))
    assert only_that_one(checked, files) == "too much memory to decode: more than 100 MiB"


def test_many_bad_ones_among_good_ones_keep_the_order(
    tmp_path: Path, slow: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "CHUNK_FILES", 5)
    files = {f"{number:02d}.png": slow if number % 9 == 4 else picture(number) for number in range(40)}
    checked = check(tmp_path, fill(tmp_path, files), 2, LIMITS._replace(memory=100 << 20))
    assert [each.key for each in checked] == list(files)
    assert [number for number, each in enumerate(checked) if each.image is None] == [4, 13, 22, 31]


def test_no_more_files_are_taken_than_are_under_way(tmp_path: Path) -> None:
    fill(tmp_path, {"a.png": picture(1)})
    taken = 0

    def endless() -> Iterator[SourceFile]:
        nonlocal taken
        while True:
            taken += 1
            yield SourceFile("a.png", 1000, None, None)

    results = check_all(endless(), Reading(str(tmp_path), "RGB", LIMITS), 2)
    assert len(list(islice(results, 500))) == 500
    assert taken <= 500 + (crew.AHEAD * 2 + 1) * pool.CHUNK_FILES
    results.close()  # type: ignore[attr-defined]
    assert active_children() == []


def test_results_that_outgrow_a_chunk_come_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turned = Image.Exif()
    turned[ORIENTATION] = 6  # a small JPEG that becomes a large PNG
    files = {f"{number:02d}.jpg": picture(number, "JPEG", (900, 700), quality=2, exif=turned) for number in range(12)}
    found = fill(tmp_path, files)
    assert sum(file.size for file in found) < pool.CHUNK_BYTES, "one chunk"
    parts: list[int] = []
    take = crew._Worker.take

    def weighing(worker: crew._Worker) -> bool:
        chunk = worker.chunk
        assert chunk is not None
        taken = take(worker)
        parts.append(sum(len(each.image.data) for each in chunk.done if each.image))
        return taken

    monkeypatch.setattr(crew._Worker, "take", weighing)
    checked = check(tmp_path, found, 2)
    assert [each.image for each in checked] == [canonical_pixels(data, "RGB", 10**6)[0] for data in files.values()]
    largest = max(len(each.image.data) for each in checked if each.image)
    assert len(parts) > 1
    assert max(parts) < pool.CHUNK_BYTES + largest


def test_processes_that_cannot_work_at_all_blame_no_image(tmp_path: Path) -> None:
    script = (
        "from components.ingest.reading.pool import Limits, Reading, check_all; from "
        "components.ingest.source.locations import SourceFile\n"
        "list(check_all([SourceFile('a.png', 1, None, None)], Reading('.', 'RGB', Limits(9, 9, 1 << 30)), 2))"
    )
    # a main module that has no file
    done = subprocess.run([sys.executable], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(
        "RuntimeError: decoding processes die before they take up an image; what they print says why\n"
    )


def test_a_decoder_of_an_endless_image_does_not_outlive_its_stage_for_long(tmp_path: Path) -> None:
    fill(tmp_path, {"endless.png": b""})
    (tmp_path / "stage.py").write_text(ENDLESS)
    command = [sys.executable, str(tmp_path / "stage.py"), str(tmp_path)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) as stage:
        end = time.monotonic() + 60
        while not (tmp_path / "busy").is_symlink():
            assert time.monotonic() < end
            time.sleep(0.02)
        inside = descendants(stage.pid)
        assert int((tmp_path / "busy").readlink().name) in inside
        stage.kill()
    assert gone(inside)
