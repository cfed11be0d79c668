"""What a source's folders say: classes, given splits, and what is no image at all."""

from pathlib import Path

import pytest

from components.common.artifacts import SPLITS, TEST, TRAIN, VALIDATION
from components.common.data.splits import split_of
from components.common.errors import BadInputError
from components.common.storage import open_store
from components.ingest.source.splits import split_for
from tests.ingest.source.listed import list_all


def placed(folder: Path, *keys: str) -> dict[str, tuple[str | None, str | None]]:
    """Label and given split by path, for a source of (empty) files."""
    for key in keys:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(b"")
    return {file.key: (file.label, file.given) for file in list_all(str(folder)).images}


def test_the_class_is_the_top_folder(tmp_path: Path) -> None:
    assert placed(tmp_path, "cat/a.png", "cat/young/b.JPG", "dog/c.tiff", "loose.gif") == {
        "cat/a.png": ("cat", None),
        "cat/young/b.JPG": ("cat", None),
        "dog/c.tiff": ("dog", None),
        "loose.gif": (None, None),
    }


def test_train_and_test_folders_are_given_splits(tmp_path: Path) -> None:
    assert placed(
        tmp_path, "train/cat/a.png", "test/cat/b.png", "Val/dog/c.png", "train/loose.png", "unlabelled/x/d.png"
    ) == {
        "train/cat/a.png": ("cat", TRAIN),
        "test/cat/b.png": ("cat", TEST),
        "Val/dog/c.png": ("dog", VALIDATION),
        "train/loose.png": (None, TRAIN),
        "unlabelled/x/d.png": (None, None),
    }
    assert list_all(str(tmp_path)).brought == {TRAIN, TEST, VALIDATION}


@pytest.mark.parametrize("name", ["train", "valid", "test"])
def test_a_class_may_be_called_like_a_split(tmp_path: Path, name: str) -> None:
    assert placed(tmp_path, f"{name}/a.png", "plane/b.png", "invalid/c.png")[f"{name}/a.png"] == (name, None)


def test_a_lone_train_folder_is_a_split(tmp_path: Path) -> None:
    assert placed(tmp_path, "train/cat/a.png", "train/dog/b.png")["train/cat/a.png"] == ("cat", TRAIN)


def test_a_given_split_is_kept_and_a_given_train_set_is_divided() -> None:
    ids = [f"{number:064x}" for number in range(400)]
    both = frozenset({TRAIN, TEST})
    for image in ids:
        rule = split_of(image)
        assert split_for(image, TEST, both) == TEST
        assert split_for(image, TRAIN, both) == (TRAIN if rule == TEST else rule), "nothing joins a given test set"
        assert split_for(image, None, both) == split_for(image, TRAIN, both)
        assert split_for(image, None, frozenset()) == rule
        assert split_for(image, TRAIN, frozenset({TRAIN})) == rule, "a train folder alone needs a test split"
    assert {split_of(image) for image in ids} == set(SPLITS)


def test_hidden_files_and_rubbish_do_not_count_and_others_are_counted(tmp_path: Path) -> None:
    (tmp_path / "name.with.png").mkdir()
    found = placed(
        tmp_path,
        "cat/a.png",
        "cat/.a.png",
        ".git/b.png",
        "__MACOSX/cat/a.png",
        "cat/Thumbs.db",
        ".DS_Store",
        "cat/notes.txt",
        "README",
        "more.TXT",
    )
    assert list(found) == ["cat/a.png"]
    assert list_all(str(tmp_path)).ignored == {".txt": 2, "without extension": 1}


def test_held_out_files_are_read_first_and_classes_are_mixed(tmp_path: Path) -> None:
    keys = [f"{top}/{label}/{number}.png" for top in ("train", "test") for label in "ab" for number in range(20)]
    placed(tmp_path, *keys)
    order = [file.key for file in list_all(str(tmp_path)).images]
    assert all(key.startswith("test/") for key in order[:40])
    assert len({key.split("/")[1] for key in order[40:50]}) == 2
    assert sorted(order) == sorted(keys)


def test_a_missing_or_empty_source_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such folder"):
        list_all(str(tmp_path / "none"))
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(BadInputError, match=r"holds no images among 1 files; expected .*\.jpg"):
        list_all(str(tmp_path))
    with pytest.raises(BadInputError, match=r"notes\.txt: a file; `source` is a folder"):
        list_all(str(tmp_path / "notes.txt"))


def test_an_object_or_an_empty_prefix_of_s3_is_one_line(s3_bucket: str, tmp_path: Path) -> None:
    open_store(s3_bucket).write("pets/cat.png", b"")
    with pytest.raises(BadInputError, match=r"pets/cat\.png: an object; `source` is a folder"):
        list_all(f"{s3_bucket}/pets/cat.png")
    for source in (f"{s3_bucket}/none", f"{s3_bucket}/cat.png"):
        with pytest.raises(BadInputError, match="holds no images among 0 files"):
            list_all(source)
