"""A release tells the repository that a cluster follows, and a Model Registry; neither holds it up."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from components.common.files import read_json
from components.common.storage import open_store
from components.releases.champion import champion
from components.releases.deciding.outside import digest_of
from tests import tiny
from tests.release.test_stage import passes, released, with_changes
from tests.releases.gitops.world import PATH, Bare
from tests.releases.model_registry import Registry, serving


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    return Bare(tmp_path / "git")


@pytest.fixture
def passing(tiny_evaluated: tiny.Evaluated, tmp_path: Path) -> tiny.Evaluated:
    return with_changes(tiny_evaluated, tmp_path / "passing", gate=passes)


def gitops(bare: Bare, **changes: Any) -> dict[str, Any]:
    return {"repository": str(bare.folder), "path": PATH, **changes}


def test_a_promotion_is_a_commit(tiny_world, passing, bare, tmp_path):
    record, shown = released(tiny_world, passing, tmp_path / "store", tmp_path / "release", gitops=gitops(bare))
    assert record["promoted"] is True
    text = bare.shown()
    assert f"storageUri: {record['published']}" in text
    assert digest_of(record["release"]) in text
    assert bare.log()[0] == f"Promote digits {record['version']}"
    assert f"{bare.folder}, branch main: commit " in shown["why"]
    released(tiny_world, passing, tmp_path / "store", tmp_path / "release", gitops=gitops(bare))
    assert len(bare.log()) == 2, "what is there is not committed again"


def test_where_the_commit_cannot_be_made_it_is_published_and_not_promoted(tiny_world, passing, bare, tmp_path):
    shutil.rmtree(bare.folder)
    record, shown = released(tiny_world, passing, tmp_path / "store", tmp_path / "release", gitops=gitops(bare))
    assert record["promoted"] is False
    assert Path(record["published"], "release.json").is_file()
    assert "published without promotion: " in shown["why"]
    assert str(bare.folder) in shown["why"]
    assert champion(open_store(str(tmp_path / "store")), "digits") is None


def test_a_failed_gate_and_an_approval_commit_nothing(tiny_world, tiny_evaluated, passing, bare, tmp_path):
    for done, promote in ((tiny_evaluated, "auto"), (passing, "approval")):
        settings: dict[str, Any] = {"gitops": gitops(bare), "promote": promote}
        record, _ = released(tiny_world, done, tmp_path / "store", tmp_path / "release", **settings)
        assert record["promoted"] is False
    assert bare.log() == ["first"]


def test_the_registry_is_told_of_every_release(tiny_world, tiny_evaluated, passing, tmp_path):
    registry = Registry()
    with serving(registry) as address:
        waits, _ = released(
            tiny_world, passing, tmp_path / "store", tmp_path / "release", registry=address, promote="approval"
        )
        released(tiny_world, tiny_evaluated, tmp_path / "store", tmp_path / "release", registry=address)
        record, _ = released(tiny_world, passing, tmp_path / "other", tmp_path / "release", registry=address)
    told = {one["name"]: one["customProperties"] for one in registry.kept["model_versions"].values()}
    assert {one["decision"]["string_value"] for one in told.values()} == {"champion", "not passed"}
    assert waits["version"] == record["version"]
    assert told[record["version"]]["accuracy"]["double_value"] == pytest.approx(
        read_json(passing.evaluation / "metrics.json")["accuracy"]
    )


def test_a_registry_that_is_not_there_holds_nothing_up(tiny_world, passing, tmp_path):
    record, shown = released(
        tiny_world, passing, tmp_path / "store", tmp_path / "release", registry="http://127.0.0.1:9"
    )
    assert record["promoted"] is True
    assert "the Model Registry at http://127.0.0.1:9 was not told" in shown["why"]
