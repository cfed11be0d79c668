"""Image files with random damage are refused with a reason or decoded, and never crash or hang."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from components.common.data.images import NONE_READ
from components.ingest.reading.pool import Limits
from tests.ingest.reading.test_pool import check, fill, picture

MUTANTS = 6_000


def mutants(count: int) -> Iterator[tuple[str, bytes]]:
    """Flipped bits, cuts, foreign headers, repeated and zeroed stretches, and sizes that cannot be true; the same at
    every run.
    """
    rng = np.random.default_rng(0)
    kinds: list[tuple[str, tuple[int, int], dict[str, Any]]] = [
        ("PNG", (20, 12), {}),
        ("JPEG", (40, 24), {}),
        ("JPEG", (40, 24), {"progressive": True}),
        ("GIF", (20, 12), {}),
        ("BMP", (20, 12), {}),
        ("TIFF", (20, 12), {}),
        ("TIFF", (20, 12), {"compression": "tiff_lzw"}),
        ("TIFF", (20, 12), {"compression": "jpeg"}),
        ("WEBP", (20, 12), {}),
        ("WEBP", (20, 12), {"lossless": True}),
        ("AVIF", (20, 12), {}),
        ("HEIF", (20, 12), {}),
        ("JPEG2000", (20, 12), {}),
        ("PPM", (20, 12), {}),
    ]
    seeds = [picture(number, kind, size, **options) for number, (kind, size, options) in enumerate(kinds)]
    for number in range(count):
        data = bytearray(seeds[number % len(seeds)])
        match number // len(seeds) % 6:
            case 0:  # one to forty bits
                for bit in rng.integers(0, 8 * len(data), rng.integers(1, 41)):
                    data[bit // 8] ^= 1 << bit % 8
            case 1:
                del data[rng.integers(0, len(data)) :]
            case 2:  # the header of another format
                other = seeds[rng.integers(len(seeds))]
                length = int(rng.integers(2, 64))
                data[:length] = other[:length]
            case 3:  # bits of the first bytes, where sizes and types stand
                for bit in rng.integers(0, 8 * 48, rng.integers(1, 9)):
                    data[bit // 8] ^= 1 << bit % 8
            case 4:
                start, length = (int(value) for value in rng.integers(0, len(data), 2))
                data[start : start + length] = bytes(len(data[start : start + length])) if number % 2 else data[:length]
            case _:  # a size of thousands or billions of pixels
                where = int(rng.integers(2, 48))
                data[where : where + 4] = rng.choice(
                    [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\x40\0", b"\xff\x7f\xff\x7f"]
                )
        yield f"{number:05d}", bytes(data)


def test_mutated_images_are_refused_with_a_reason_or_decoded(tmp_path: Path) -> None:
    found = fill(tmp_path, dict(mutants(MUTANTS)))
    began = time.monotonic()
    checked = check(tmp_path, found, 2, Limits(20_000_000, 5, 1 << 30))
    assert time.monotonic() - began < 40
    assert [each.key for each in checked] == [file.key for file in found]
    reasons = Counter(each.reason.partition(":")[0] for each in checked)
    assert all((each.image is None) == bool(each.reason or each.passed) for each in checked)
    assert not [each.reason for each in checked if "\n" in each.reason or " at 0x" in each.reason]
    assert MUTANTS * 0.3 < MUTANTS - reasons[""] < MUTANTS, reasons
    assert {"truncated", NONE_READ, "more than 20000000 pixels"} <= set(reasons)
    sample = found[::7]
    assert check(tmp_path, sample, 1, Limits(20_000_000, 5, 1 << 30)) == checked[::7]
