"""Archives as sources: what they hold is read like files, and nothing in them gets out."""

import gzip
import io
import json
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from components.common.artifacts import TEST
from components.common.errors import BadInputError
from components.common.storage import open_store
from components.ingest.source.archives import HEADER_BYTES
from tests.ingest.source.listed import Listed, list_all
from tests.ingest.test_ingest import PETS, by_source, fill, ingest, picture


def tar(files: dict[str, bytes], mode: str = "w", others: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in others:
            archive.addfile(info)
    return buffer.getvalue()


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED, modes: dict[str, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.external_attr = (modes or {}).get(name, stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def listed(folder: Path, name: str, data: bytes) -> Listed:
    """A folder with one good image and one archive."""
    return list_all(fill(folder / "in", {"cat/good.png": picture(1), name: data}))


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("pets.tar", tar),
        ("pets.tar.gz", lambda files: tar(files, "w:gz")),
        ("pets.TGZ", lambda files: gzip.compress(tar(files))),
        ("pets.zip", zipped),
        ("pets.zip", lambda files: zipped(files, zipfile.ZIP_STORED)),
    ],
)
def test_an_archive_holds_the_same_images_as_its_folder(tmp_path: Path, name: str, pack: object) -> None:
    plain, _, _ = ingest(fill(tmp_path / "pets", PETS), tmp_path / "plain")
    (tmp_path / name).write_bytes(pack(PETS))  # type: ignore[operator]
    packed, figures, _ = ingest(str(tmp_path / name), tmp_path / "packed", processes=2)
    assert figures["refused"] == 0
    for column in ("id", "label", "split", "width", "size"):
        assert packed.index.column(column) == plain.index.column(column)
    assert sorted(by_source(packed)) == sorted(f"{name}/{key}" for key in PETS)
    assert {shard.images for shard in packed.shards} == {shard.images for shard in plain.shards}
    assert sorted(path.name for path in (tmp_path / "packed").iterdir()) == ["dataset", "report.html", "store"], (
        "nothing is left behind"
    )


def test_archives_on_s3(tmp_path: Path, s3_bucket: str) -> None:
    store = open_store(f"{s3_bucket}/in")
    store.write("a/pets.tar", tar(PETS))
    near, _, _ = ingest(fill(tmp_path / "in", {"pets.tar": tar(PETS)}), tmp_path / "near")
    far, _, _ = ingest(f"{s3_bucket}/in/a/pets.tar", tmp_path / "far")
    assert far == near
    assert far.index == near.index
    with pytest.raises(BadInputError, match=r"gone\.tar: holds no images among 0 files"):
        ingest(f"{s3_bucket}/in/gone.tar", tmp_path)


def test_members_lie_beside_their_archive(tmp_path: Path) -> None:
    files = {
        "train/one.tar": tar({"cat/a.png": picture(1), "./dog/b.png": picture(2), "cat/.c.png": b"", "notes.md": b""}),
        "test/two.zip": zipped({"dog/d.png": picture(3)}),
    }
    found = {file.key: (file.label, file.given) for file in list_all(fill(tmp_path, files)).images}
    assert found == {
        "train/one.tar/cat/a.png": ("cat", "train"),
        "train/one.tar/dog/b.png": ("dog", "train"),
        "test/two.zip/dog/d.png": ("dog", TEST),
    }


def test_a_webdataset_shard_names_class_and_text(tmp_path: Path) -> None:
    shard = tar(
        {
            "x/0.png": picture(0),
            "x/0.cls": b"3\n",
            "x/0.txt": b"  eine Eule ",
            "x/1.left.png": picture(1),
            "x/1.right.png": picture(2),
            "x/1.json": json.dumps({"label": "owl", "id": 7}).encode(),
            "x/2.png": picture(3),
            "x/2.json": b'{"label": 4}',
            "x/3.png": picture(4),
            "x/3.json": b'{"width": 1}',
            "x/4.png": picture(5),
            "x/4.cls": b"\xff",
            "x/5.png": picture(6),
            "x/5.json": b"[" * 100_000,
            "x/6.png": picture(7),
            "x/6.json": b'{"label": [1]}',
            "x/7.png": picture(8),
            "x/7.cls": b"a\nb",
        }
    )
    source = fill(tmp_path / "in", {"shard-000.tar": shard})
    dataset, figures, html = ingest(source, tmp_path)
    rows = {key.rpartition("/")[2]: (row["label"], row["text"]) for key, row in by_source(dataset).items()}
    assert rows == {
        "0.png": ("3", "eine Eule"),
        "1.left.png": ("owl", None),
        "1.right.png": ("owl", None),
        "2.png": ("4", None),
        **{f"{number}.png": ("x", None) for number in (3, 4, 5, 6, 7)},
    }
    assert figures["refused"] == 4
    for name, reason in (
        ("4.cls", "not UTF-8"),
        ("5.json", "not JSON"),
        ("6.json", "a label that is neither text"),
        ("7.cls", "more than one line"),
    ):
        assert f"<tr><td>shard-000.tar/x/{name}</td><td>{reason}" in html
    assert set(ingest(source, tmp_path, labels="none")[0].column("label")) == {None}


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def test_what_would_leave_a_tar_is_refused(tmp_path: Path) -> None:
    others = (
        special("link.png", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard.png", tarfile.LNKTYPE, "ok/a.png"),
        special("null.png", tarfile.CHRTYPE),
        special("pipe.png", tarfile.FIFOTYPE),
        special("folder.png", tarfile.DIRTYPE),
    )
    names = ("../up.png", "a/../../b.png", "/etc/c.png", "C:\\d.png", "..\\e.png")
    listing = listed(
        tmp_path, "x.tar", tar({**dict.fromkeys(names, picture(2)), "ok/a.png": picture(3)}, others=others)
    )
    assert [file.key for file in listing.images if file.location] == ["x.tar/ok/a.png"]
    link, device = "a link in an archive", "a device or pipe in an archive"
    leads, absolute = "its name leads out of its archive", "an absolute name in an archive"
    assert dict(listing.refused) == {
        "x.tar/../up.png": leads,
        "x.tar/a/../../b.png": leads,
        "x.tar//etc/c.png": absolute,
        "x.tar/C:\\d.png": absolute,
        "x.tar/..\\e.png": leads,
        "x.tar/link.png": link,
        "x.tar/hard.png": link,
        "x.tar/null.png": device,
        "x.tar/pipe.png": device,
    }


def test_what_would_leave_a_zip_is_refused(tmp_path: Path) -> None:
    modes = {"link.png": stat.S_IFLNK | 0o777, "pipe.png": stat.S_IFIFO}
    names = ("../up.png", "/etc/c.png", "link.png", "pipe.png", "ok/a.png")
    listing = listed(tmp_path, "x.zip", zipped(dict.fromkeys(names, picture(2)), modes=modes))
    assert [file.key for file in listing.images if file.location] == ["x.zip/ok/a.png"]
    assert {key.partition("/")[2]: reason for key, reason in listing.refused} == {
        "../up.png": "its name leads out of its archive",
        "/etc/c.png": "an absolute name in an archive",
        "link.png": "a link in an archive",
        "pipe.png": "a device or pipe in an archive",
    }


def test_bombs_are_refused_unopened(tmp_path: Path) -> None:
    zeros = bytes(100 << 20)
    bomb = "a bomb: unpacks to more than 200 times its size"
    assert listed(tmp_path / "1", "x.zip", zipped({"a.bmp": zeros})).refused == (("x.zip", bomb),)
    unpacked = listed(tmp_path / "2", "x.tar.gz", gzip.compress(zeros))
    assert unpacked.refused == (("x.tar.gz", bomb),)
    assert unpacked.left == 0
    many = zipped({"noise.bin": picture(1, "BMP", (500, 500)), "a.bmp": zeros})
    assert dict(listed(tmp_path / "3", "x.zip", many).refused) == {"x.zip/a.bmp": bomb}


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.png": picture(2), "b.png": picture(3)}, zipfile.ZIP_STORED))
    central = data.rindex(b"PK\x01\x02")
    first = data.index(b"PK\x03\x04")
    struct.pack_into("<I", data, central + 42, first + 10)  # b.png points into a.png
    reasons = dict(listed(tmp_path, "x.zip", bytes(data)).refused)
    assert reasons["x.zip/a.png"] == "overlaps another member of its archive"
    assert reasons["x.zip/b.png"] == "broken: nothing is where its archive says"


def test_a_member_that_is_not_what_its_archive_says_is_refused(tmp_path: Path) -> None:
    good = zipped({"a.bmp": picture(2, "BMP"), "b.bmp": picture(3, "BMP")})
    data = bytearray(good)
    data[60] ^= 255
    dataset, _, html = ingest(fill(tmp_path / "in", {"x.zip": bytes(data)}), tmp_path)
    assert list(by_source(dataset)) == ["x.zip/b.bmp"]
    assert "<tr><td>x.zip/a.bmp</td><td>broken: " in html


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("x.tar", b"hello" * 300, "broken archive: "),
        ("x.zip", b"PK\x03\x04", "broken archive: File is not a zip file"),
        ("x.tar.gz", gzip.compress(tar(PETS))[:-4000], "broken archive: Compressed file ended"),
        ("x.tgz", b"\x1f\x8b\x07", "broken archive: "),
        ("x.tar", b"", "broken archive: "),
        ("x.zip", b"", "broken archive: "),
    ],
)
def test_a_broken_archive_is_listed(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    listing = listed(tmp_path, name, data)
    assert [file.key for file in listing.images] == ["cat/good.png"]
    ((key, said),) = listing.refused
    assert key == name
    assert said.startswith(reason)


def test_a_truncated_tar_keeps_what_is_whole(tmp_path: Path) -> None:
    whole = tar({"a.png": picture(2), "b.png": picture(3)})
    cut = whole[: 512 + len(picture(2)) + 512 + 400]
    listing = listed(tmp_path, "x.tar", cut)
    assert [file.key for file in listing.images if file.location] == ["x.tar/a.png"]
    assert ("x.tar/b.png", "truncated: its archive ends before it") in listing.refused


def test_headers_cannot_ask_for_all_memory_or_lead_back(tmp_path: Path) -> None:
    for number, (size, kind) in enumerate(
        [(HEADER_BYTES * 4, b"x"), (-512, b"x"), (-1024, b"0"), (HEADER_BYTES * 4, b"L")]
    ):
        info = tarfile.TarInfo("a.png")
        info.type = kind
        info.size = size
        header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        listing = listed(tmp_path / str(number), "x.tar", bytes(header) + bytes(2048))
        assert [file.key for file in listing.images if file.location] == []
        assert listing.refused, (size, kind)


def test_mutated_archives_never_end_the_listing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    seeds = [("x.tar", tar(PETS)), ("x.zip", zipped(PETS)), ("x.tar.gz", tar(PETS, "w:gz"))]
    for number in range(150):
        name, seed = seeds[number % 3]
        data = bytearray(seed)
        low = max(0, len(data) - 2500) if name == "x.zip" else 0  # where a zip has its headers
        for bit in rng.integers(8 * low, 8 * len(data), 30):
            data[bit // 8] ^= 1 << bit % 8
        listing = listed(tmp_path, name, bytes(data) if number % 2 else bytes(data[: rng.integers(1, len(data))]))
        assert "cat/good.png" in [file.key for file in listing.images]


def test_later_members_replace_earlier_ones_and_names_need_not_be_text(tmp_path: Path) -> None:
    first = tar({"a.png": picture(2)})
    end = 512 + len(picture(2))
    twice = first[: end + -end % 512] + tar({"a.png": picture(3), "\udcff.png": picture(4)})
    dataset, figures, html = ingest(fill(tmp_path / "in", {"x.tar": twice}), tmp_path)
    assert list(by_source(dataset)) == ["x.tar/a.png"]
    assert figures["refused"] == 2
    assert "replaced by a later member of the same name" in html
    assert "its name is not UTF-8" in html


def test_nothing_but_a_refused_archive_says_why(tmp_path: Path) -> None:
    with pytest.raises(
        BadInputError, match=r"holds no images among 0 files; x\.zip: broken archive: File is not a zip file; expected"
    ):
        list_all(fill(tmp_path / "in", {"x.zip": b"no"}))
    (tmp_path / "a.png").write_bytes(picture(1))
    with pytest.raises(BadInputError, match=r"a\.png: a file; `source` is a folder of images, .*\.tar"):
        list_all(str(tmp_path / "a.png"))
