"""What a source's folders say: classes, given splits, and what is no image at all."""

import tarfile
import unicodedata
import zipfile
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
    assert sorted(found) == ["README", "cat/a.png"], "what has no extension is read before it is judged"
    listed = list_all(str(tmp_path))
    assert {file.key: file.is_image for file in listed.images} == {"README": False, "cat/a.png": True}
    assert listed.ignored == {".txt": 2, "hidden files of tools": 5}


@pytest.mark.parametrize(
    "key",
    [
        "cat/.ipynb_checkpoints/a-checkpoint.png",
        "__MACOSX/cat/._a.png",
        "cat/._a.png",
        "cat/@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg",
        ".Trash-1000/files/a.png",
        "$Recycle.Bin/a.png",
        "cat/#recycle/a.png",
        "lost+found/a.png",
        "cat/THUMBS.DB",
        "System Volume Information/a.png",
    ],
)
def test_files_of_hidden_tools_are_no_images_and_no_classes(tmp_path: Path, key: str, s3_bucket: str) -> None:
    assert placed(tmp_path, "cat/a.png", key) == {"cat/a.png": ("cat", None)}
    with tarfile.open(tmp_path / "cat" / "more.tar", "w") as tar:
        tar.add(tmp_path / key, key)
    far = open_store(s3_bucket)
    for path in (key, "cat/a.png", "cat/more.tar"):
        far.write(path, (tmp_path / path).read_bytes())
    for source in (str(tmp_path), s3_bucket):
        listed = list_all(source)
        assert [file.key for file in listed.images] == ["cat/a.png"]
        assert listed.ignored == {"hidden files of tools": 2}
        assert listed.empty == ()


def test_what_no_extension_tells_does_not_decide_what_a_split_is(tmp_path: Path) -> None:
    """A README beside a lone train folder is no image beside it; pictures without extension in a test folder are."""
    png = b"\x89PNG\r\n\x1a\n"
    placed(tmp_path, "train/cat/a.png", "docs/AUTHORS", "LICENSE")
    (tmp_path / "LICENSE").write_text("free")
    assert list_all(str(tmp_path)).brought == {TRAIN}
    placed(tmp_path, "test/cat/b")
    assert list_all(str(tmp_path)).brought == {TRAIN}, "an empty file"
    (tmp_path / "test" / "cat" / "b").write_bytes(png)
    assert list_all(str(tmp_path)).brought == {TRAIN, TEST}
    (tmp_path / "test" / "cat" / "b").unlink()
    (tmp_path / "docs" / "AUTHORS").write_bytes(png)
    assert list_all(str(tmp_path)).brought == frozenset(), "docs is a class, and so is train"


def archived(folder: Path, kind: str, *names: str) -> str:
    """An archive of folders (names that end in a slash) and empty files."""
    path = folder / f"pets.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"")
        return str(path)
    with tarfile.open(path, "w") as tar:
        for name in names:
            info = tarfile.TarInfo(name.rstrip("/"))
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            tar.addfile(info)
    return str(path)


@pytest.mark.parametrize("place", ["folder", "s3", "tar", "zip"])
def test_an_empty_folder_is_a_class_without_images(tmp_path: Path, s3_bucket: str, place: str) -> None:
    names = ("cat/", "cat/a.png", "dog/", "dog/young/", "fish/", "fish/.DS_Store", "notes/", "notes/b.txt")
    if place == "s3":
        for name in names:  # the console of S3 makes an object of a folder's name
            open_store(s3_bucket).write(name, b"")
        source = s3_bucket
    elif place == "folder":
        for name in names:
            (tmp_path / name).mkdir(parents=True) if name.endswith("/") else (tmp_path / name).touch()
        source = str(tmp_path)
    else:
        source = archived(tmp_path, place, *names)
    assert list_all(source).empty == ("dog", "fish")
    assert list_all(source, labels="none").empty == ()


def test_empty_folders_of_splits(tmp_path: Path) -> None:
    placed(tmp_path, "train/cat/a.png", "test/cat/b.png")
    for name in ("train/dog/young", "test/owl", "val", "other"):
        (tmp_path / name).mkdir(parents=True)
    assert list_all(str(tmp_path)).empty == ("dog", "owl")


def test_folders_whose_names_look_the_same_are_one_class(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
    keys = [f"{composed}/a.png", f"{apart}/b.png", f"{composed} /c.png", "tea/d.png", f"tea/{apart}.png"]
    assert placed(tmp_path, *keys) == dict(zip(keys, [(composed, None)] * 3 + [("tea", None)] * 2, strict=True))
    (warning,) = list_all(str(tmp_path)).warnings
    assert warning.startswith(f"class {composed!r} is written in 3 ways, 'cafe\\u0301' and 'caf\\xe9' and 'caf\\xe9 '")


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
