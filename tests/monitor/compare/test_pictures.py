"""Pictures come from files, from pixels that a server kept, and from data sets; where there is none, a look goes on."""

import io
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.common.data.images import png as stored
from components.common.files import sha256_bytes
from components.common.served import write
from components.common.storage import open_store
from components.monitor.pictures import SIDE, datasets_of, of_datasets, of_look
from tests import tiny

UNTIL = datetime.fromisoformat("2026-03-02T06:00:00+00:00")
ABOUT = {
    "source": "log",
    "model": "pets",
    "version": "v1",
    "since": (UNTIL - timedelta(days=7)).isoformat(),
    "until": UNTIL.isoformat(),
}


def png(pixels: np.ndarray) -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG")
    return written.getvalue()


def test_a_file_is_shown_smaller_and_what_is_no_image_is_left_out(tmp_path):
    (tmp_path / "large.png").write_bytes(png(np.full((800, 400, 3), 90, np.uint8)))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG, or so")
    wanted = {"a": str(tmp_path / "large.png"), "b": str(tmp_path / "broken.png"), "c": str(tmp_path / "gone.png")}
    found = of_look({**ABOUT, "source": "images"}, {**wanted, "d": None, "e": "ftp://x/y.png"}, [], None)
    assert found.keys() == {"a"}
    assert found["a"].size == (SIDE // 2, SIDE)


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_that_a_server_kept_are_found_in_the_window_of_the_look(channels, tmp_path):
    pixels = np.arange(channels * 36, dtype=np.uint8).reshape(channels, 6, 6)
    at = UNTIL - timedelta(days=1)
    rows = [
        {"id": "kept", "time": at, "version": "v1", "pixels": pixels.tobytes(), "embedding": np.ones(2, np.float16)},
        {"id": "unkept", "time": at, "version": "v1", "embedding": np.ones(2, np.float16)},
        {"id": "late", "time": UNTIL, "version": "v1", "pixels": pixels.tobytes()},
    ]
    write(open_store(str(tmp_path)), "pets", rows, at)
    about = {**ABOUT, "place": str(tmp_path)}
    found = of_look(about, dict.fromkeys(("kept", "unkept", "late")), [], None)
    assert found.keys() == {"kept"}
    shown = np.asarray(found["kept"])
    assert np.array_equal(shown, pixels[0] if channels == 1 else pixels.transpose(1, 2, 0))
    assert of_look({**about, "place": str(tmp_path / "gone")}, {"kept": None}, [], None) == {}


def test_images_of_the_data_set_are_found_by_id_and_read_alone(tmp_path):
    pixels, names = tiny.small_digits(20)
    store = open_store(str(tmp_path / "store"))
    data, _ = tiny.dataset(tmp_path, str(tmp_path / "store"), pixels, names)
    release = {"dataset_name": "digits", "digests": {"dataset": data.id}}
    (known,) = datasets_of(store, release)
    assert known.id == data.id
    ids = data.column("id").tolist()
    found = of_datasets([*ids[:3], sha256_bytes(b"unknown")], [known], store)
    assert found.keys() == set(ids[:3])
    for image, shown in found.items():
        (row,) = (row for row in range(20) if sha256_bytes(stored(Image.fromarray(pixels[row]))) == image)
        assert np.array_equal(np.asarray(shown.convert("L")), pixels[row])
    assert datasets_of(store, {"dataset_name": "another", "digests": {"dataset": "0" * 64}}) == []
    assert datasets_of(store, {}) == []
    for shard in (tmp_path / "store" / "datasets" / "digits").glob("*.tar"):
        shard.unlink()
    assert of_datasets(ids[:3], [known], store) == {}


def test_nothing_is_asked_of_a_store_that_there_is_not(tmp_path: Path):
    assert of_datasets(["a"], [], None) == {}
