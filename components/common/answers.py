"""Answers of people, read from where a configuration says that they lie."""

import io
from collections.abc import Iterator

from components.common.errors import BadInputError
from components.common.labels.answers import Said, person
from components.common.labels.studio import ANNOTATION, json_answers, row_answers
from components.common.labels.tables import read_table
from components.common.labels.text import whole_text
from components.common.names import class_name
from components.common.storage import file_at


def read_answers(uri: str) -> tuple[bytes, Iterator[Said]]:
    """A table (`id,label` and perhaps `annotator`) or an export of Label Studio, from a path or an s3:// URI: its
    bytes, and what it says.

    Raises BadInputError where there is none; a line that cannot be read does so as it is reached.
    """
    store, name = file_at(uri)
    try:
        data = store.read(name)
    except KeyError:
        wanted = "expected a CSV with the columns id,label or Label Studio's JSON export"
        raise BadInputError(f"sample.labels_file: {uri} does not exist; {wanted}") from None
    is_json = name.lower().endswith(".json")
    return data, json_answers(whole_text(data, uri), uri) if is_json else _table_answers(data, uri)


def _table_answers(data: bytes, uri: str) -> Iterator[Said]:
    table = read_table(io.BytesIO(data), uri, ("id", "label"), ("id", ANNOTATION))
    if ANNOTATION in table.columns:
        yield from row_answers(table.rows, uri)
        return
    for line, row in table.rows:
        if label := class_name(row["label"]):  # an empty answer is no answer yet
            yield Said(f"{uri}:{line}", row["id"].strip(), label, person(row.get("annotator")))
