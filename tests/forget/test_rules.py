"""One object without an image: tables, lines, JSON and texts, whatever their shape."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.parquet import read_table
from components.forget.rules import EMPTY, Gone, is_page, without, without_pictures

ID, OTHER = "a" * 64, "b" * 64
GONE = Gone([ID], ["cats/ann.png"])


def written(**columns: object) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def test_rows_of_the_image_go_and_rows_that_name_it_stay_without_the_name():
    reasons = [f"nearest is {ID}", f"second opinion on {ID[:12]}"]
    nested = pa.array([[ID, OTHER], [OTHER]], pa.list_(pa.string()))
    table = written(
        id=[ID, OTHER],
        nearest=[OTHER, ID],
        reason=reasons,
        near=nested,
        kind=pa.array([ID, OTHER]).dictionary_encode(),
        embedding=pa.array([[1.0], [2.0]], pa.list_(pa.float16())),
    )
    made = read_table(without("a/b.parquet", table, GONE) or b"")
    assert made.to_pylist() == [
        {
            "id": OTHER,
            "nearest": None,
            "reason": "second opinion on forgotten",
            "near": [OTHER],
            "kind": OTHER,
            "embedding": [2.0],
        }
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.parquet", written(id=[OTHER], reason=["aaaa"])),
        ("a.parquet", b"PAR1 and no table"),
        ("a.json", b'{"id": "' + OTHER.encode() + b'"}'),
        ("a.csv", b"id\nb\n"),
        ("model.onnx", ID.encode()),
    ],
)
def test_what_holds_nothing_of_it_is_not_touched(name, data):
    assert without(name, data, GONE) is None


def test_json_loses_what_is_about_it_and_keeps_the_rest():
    about = {
        "given": {ID: "cat", OTHER: "dog"},
        "items": [{"id": ID, "key": "x"}, {"key": "cats/ann.png"}, {"id": OTHER, "nearest": ID, "key": "y"}],
        "tasks": [{"data": {"image_id": ID}}, {"data": {"image_id": OTHER}}],
        "ids": [OTHER, ID],
        "why": f"like {ID[:16]}, it is said",
        "largest": {"id": ID, "size": 3},
        "count": 2,
    }
    assert json.loads(without("a.json", json.dumps(about).encode(), GONE) or b"") == {
        "given": {OTHER: "dog"},
        "items": [{"id": OTHER, "nearest": "forgotten", "key": "y"}],
        "tasks": [{"data": {"image_id": OTHER}}],
        "ids": [OTHER],
        "why": "like forgotten, it is said",
        "count": 2,
    }


def test_lines_of_a_table_and_words_of_a_text():
    lines = f"rank,id,nearest,note\n1,{ID},{OTHER},a\n2,{OTHER},{ID},see {ID[:12]}\n"
    assert without("a.csv", lines.encode(), GONE) == f"rank,id,nearest,note\n2,{OTHER},,see forgotten\n".encode()
    assert without("stage.log", f"image {ID[:16]!r} is 7\n".encode(), GONE) == b"image 'forgotten' is 7\n"
    assert without("a.bin", b"\xff" + ID.encode(), GONE) == b""  # no text: it goes whole


def test_pictures_leave_a_page_and_a_notebook_once():
    page = b'<!doctype html><h1>A</h1>\n<img src="data:image/png;base64,iVBORw0KGgo=" alt="7"><p>7 &amp; 8</p>'
    assert is_page("sample/contact_sheet", page)
    bare = without_pictures(page)
    assert b"iVBOR" not in bare
    assert EMPTY.encode() in bare
    assert b'alt="7"><p>7 &amp; 8</p>' in bare
    assert bare.count(b"were taken out") == 1
    assert without_pictures(bare) == bare
    notebook = json.dumps({"cells": [{"outputs": [{"data": {"image/png": "iVBORw0KGgo=\n", "text/plain": "x"}}]}]})
    assert json.loads(without_pictures(notebook.encode())) == {
        "cells": [{"outputs": [{"data": {"image/png": "", "text/plain": "x"}}]}]
    }
