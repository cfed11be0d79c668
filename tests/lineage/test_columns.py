"""Rows of a table in a store, found by the beginning of a text without reading all of it."""

import hashlib
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.storage import FolderStore, IntegrityError, Stat
from components.lineage.reading.columns import WHOLE, rows_of

IDS = sorted(hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000))


class Counting(FolderStore):
    """A folder that notes how many bytes were asked for."""

    asked = 0

    def read_range(self, key: str, start: int, size: int) -> bytes:
        self.asked += size
        return super().read_range(key, start, size)


@pytest.fixture(params=[2_000, 1_000_000], ids=["many row groups", "one row group"])
def table(request, tmp_path) -> tuple[Counting, Stat]:
    made = pa.table({"id": IDS, "row": range(len(IDS)), "blob": [random.Random(image).randbytes(200) for image in IDS]})
    pq.write_table(made, tmp_path / "t.parquet", row_group_size=request.param, compression="zstd")
    store = Counting(tmp_path)
    (stat,) = store.list()
    assert stat.size > WHOLE
    return store, stat


@pytest.mark.parametrize(
    "wanted", [[IDS[0]], [IDS[-1], IDS[777]], [IDS[5][:9]], ["0" * 64], [IDS[3], IDS[9][:12]], ["ab"]]
)
def test_the_rows_are_those_of_a_full_scan(table, wanted):
    store, stat = table
    expected = [row for row, image in enumerate(IDS) if any(image.startswith(text) for text in wanted)]
    found = rows_of(store, stat, "id", wanted, ["row", "not there"])
    assert ([] if found is None else found["row"].to_pylist()) == expected
    assert found is None or found.column_names == ["row"]


def test_what_is_not_asked_for_is_not_read(table):
    store, stat = table
    assert rows_of(store, stat, "id", [IDS[123]], ["id", "row"])
    assert store.asked < stat.size / 2


def test_a_row_group_that_cannot_hold_it_is_not_read(tmp_path):
    made = pa.table({"id": IDS})
    pq.write_table(made, tmp_path / "t.parquet", row_group_size=1_000)
    store = Counting(tmp_path)
    (stat,) = store.list()
    found = rows_of(store, stat, "id", [IDS[4_321]], ["id"])
    assert found is not None
    assert found["id"].to_pylist() == [IDS[4_321]]
    assert store.asked < stat.size / 4


def test_an_object_that_is_gone_has_no_rows_and_one_that_is_no_table_is_an_error(tmp_path):
    store = FolderStore(tmp_path)
    for size in (10, WHOLE * 2):
        assert rows_of(store, Stat("gone.parquet", size, ""), "id", ["a"], ["id"]) is None
    for data in (b"text", bytes(WHOLE * 2)):
        store.write("t.parquet", data)
        with pytest.raises(IntegrityError, match="no table with a column id that can be read"):
            rows_of(store, Stat("t.parquet", len(data), ""), "id", ["a"], ["id"])
    pq.write_table(pa.table({"name": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(IntegrityError, match="no table with a column id"):
        rows_of(store, next(stat for stat in store.list() if stat.key == "other.parquet"), "id", ["a"], ["id"])
