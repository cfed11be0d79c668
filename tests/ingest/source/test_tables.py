"""Tables of URIs as sources, and texts beside images."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.artifacts import INDEX, load_dataset
from components.common.errors import BadInputError
from components.common.files import json_text, sha256_bytes, sha256_json
from components.common.storage import open_store
from components.ingest.reading.check import TEXT_BYTES
from tests.ingest.source.listed import list_all
from tests.ingest.test_ingest import PETS, by_source, fill, ingest, picture

IMAGES = {f"in/{key}": data for key, data in PETS.items()}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_names_images_labels_and_texts(tmp_path: Path, kind: str) -> None:
    uris = [f"in/{key}" for key in PETS]
    labels = [key[:3] if number else None for number, key in enumerate(PETS)]
    texts = [f" a {key[:3]}, no. {number}" if number % 2 else None for number, key in enumerate(PETS)]
    fill(tmp_path, IMAGES)
    path = tmp_path / f"table.{kind}"
    if kind == "csv":
        path.write_text(
            "label,uri,text\n"
            + "".join(
                f'{label or ""},{uri},"{text or ""}"\n' for uri, label, text in zip(uris, labels, texts, strict=True)
            )
        )
    else:
        pq.write_table(
            pa.table({"text": texts, "uri": uris, "label": pa.array(labels).dictionary_encode(), "other": labels}), path
        )
    dataset, figures, _ = ingest(str(path), tmp_path, processes=2)
    rows = by_source(dataset)
    assert figures["refused"] == 0
    assert [(rows[uri]["id"], rows[uri]["label"], rows[uri]["text"]) for uri in uris] == [
        (sha256_bytes(IMAGES[uri]), label, text.strip() if text else None)
        for uri, label, text in zip(uris, labels, texts, strict=True)
    ]


def test_a_table_on_s3_reaches_other_buckets(tmp_path: Path, s3_bucket: str) -> None:
    store = open_store(s3_bucket)
    store.write("deep/in/a.png", picture(1))
    store.write("elsewhere/b.png", picture(2))
    store.write(
        "deep/table.csv", f"uri,label\nin/a.png,3\n{s3_bucket}/elsewhere/b.png,4\n{s3_bucket}/gone.png,4\n".encode()
    )
    dataset, figures, html = ingest(f"{s3_bucket}/deep/table.csv", tmp_path, store=f"{s3_bucket}/store")
    assert {key: row["label"] for key, row in by_source(dataset).items()} == {
        "in/a.png": "3",
        f"{s3_bucket}/elsewhere/b.png": "4",
    }
    assert figures["refused"] == 1
    assert f"<tr><td>{s3_bucket}/gone.png</td><td>not there" in html


def test_rows_that_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    rows = {
        "../up.png": "leads out of the table's folder",
        "a/../../down.png": "leads out",
        "/etc/passwd": "an absolute path",
        "https://example.org/a.png": "an address that is not read",
        "s3://bucket": "no s3://bucket/key",
        "in/gone.png": "not there",
        "in/cat/01.png/x": "not there",
    }
    fill(tmp_path, {**IMAGES, "table.csv": "\n".join(["uri", *rows, "./in//cat/01.png"]).encode()})
    dataset, figures, html = ingest(str(tmp_path / "table.csv"), tmp_path)
    assert list(by_source(dataset)) == ["in/cat/01.png"]
    assert figures["refused"] == len(rows)
    for reason in rows.values():
        assert f"</td><td>{reason.replace(chr(39), '&#x27;')}" in html


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "uri,text\na.png,one\n\na.png,two\n",
            r"^table\.csv:4: text of 'a\.png' is 'two' here and 'one' in line 2; keep one",
        ),
        ("uri,label\n ,cat\n", r"^table\.csv:2: no uri"),
        ("path,label\na.png,cat\n", r"^table\.csv:1: expected the columns uri; found path,label"),
        (b"uri,label\na.png,caf\xe9\n", r"^table\.csv:2: not UTF-8 at byte 9 of the line"),
        ("uri,label\na.png,cat,dog\n", r"^table\.csv:2: 3 fields, expected 2 as in the header"),
        ("uri,label\na.png,cat\n".encode("utf-16-le"), "NUL characters"),
        ("uri\n", "names no images; expected a column uri"),
        ("uri\n../a.png\n", r"names no images; \.\./a\.png: leads out"),
        ('uri\n"a.png\n', r"^table\.csv:\d: not CSV"),
        ("", r"^table\.csv:1: expected the columns uri; found nothing"),
    ],
)
def test_mistakes_in_a_table_are_one_line(tmp_path: Path, table: str | bytes, message: str) -> None:
    fill(tmp_path, {"table.csv": table if isinstance(table, bytes) else table.encode(), "a.png": picture(1)})
    with pytest.raises(BadInputError, match=message) as caught:
        list_all(str(tmp_path / "table.csv"))
    assert "\n" not in str(caught.value)


def test_mistakes_in_parquet_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(BadInputError, match=r"^a\.parquet: cannot be read as Parquet"):
        list_all(str(tmp_path / "a.parquet"))
    pq.write_table(pa.table({"path": ["a.png"]}), tmp_path / "b.parquet")
    with pytest.raises(BadInputError, match=r"^b\.parquet: expected a column uri; found path"):
        list_all(str(tmp_path / "b.parquet"))
    pq.write_table(pa.table({"uri": ["a.png", "b.png", "a.png"], "text": ["1", None, "2"]}), tmp_path / "c.parquet")
    with pytest.raises(BadInputError, match=r"^c\.parquet:3: text of 'a\.png' is '2' here and '1' in line 1"):
        list_all(str(tmp_path / "c.parquet"))


def test_lines_that_disagree_leave_their_image_without_a_label(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"uri": ["a.png", "b.png", "a.png", "b.png"], "label": [1.0, None, 2.0, 3.0]}), tmp_path / "c.parquet"
    )
    listed = list_all(str(tmp_path / "c.parquet"))
    assert {file.key: file.label for file in listed.images} == {"a.png": None, "b.png": "3"}
    assert listed.warnings == [
        f"{tmp_path}/c.parquet: left without a label, since lines disagree (1): 'a.png' ('1' in line 1, '2' in line 3)"
    ]
    (tmp_path / "labels.csv").write_text("path;label\na.png;4\n")
    listed = list_all(str(tmp_path / "c.parquet"), str(tmp_path / "labels.csv"))
    assert ({file.key: file.label for file in listed.images}, listed.warnings) == ({"a.png": "4", "b.png": None}, [])
    assert list_all(str(tmp_path / "c.parquet"), "none").warnings == []


def test_a_contradiction_is_a_finding_that_a_gate_may_stop_at(tmp_path: Path) -> None:
    rows = "uri;label\na.png;cat\na.png;dog\nb.png;cat\nc.png;cat\nd.png;cat\nd.png;owl\n"
    pictures = {f"{name}.png": picture(number) for number, name in enumerate("abcc")}
    source = fill(tmp_path / "in", {"table.csv": rows.encode(), **pictures, "d.png": pictures["b.png"]})
    dataset, _, html = ingest(f"{source}/table.csv", tmp_path)
    assert {key: row["label"] for key, row in by_source(dataset).items()} == {
        "a.png": None,
        "b.png": None,
        "c.png": "cat",
    }
    finding = json.loads((tmp_path / "dataset" / "quality.json").read_text())["findings"]["label_conflicts"]
    assert finding["count"] == 2
    assert [(item["labels"], item["sources"]) for item in finding["items"]] == [
        (["cat", "dog"], ["a.png"]),
        (["cat", "owl"], ["b.png", "d.png"]),
    ]
    assert "2 images with two labels" in html
    with pytest.raises(BadInputError, match=r"ingest\.gates: 2 label_conflicts \(at most 1\)"):
        ingest(f"{source}/table.csv", tmp_path / "again", gates={"label_conflicts": 1})


def test_what_is_odd_in_a_table_is_warned_about(tmp_path: Path) -> None:
    table = "uri,label\na.png,cat \nb.png,Cat\na.png,cat\nb.png,Cat\nc.png,\tdog\n"
    source = fill(
        tmp_path / "in",
        {"table.csv": table.encode(), **{f"{name}.png": picture(number) for number, name in enumerate("abc")}},
    )
    dataset, _, html = ingest(f"{source}/table.csv", tmp_path)
    assert dataset.classes == ("Cat", "cat", "dog")
    for line in (
        "table.csv:2: label &#x27;cat &#x27; was taken as &#x27;cat&#x27;, without the white space around it (2 "
        "such lines)",
        "table.csv:4: &#x27;a.png&#x27; is here again, equal to line 2; one of them is enough (2 such lines)",
        "labels &#x27;Cat&#x27; (1) and &#x27;cat&#x27; (1) differ in capitals only and stay 2 classes",
    ):
        assert f'<p class="note">{line}' in html


def test_a_text_beside_an_image_is_kept(tmp_path: Path) -> None:
    files = {
        "cat/a.png": picture(1),
        "cat/a.txt": "\ufeffeine graue Katze\nim Gras \n".encode(),
        "cat/b.png": picture(2),
        "cat/b.txt": b" \n",
        "cat/c.png": picture(3),
        "cat/c.txt": b"caf\xe9",
        "cat/d.png": picture(4),
        "cat/d.txt": b"x" * (TEXT_BYTES + 1),
        "cat/e.png": picture(5),
        "cat/e.txt": b"a\0b",
        "cat/v1.2.png": picture(6),
        "cat/v1.txt": b"of another",
        "notes.txt": b"",
        "dog/copy.png": picture(1),
        "dog/copy.txt": b"later",
        "dog/twin.png": picture(2),
        "dog/twin.txt": b"of the twin",
    }
    dataset, figures, html = ingest(fill(tmp_path / "in", files), tmp_path)
    assert {key: row["text"] for key, row in by_source(dataset).items() if row["text"]} == {
        "cat/a.png": "eine graue Katze\nim Gras",
        "cat/b.png": "of the twin",
    }
    assert figures["refused"] == 3
    for name, reason in (
        ("c", "text that is not UTF-8: at byte 3"),
        ("d", f"text of more than {TEXT_BYTES} bytes: {TEXT_BYTES + 1}"),
        ("e", "text that holds NUL characters"),
    ):
        assert f"<tr><td>cat/{name}.png (the text beside it)</td><td>{reason}" in html
    assert "2 .txt" in html, "those that belong to no image"


def test_an_index_of_an_earlier_version_has_no_texts(tmp_path: Path) -> None:
    dataset, _, _ = ingest(fill(tmp_path / "in", PETS), tmp_path)
    pq.write_table(dataset.index.drop_columns("text"), tmp_path / "dataset" / "index.parquet")
    old = load_dataset(tmp_path / "dataset")
    assert old.index.schema == INDEX
    assert set(old.column("text")) == {None}


def test_a_dataset_without_texts_is_called_as_before(tmp_path: Path) -> None:
    dataset, _, _ = ingest(fill(tmp_path / "in", PETS), tmp_path)
    index = sha256_bytes(json_text(dataset.index.drop_columns("text").to_pydict()).encode())
    shards = [shard.sha256 for shard in dataset.shards]
    assert dataset.id == sha256_json({"index": index, "shards": shards, "classes": ["cat", "dog"], "mode": "RGB"})
    (tmp_path / "in" / "cat" / "01.txt").write_text("a cat")
    assert ingest(str(tmp_path / "in"), tmp_path)[0].id != dataset.id
