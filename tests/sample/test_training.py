"""Which training images a round asks about: free ones, by any strategy, as many as budget and round allow."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.artifacts import TRAIN, Dataset, load_embeddings
from components.common.errors import BadInputError
from components.sample.answers import Answer, Answers
from components.sample.choose import STRATEGIES, Taught
from components.sample.picks import Pick
from components.sample.pools import pool_of
from components.sample.settings import COLD, WARM, SampleSettings
from components.sample.training import taught_by, too_few, training_picks
from tests import tiny

NOTHING = Answers({}, {})


def settings(**changes: Any) -> SampleSettings:
    return SampleSettings.model_validate({"train_budget": 12, **changes})


def true_answers(world: tiny.World, rows: np.ndarray) -> Answers:
    labels = world.data.column("label")
    return Answers({int(row): Answer(labels[row], "Ada") for row in rows}, {})


def taught(world: tiny.World, known: Answers, data: Dataset | None = None, seed: int = 0) -> Taught:
    data = data or world.data
    pool = pool_of(data, load_embeddings(world.embeddings, world.data), known, seed, 1)
    return taught_by({row: one.label for row, one in known.given.items()}, pool, list(data.classes), 20)


def picked(world: tiny.World, known: Answers = NOTHING, seed: int = 0, **changes: Any) -> list[Pick]:
    return training_picks(world.data, taught(world, known, seed=seed), known, settings(**changes))


def rows(picks: list[Pick]) -> list[int]:
    return [pick.row for pick in picks]


def test_every_strategy_of_the_settings_is_there():
    assert STRATEGIES.keys() == {*COLD, *WARM}


@pytest.mark.parametrize("strategy", [*COLD, *WARM])
@pytest.mark.parametrize("balance", [False, True])
def test_training_picks_are_new_images_of_the_train_split_with_a_reason(tiny_world, strategy, balance):
    pool = tiny_world.rows[TRAIN]
    known = true_answers(tiny_world, pool[10:40])
    picks = picked(tiny_world, known, strategy=strategy, balance=balance, train_budget=36)
    chosen = rows(picks)
    assert len(chosen) == len(set(chosen)) == 36 - 30
    assert set(chosen) <= set(pool.tolist()) - set(known.given)
    assert all(pick.reason and pick.purpose == TRAIN for pick in picks)
    assert not balance or all("; perhaps a" in pick.reason for pick in picks)
    assert picks == picked(tiny_world, known, strategy=strategy, balance=balance, train_budget=36)


@pytest.mark.parametrize("strategy", ["typiclust", "random", "margin"])
def test_a_budget_that_is_spent_or_beyond_the_split_is_kept_to(tiny_world, strategy):
    pool = tiny_world.data.rows(TRAIN)
    assert picked(tiny_world, true_answers(tiny_world, pool[:12]), strategy=strategy) == []
    everything = picked(tiny_world, true_answers(tiny_world, pool[:30]), strategy=strategy, train_budget=10_000)
    assert sorted(rows(everything)) == pool[30:].tolist()


def test_a_round_asks_for_no_more_than_its_size(tiny_world):
    known = true_answers(tiny_world, tiny_world.data.rows(TRAIN)[:10])
    assert len(picked(tiny_world, known, train_budget=100, round_size=5)) == 5
    assert len(picked(tiny_world, known, train_budget=12, round_size=5)) == 2
    disputed = known._replace(conflicts={int(row): ("1", "2") for row in tiny_world.data.rows(TRAIN)[10:13]})
    assert len(picked(tiny_world, disputed, train_budget=100, round_size=5)) == 2, "these are asked again"


def test_random_picks_follow_the_seed_and_not_the_embeddings(tiny_world):
    assert picked(tiny_world, strategy="random") == picked(tiny_world, strategy="random")
    assert picked(tiny_world, strategy="random") != picked(tiny_world, strategy="random", seed=1)


@pytest.mark.parametrize("strategy", WARM)
def test_without_two_classes_typical_images_are_asked_for_and_that_is_said(tiny_world, strategy, capsys):
    cold = picked(tiny_world)
    assert picked(tiny_world, strategy=strategy) == cold
    assert f"sample.strategy: {strategy} need labels of two classes; until then picks are those of typiclust" in (
        capsys.readouterr().out
    )
    one = true_answers(tiny_world, np.flatnonzero(tiny_world.data.column("label") == "3"))
    one = Answers({row: said for row, said in one.given.items() if row in set(tiny_world.data.rows(TRAIN))}, {})
    assert picked(tiny_world, one, strategy=strategy, train_budget=80, balance=True)[0].reason.startswith("typical")


def test_an_ensemble_splits_the_budget_and_strategies_take_turns(tiny_world):
    picks = picked(tiny_world, ensemble={"typiclust": 0.75, "random": 0.25})
    assert [pick.reason == "random draw" for pick in picks].count(True) == 3
    assert [pick.reason == "random draw" for pick in picks[:4]].count(True) == 1, "whoever stops early has of both"
    assert len(set(rows(picks))) == 12
    known = true_answers(tiny_world, tiny_world.data.rows(TRAIN)[:40])
    mixed = picked(tiny_world, known, ensemble={"margin": 2, "kcenter": 1, "bald": 1}, train_budget=60, balance=True)
    assert len(set(rows(mixed))) == 20


def test_near_duplicates_of_what_was_answered_and_of_each_other_are_not_asked_about(tiny_world):
    data = tiny_world.data
    pool = data.rows(TRAIN)
    groups = data.column("group").copy()
    for at, leader in enumerate((0, 50, 100, 150)):  # the first three of each are alike
        groups[pool[leader : leader + 3]] = f"{at:064d}"
    index = data.index.set_column(data.index.column_names.index("group"), "group", pa.array(groups))
    alike = replace(data, index=index)
    known = Answers(
        {int(pool[1]): Answer("3", "Ada")}, {int(pool[51]): ("1", "2")}, {int(pool[102]): "none of the classes"}
    )
    free = taught(tiny_world, known, alike).pool.free
    assert np.flatnonzero(~free).tolist() == [0, 1, 2, 50, 51, 52, 100, 101, 102, 151, 152]


def test_images_that_are_asked_for_come_with_the_reason_and_what_cannot_be_had_is_told(tiny_world, tmp_path, capsys):
    data, pool = tiny_world.data, tiny_world.data.rows(TRAIN)
    ids = data.column("id")
    held = data.rows("test")[:2]
    known = true_answers(tiny_world, pool[:3])
    text = "id,reason\n" + "".join(f"{ids[row]},unsure 0.4{row % 2}\n" for row in (*pool[:8], *held))
    (tmp_path / "asked.csv").write_text(text + "f" * 64 + ",\n")
    picks = picked(tiny_world, known, candidates_from=str(tmp_path / "asked.csv"))
    assert sorted(rows(picks)) == pool[3:8].tolist()
    assert all(pick.reason.endswith(f"; asked for: unsure 0.4{pick.row % 2}") for pick in picks)
    assert (
        "sample.candidates_from: asks for 11 images: 1 are not in this version of the dataset, 2 are held out, 3 are "
        "answered already, or near-duplicates"
    ) in capsys.readouterr().out
    pq.write_table(pa.table({"id": ids[pool[5:7]]}), tmp_path / "asked.parquet")
    picks = picked(tiny_world, known, candidates_from=str(tmp_path / "asked.parquet"))
    assert sorted(rows(picks)) == pool[5:7].tolist()
    assert not any("asked for" in pick.reason for pick in picks)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("asked.csv", b"image\nx\n", r"asked.csv:1: expected the columns id"),
        ("asked.csv", b"id\n", "names no image; leave it out"),
        ("asked.parquet", b"PAR1", "is no Parquet table that can be read"),
        ("other.csv", b"", "other.csv does not exist; expected a CSV or Parquet table with the column id"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_line(tiny_world, tmp_path: Path, name, data, said):
    if name != "other.csv":
        (tmp_path / name).write_bytes(data)
    with pytest.raises(BadInputError, match=said) as error:
        picked(tiny_world, candidates_from=str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_a_budget_below_the_number_of_classes_is_said_and_used(tiny_world):
    assert len(picked(tiny_world, train_budget=4)) == 4
    assert "sample.train_budget (4) is below the number of classes (10)" in too_few(
        list(tiny_world.data.classes), settings(train_budget=4)
    )
    assert too_few(["a", "b"], settings(train_budget=4)) == ""


def test_images_that_are_not_ingested_yet_are_said_to_need_it(tiny_world, tmp_path, capsys):
    (tmp_path / "asked.csv").write_text("id\n" + "a" * 64 + "\n" + "b" * 64 + "\n")
    assert picked(tiny_world, candidates_from=str(tmp_path / "asked.csv")) == []
    assert (
        "sample.candidates_from: asks for 2 images: 2 are not in this version of the dataset; nobody is asked about "
        "any: add those images to the source, and run again\n"
    ) in capsys.readouterr().out
