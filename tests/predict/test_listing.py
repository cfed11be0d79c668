"""What words name, in which order, and under which names."""

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.errors import BadInputError
from components.common.storage import open_store
from components.ingest.source.locations import read
from components.predict.listing import binding, list_all, write_listing

FILES = {
    "b.png": b"1",
    "a/c.jpg": b"2",
    "a/B.PNG": b"3",
    "a/noname": b"4",
    "a/notes.txt": b"no",
    "a/.hidden.png": b"no",
    "@eaDir/b.png": b"no",
    "a/x/d.webp": b"5",
}


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for key, data in FILES.items():
        (tmp_path / "photos" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / key).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listed(scratch: Path, *words: str) -> dict[str, bytes | str]:
    """Contents, or the reason why there are none, by name."""
    (scratch / "scratch").mkdir(exist_ok=True)
    files = list(list_all(words, scratch / "scratch"))
    assert len({file.key for file in files}) == len(files)
    return {file.key: file.reason or (read(file.location) if file.location else "nowhere") for file in files}


def test_a_folder_gives_all_below_it_by_name_without_what_is_no_image(photos: Path) -> None:
    assert list(listed(photos, "photos").items()) == [
        ("photos/a/B.PNG", b"3"),
        ("photos/a/c.jpg", b"2"),
        ("photos/a/noname", b"4"),
        ("photos/a/x/d.webp", b"5"),
        ("photos/b.png", b"1"),
    ]
    sure = {file.key: file.is_image for file in list_all(["photos/"], photos)}
    assert [key for key, is_sure in sure.items() if not is_sure] == ["photos/a/noname"]


def test_files_are_what_they_are_called_in_the_order_of_the_words(photos: Path) -> None:
    words = [
        "photos/b.png",
        "photos/gone.png",
        "photos/a/notes.txt",
        str(photos / "photos/a/c.jpg"),
        "./photos/x/../b.png",
    ]
    assert listed(photos, *words) == {
        "photos/b.png": b"1",
        "photos/gone.png": "No such file or directory",
        "photos/a/notes.txt": b"no",
        str(photos / "photos/a/c.jpg"): b"2",
        "./photos/x/../b.png": "No such file or directory",
    }
    os.mkfifo(photos / "pipe.png")
    assert listed(photos, "pipe.png") == {"pipe.png": "not a file"}, "which would be waited for"


def test_patterns_that_no_shell_has_resolved(photos: Path) -> None:
    assert list(listed(photos, "photos/a/*.??g")) == ["photos/a/c.jpg"]
    assert list(listed(photos, "photos/**/*.png", "photos/a/[B]*")) == ["photos/b.png", "photos/a/B.PNG"]
    (photos / "photos" / "one[1].png").write_bytes(b"a file of that name")
    assert listed(photos, "photos/one[1].png") == {"photos/one[1].png": b"a file of that name"}


@pytest.mark.parametrize("word", ["photos/*.gif", "empty", "empty.zip"])
def test_what_names_no_image_is_one_line(photos: Path, word: str) -> None:
    (photos / "empty").mkdir()
    with zipfile.ZipFile(photos / "empty.zip", "w"):
        pass
    with pytest.raises(BadInputError, match=r"names no images; expected a file") as caught:
        write_listing([word], 32, photos, photos / "listing.parquet")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("far", [False, True])
def test_archives_are_read_in_their_order(photos: Path, far: bool, s3_bucket: str) -> None:
    with zipfile.ZipFile(photos / "z.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("m/2.png", "m/1.png", "m/readme.txt", "../out.png"):
            file.writestr(name, name * 50)
    with tarfile.open(photos / "t.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("3.png")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"three"))
    words = ["z.zip", "t.tar.gz"]
    if far:
        for name in words:
            open_store(s3_bucket).upload(f"in/{name}", photos / name)
        words = [f"{s3_bucket}/in/{name}" for name in words]
    (photos / "scratch").mkdir()
    from components.predict.work import near

    files = list(near(list_all(words, photos / "scratch"), photos / "scratch"))
    assert [file.key for file in files] == [
        f"{words[0]}/m/2.png", f"{words[0]}/m/1.png", f"{words[0]}/../out.png", f"{words[1]}/3.png"
    ]  # fmt: skip
    assert files[2].reason
    assert [read(file.location) for file in files if file.location] == [b"m/2.png" * 50, b"m/1.png" * 50, b"three"]


def test_prefixes_objects_and_patterns_on_s3(photos: Path, s3_bucket: str) -> None:
    store = open_store(s3_bucket)
    for key, data in FILES.items():
        store.write(f"in/{key}", data)
    at = f"{s3_bucket}/in"
    everything = [f"{at}/a/B.PNG", f"{at}/a/c.jpg", f"{at}/a/noname", f"{at}/a/x/d.webp", f"{at}/b.png"]
    assert list(listed(photos, at)) == list(listed(photos, f"{at}/")) == everything
    assert list(listed(photos, s3_bucket)) == everything
    assert listed(photos, f"{at}/b.png") == {f"{at}/b.png": b"1"}
    assert list(listed(photos, f"{at}/a/*.[jw]*")) == [f"{at}/a/c.jpg", f"{at}/a/x/d.webp"]
    with pytest.raises(BadInputError, match="names no images"):
        listed(photos, f"{at}/gone.png")


@pytest.mark.parametrize("column", ["uri", "path", "image"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_name_images_by_address_and_path(photos: Path, s3_bucket: str, column: str, kind: str) -> None:
    open_store(s3_bucket).write("far.png", b"far")
    rows = {
        "photos/b.png": b"1",
        str(photos / "photos/a/c.jpg"): b"2",
        "photos/a/../b.png": b"1",
        f"{s3_bucket}/far.png": b"far",
        "https://example.org/a.png": "an address that is not read: expected s3:// or a path",
    }
    if kind == "csv":
        (photos / "t.csv").write_text("n,".join(["", f"{column}\n"]) + "".join(f"1,{row}\n" for row in rows) + "2,\n")
    else:
        pq.write_table(pa.table({"n": [1] * (len(rows) + 1), column: [*rows, None]}), photos / "t.parquet")
    line = 7 if kind == "csv" else 6
    assert listed(photos, f"t.{kind}") == {**rows, f"t.{kind}:{line}": "no uri"}


def test_a_table_on_s3_leads_nowhere_else_than_to_s3(photos: Path, s3_bucket: str) -> None:
    store = open_store(s3_bucket)
    store.write("in/a.png", b"a")
    store.write("in/t.csv", f"uri\na.png\n../up.png\n{s3_bucket}/in/a.png\n/etc/passwd\n../../x.png\n".encode())
    told = "no s3://bucket/key, and no path relative to the table"
    assert listed(photos, f"{s3_bucket}/in/t.csv") == {
        "a.png": b"a", "../up.png": told, f"{s3_bucket}/in/a.png": b"a", "/etc/passwd": told, "../../x.png": told
    }  # fmt: skip


def test_tables_without_such_a_column_are_one_line(photos: Path) -> None:
    (photos / "t.csv").write_text("name\na.png\n")
    pq.write_table(pa.table({"name": ["a"]}), photos / "t.parquet")
    (photos / "broken.parquet").write_bytes(b"PAR1")
    for word, message in {
        "t.csv": r"t\.csv:1: expected the columns uri; found name",
        "t.parquet": r"t\.parquet: expected a column uri or path or image; found name",
        "broken.parquet": r"broken\.parquet: cannot be read as Parquet",
    }.items():
        with pytest.raises(BadInputError, match=message):
            listed(photos, word)


def test_names_that_are_no_text_are_refused(photos: Path) -> None:
    name = os.fsdecode(b"photos/caf\xe9.png")
    Path(name).write_bytes(b"6")
    refused = {"photos/caf\\xe9.png": "its name is not UTF-8; rename it"}
    assert listed(photos, name) == refused
    assert refused.items() <= listed(photos, "photos").items()
    assert refused.items() <= listed(photos, "photos/*.png").items()


def test_a_listing_is_cut_into_parts_and_read_back(photos: Path) -> None:
    listing = write_listing(["photos", "gone.png"], 4, photos, photos / "listing.parquet")
    assert listing.sizes == (4, 2)
    assert [file for part in (0, 1) for file in listing.part(part)] == list(list_all(["photos", "gone.png"], photos))


def test_what_words_are_is_where_they_lead_and_what_tables_hold(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos / "t.csv").write_text("uri\na.png\n")
    told = binding(["photos", "t.csv", "s3://b/c"], photos)
    monkeypatch.chdir(photos / "photos")
    assert binding(["../photos/../photos", "../t.csv", "s3://b/c"], photos) == told
    assert binding(["photos", "../t.csv", "s3://b/c"], photos) != told
    (photos / "t.csv").write_text("uri\nb.png\n")
    assert binding(["../photos", "../t.csv", "s3://b/c"], photos) != told
    assert json.dumps(told)
