"""The stage on the tiny world: a bundle where the gates pass, a record where one does not, and equal bytes in any
store.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from components.common.artifacts import load_labels
from components.common.code import code_digest
from components.common.errors import BadInputError
from components.common.files import read_json, sha256_file, sha256_tree, write_json
from components.common.storage import open_store
from components.release.settings import ReleaseSettings
from components.release.stage import run
from components.releases.bundle import FILES, version_of
from components.releases.champion import history
from tests import tiny


def released(
    world: tiny.World,
    done: tiny.Evaluated,
    store: str,
    folder: Path,
    name: str = "digits",
    promote: Literal["auto", "approval"] = "auto",
) -> tuple[dict, dict]:
    metadata = run(
        world.classifier,
        done.calibration,
        done.evaluation,
        name,
        store,
        ReleaseSettings(promote=promote),
        folder,
    )
    assert [path.name for path in folder.iterdir()] == ["release.json"]
    return read_json(folder / "release.json"), metadata["release"]


@pytest.fixture
def passing(tiny_evaluated, tmp_path) -> tiny.Evaluated:
    """The evaluation, with gates that passed."""
    folder = tmp_path / "passing"
    folder.mkdir()
    for path in tiny_evaluated.evaluation.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    gate = {"name": "max_ece", "figure": 0.02, "limit": 0.1, "relation": "<=", "passed": True, "why": "…"}
    write_json(folder / "gate.json", {"format": 1, "passed": True, "gates": [gate]})
    return tiny_evaluated._replace(evaluation=folder)


def test_a_release_holds_all_that_a_server_needs_and_where_it_came_from(tiny_world, passing, tmp_path):
    record, shown = released(tiny_world, passing, str(tmp_path / "store"), tmp_path / "release")
    assert shown == {key: record[key] for key in ("promoted", "version", "published", "why")}
    assert shown["promoted"] is True
    bundle = Path(shown["published"])
    assert bundle == tmp_path / "store" / "releases" / "digits" / shown["version"]
    about = read_json(bundle / "release.json")
    assert about == record["release"]
    assert about["version"] == version_of(about) == shown["version"]
    assert {path.name for path in bundle.iterdir()} == {*FILES, "release.json"} == {*about["files"], "release.json"}
    for name, expected in about["files"].items():
        assert expected == {"sha256": sha256_file(bundle / name), "size": (bundle / name).stat().st_size}
    assert (about["classes"], about["unlabelled_classes"]) == (list(tiny_world.data.classes), [])
    assert about["temperature"] == read_json(passing.calibration / "calibration.json")["temperature"]
    assert about["digests"] == {
        "dataset": tiny_world.data.id,
        "labels": load_labels(tiny_world.labels)[1]["sha256"],
        "code": code_digest(),
    }
    preprocessing = read_json(bundle / "preprocessing.json")
    assert (preprocessing["image_size"], preprocessing["mode"], preprocessing["mean"]) == (8, "L", [0.3])
    assert json.loads((bundle.parent / "champion.json").read_text())["version"] == shown["version"]


def test_two_stores_get_equal_bytes_and_a_second_run_changes_nothing(tiny_world, passing, tmp_path):
    for name in ("one", "two", "two"):
        record, _ = released(tiny_world, passing, str(tmp_path / name), tmp_path / f"release-{name}")
        assert record["promoted"]
    bundle = f"releases/digits/{record['version']}"
    assert sha256_tree(tmp_path / "one" / bundle) == sha256_tree(tmp_path / "two" / bundle)
    assert [event["what"] for event in history(open_store(str(tmp_path / "two")), "digits")] == [
        "published",
        "promoted",
    ]


def test_a_failed_gate_is_a_record_that_says_which_and_why(tiny_world, tiny_evaluated, tmp_path):
    gates = read_json(tiny_evaluated.evaluation / "gate.json")["gates"]
    failed = [gate for gate in gates if not gate["passed"]]
    assert failed, "the tiny model is meant to be badly calibrated"
    record, shown = released(tiny_world, tiny_evaluated, str(tmp_path / "store"), tmp_path / "release")
    assert (record["promoted"], record["published"], record["gates"]) == (False, "", gates)
    assert f"{failed[0]['name']}: {failed[0]['why']}" in shown["why"]
    assert not (tmp_path / "store").exists()


def test_without_promotion_the_champion_stays(tiny_world, passing, tmp_path):
    record, shown = released(tiny_world, passing, str(tmp_path / "store"), tmp_path / "release", promote="approval")
    assert record["promoted"] is False
    assert Path(record["published"]).is_dir()
    assert "promote: approval" in record["why"]
    assert shown["waits"] is True
    assert not (tmp_path / "store" / "releases" / "digits" / "champion.json").exists()


def test_parts_of_different_models_and_odd_names_are_refused(tiny_world, passing, tmp_path):
    with pytest.raises(BadInputError, match=r"calibrate saw .* run calibrate on this classifier"):
        released(
            tiny_world._replace(classifier=tiny_world.warm), passing, str(tmp_path / "store"), tmp_path / "release"
        )
    with pytest.raises(BadInputError, match="cannot be part of an address"):
        released(tiny_world, passing, str(tmp_path / "store"), tmp_path / "release", name="../up")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(("what", "key"), [("dataset", "id"), ("labels", "sha256")])
def test_what_was_measured_on_other_images_or_labels_is_not_released(tiny_world, passing, tmp_path, what, key):
    about = read_json(passing.evaluation / "metrics.json")
    about["provenance"][what][key] = "0" * 64
    write_json(passing.evaluation / "metrics.json", about)
    with pytest.raises(BadInputError, match=f"measured on {what} 000000000000, but .* run evaluate on the {what}"):
        released(tiny_world, passing, str(tmp_path / "store"), tmp_path / "release")
    assert not (tmp_path / "store").exists()


def test_releasing_needs_no_torch():
    code = "import sys, components.release.stage; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def test_the_code_digest_follows_names_and_contents_alone(tmp_path):
    for root in ("a", "b"):
        (tmp_path / root / "inner").mkdir(parents=True)
        (tmp_path / root / "inner" / "x.py").write_text("x = 1\n")
        (tmp_path / root / "notes.txt").write_text(root)
    assert code_digest(tmp_path / "a") == code_digest(tmp_path / "b")
    (tmp_path / "b" / "inner" / "x.py").rename(tmp_path / "b" / "inner" / "y.py")
    assert code_digest(tmp_path / "a") != code_digest(tmp_path / "b")
