"""The example folders: real digits, written whole or not at all."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.common.errors import BadInputError
from components.common.files import sha256_tree
from components.ingest import example


def test_mnist_is_five_hundred_of_each_digit(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "mnist"
    assert example.write_example("mnist", folder).endswith("5,000 images of mnist in 10 class sub-folders")
    assert sorted(path.name for path in folder.iterdir()) == list("0123456789")
    assert [len(list((folder / digit).iterdir())) for digit in "0123456789"] == [500] * 10
    with Image.open(folder / "7" / "03500.png") as image:
        assert (image.size, image.mode) == ((28, 28), "L")
    pixels, classes = example.mnist()
    for number in range(0, 5000, 499):
        with Image.open(folder / str(classes[number]) / f"{number:05d}.png") as image:
            np.testing.assert_array_equal(np.asarray(image), pixels[number])


def test_a_complete_folder_is_kept_and_another_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "digits"
    folder.mkdir()
    example.main(["digits", str(folder)])
    before = sha256_tree(folder), (folder / "0").stat().st_mtime_ns
    example.main(["digits", str(folder)])
    assert "kept" in capsys.readouterr().out
    assert (sha256_tree(folder), (folder / "0").stat().st_mtime_ns) == before
    with pytest.raises(BadInputError, match="give a new or an empty folder"):
        example.write_example("mnist", folder)
    next(folder.glob("3/*.png")).unlink()
    with pytest.raises(SystemExit, match="2"):
        example.main(["digits", str(folder)])
    assert capsys.readouterr().err.startswith("error: example: ")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match="holds something else"):
        example.write_example("digits", tmp_path / "file")


def test_a_crash_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((3, 8, 8)), np.arange(3)  # floats, which no PNG can hold

    monkeypatch.setitem(example.EXAMPLES, "digits", broken)
    with pytest.raises(OSError, match="cannot write"):
        example.write_example("digits", tmp_path / "digits")
    assert list(tmp_path.iterdir()) == []
