"""Gates against a champion, through the stage: a model that is significantly worse does not ship."""

from pathlib import Path

import pytest

from components.common.files import read_json
from tests import tiny
from tests.evaluate.test_champion import _with_shards, release

RULES = [
    "accuracy not below champion at 95 %",
    "accuracy not below champion by more than 100 points at 95 %",
    "recall[3] not below champion by more than 100 points",
    "forgotten <= 0",
    "ece not above champion by more than 100 points",
]


@pytest.fixture(scope="module")
def worse(tiny_world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> tiny.Evaluated:
    """The warm-up model, of sixty labels, beside a champion of all labels."""
    folder = tmp_path_factory.mktemp("worse")
    (folder / "store").mkdir()
    store = _with_shards(tiny_world, folder / "store")
    version = release(tiny_world, store)
    world = tiny_world._replace(classifier=tiny_world.warm, store=store)
    return tiny.evaluated(world, folder / "out", champion=version, gates=RULES, map_points=0)


def gate(folder: Path) -> dict:
    return read_json(folder / "gate.json")


def test_a_model_that_is_significantly_worse_does_not_ship(worse):
    told, about = gate(worse.evaluation), read_json(worse.evaluation / "metrics.json")
    champion = about["against"]["champion"]
    assert champion["high"] < 0, "the test is meant to have a worse model"
    rows = {row["rule"]: row for row in told["gates"]}
    assert {rule for rule, row in rows.items() if not row["passed"]} == {RULES[0], RULES[3]}
    row = rows[RULES[0]]
    assert (row["figure"], row["low"], row["high"]) == (
        pytest.approx(champion["difference"]),
        champion["low"],
        champion["high"],
    )
    assert row["why"].endswith(": significantly worse")
    assert rows[RULES[3]]["figure"] == about["forgotten"]["share"]
    assert told["decision"]["ship"] is told["passed"] is False
    assert told["decision"]["against"] == f"the champion {champion['version']}"
    assert rows[RULES[2]]["images"] == next(line["support"] for line in about["per_class"] if line["class"] == "3")
