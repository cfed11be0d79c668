"""The label store: nothing that was said is lost, whoever writes beside it, and a version reads the same for ever."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.common.errors import BadInputError
from components.common.storage import open_store
from components.labels.store import CLASS, Answer, LabelStore

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answer(image: str, label: str, minutes: int = 0, who: str = "ann", round: int = 1) -> Answer:  # noqa: A002
    return Answer(image, CLASS, label, who, START + timedelta(minutes=minutes), "t.csv:2", round)


def labels(folder: Path) -> LabelStore:
    return LabelStore(open_store(str(folder)), "digits")


def test_answers_come_back_by_time_whatever_their_batch(tmp_path):
    store = labels(tmp_path)
    late, early = answer("b" * 64, "cat", 5), answer("a" * 64, "dog", 1)
    store.append([late])
    store.append([early])
    assert store.read().answers == [early, late]


def test_a_version_is_what_was_there_then(tmp_path):
    store = labels(tmp_path)
    assert store.version() == ""
    store.append([answer("a" * 64, "cat")])
    first = store.version()
    store.append([answer("b" * 64, "dog", 1)])
    store.rename("dog", "hound", "ann", START)
    assert store.version() != first
    assert len(store.read(first).answers) == 1
    assert store.read(first).renamings == []
    assert len(store.read(store.version()).answers) == 2


def test_a_version_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInputError, match="does not exist; expected a version"):
        labels(tmp_path).read("0" * 64)


def test_the_same_batch_twice_is_one(tmp_path):
    store = labels(tmp_path)
    assert store.append([answer("a" * 64, "cat")]) == store.append([answer("a" * 64, "cat")])
    assert len(store.read().answers) == 1


def test_answers_of_several_rounds_are_one_batch(tmp_path):
    """So that an import stands as a whole."""
    store = labels(tmp_path)
    key = store.append([answer("a" * 64, "cat", round=3), answer("b" * 64, "cat", 1, round=1)])
    assert key.startswith("labels/digits/0003-")
    assert [one.round for one in store.read().answers] == [3, 1]


def test_many_at_once_lose_nothing(tmp_path):
    store = labels(tmp_path)
    with ThreadPoolExecutor(8) as people:
        list(people.map(lambda n: store.append([answer(f"{n:064d}", "cat", n)]), range(40)))
        list(people.map(lambda n: store.rename(f"c{n}", "cat", "ann", START), range(40)))
    assert len(store.read().answers) == 40
    assert sorted(renaming.old for renaming in store.read().renamings) == sorted(f"c{n}" for n in range(40))
