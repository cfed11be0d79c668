"""One object without some images: rows of tables, lines, entries of JSON, and the ids that texts name."""

import csv
import io
import json
import re
from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.common.files import json_text
from components.common.parquet import read_table

DIGITS = 12  # of an id by which texts name an image, at least
ROWS_OF = ("id", "image")  # columns of the image that a row is about
ABOUT = ("id", "image", "image_id", "gleaner_id")  # the same of an object in JSON
PATHS = ("key", "source")  # where an object in JSON says which file of the source it is about
INSTEAD = "forgotten"
BINARY = (".safetensors", ".onnx", ".npy", ".tar", ".idx", ".png", ".jpg", ".jpeg", ".webp", ".gz", ".zip")
PICTURE = re.compile(r"data:image/(?:png|jpe?g|webp|gif);base64,[A-Za-z0-9+/=\s]+")
OUTPUT = re.compile(r'("image/(?:png|jpe?g|webp|gif)": ")[A-Za-z0-9+/=\\n]{8,}(")')  # of a cell of a notebook
EMPTY = "data:,"
NOTE = '<p class="note">The pictures of this page were taken out, because images were forgotten.</p>'


class Gone:
    """The images that are to go. paths: of them in the source, by which tables of findings name files."""

    def __init__(self, ids: Collection[str], paths: Collection[str] = ()) -> None:
        self.ids = frozenset(ids)
        self.paths = frozenset(paths)
        starts = "|".join(sorted(image[:DIGITS] for image in self.ids)) or "(?!)"
        self.named = re.compile(f"(?:{starts})[0-9a-f]*")
        self.bytes = [image[:DIGITS].encode() for image in sorted(self.ids)]

    def in_text(self, text: str) -> bool:
        return self.named.search(text) is not None

    def in_bytes(self, data: bytes) -> bool:
        return any(start in data for start in self.bytes)


def without(name: str, data: bytes, gone: Gone) -> bytes | None:
    """An object without the images; None where it holds nothing of them, and nothing at all where it must go whole."""
    if name.endswith(".parquet"):
        return table_without(data, gone)
    if name.endswith(BINARY) or not gone.in_bytes(data):
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return b""
    if name.endswith(".csv"):
        return _lines_without(text, gone).encode()
    try:
        return json_text(json_without(json.loads(text), gone)).encode()
    except ValueError:
        return gone.named.sub(INSTEAD, text).encode()


def is_page(name: str, data: bytes) -> bool:
    """Whether an object is a page or a notebook, which hold pictures."""
    return name.endswith((".html", ".ipynb")) or data[:64].lstrip().lower().startswith(b"<!doctype html")


def without_pictures(data: bytes) -> bytes:
    """A page or a notebook without its pictures: which of them show an image, nobody can tell from their bytes."""
    text = data.decode()
    bare = OUTPUT.sub(r"\1\2", PICTURE.sub(EMPTY, text))
    if bare == text:
        return data
    return re.sub(r"(</h1>\n?)", lambda found: found[0] + NOTE, bare, count=1).encode()


def json_without(value: Any, gone: Gone) -> Any:
    """A value of JSON without what is about the images; where it only names one, `forgotten` stands instead."""
    if isinstance(value, dict):
        return {
            key: json_without(inner, gone)
            for key, inner in value.items()
            if not gone.in_text(key) and not (isinstance(inner, dict) and _is_about(inner, gone))
        }
    if isinstance(value, list):
        return [json_without(inner, gone) for inner in value if not _is_about(inner, gone)]
    return gone.named.sub(INSTEAD, value) if isinstance(value, str) else value


def table_without(data: bytes, gone: Gone) -> bytes | None:
    """A Parquet file without the rows of the images, null where another row names one; None where nothing does."""
    try:
        table = read_table(data)
    except (ValueError, OSError, pa.ArrowException):
        return None
    made = rows_without(table, gone)
    if made is table:
        return None
    written = io.BytesIO()
    pq.write_table(made, written, compression="zstd")
    return written.getvalue()


def rows_without(table: pa.Table, gone: Gone) -> pa.Table:
    """The table itself where it holds nothing of the images."""
    made = table
    for name in ROWS_OF:
        if name in table.column_names and _is_text(table.schema.field(name).type):
            there = pc.is_in(_plain(made[name]), pa.array(sorted(gone.ids), pa.string()))
            if pc.any(there).as_py():
                made = made.filter(pc.invert(there))
    for place, field in enumerate(table.schema):
        if _is_text(field.type):
            texts = _plain(made.column(place))
            if any(pc.any(pc.match_substring(texts, image[:DIGITS])).as_py() for image in gone.ids):
                made = made.set_column(place, field, _texts_without(texts, gone).cast(field.type))
        elif pa.types.is_nested(field.type) and not _is_numbers(field.type):
            values = made.column(place).to_pylist()
            if gone.in_text(str(values)):
                made = made.set_column(
                    place, field, pa.array([json_without(each, gone) for each in values], field.type)
                )
    return made


def _texts_without(texts: pa.ChunkedArray, gone: Gone) -> pa.Array:
    bare = [None if text is None or text in gone.ids else gone.named.sub(INSTEAD, text) for text in texts.to_pylist()]
    return pa.array(bare, pa.string())


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def _is_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(value) or pa.types.is_large_string(value)


def _is_numbers(kind: pa.DataType) -> bool:
    inner = getattr(kind, "value_type", None)
    return inner is not None and (pa.types.is_floating(inner) or pa.types.is_integer(inner))


def _is_about(value: Any, gone: Gone) -> bool:
    if isinstance(value, str):
        return value in gone.ids or value in gone.paths
    if not isinstance(value, dict):
        return False
    return (
        any(value.get(key) in gone.ids for key in ABOUT if isinstance(value.get(key), str))
        or any(value.get(key) in gone.paths for key in PATHS if isinstance(value.get(key), str))
        or _is_about(value.get("data"), gone)  # a task of Label Studio
    )


def _lines_without(text: str, gone: Gone) -> str:
    """A CSV without the lines of the images, whose cell is empty where another line names one."""
    kept = io.StringIO()
    writer = csv.writer(kept, lineterminator="\r\n" if "\r\n" in text else "\n")
    header: list[str] = []
    for row in csv.reader(io.StringIO(text)):
        header = header or row
        about = [cell for name, cell in zip(header, row, strict=False) if name in ROWS_OF] or row[:1]
        if not gone.ids.intersection(about):
            writer.writerow(["" if cell in gone.ids else gone.named.sub(INSTEAD, cell) for cell in row])
    return kept.getvalue()
