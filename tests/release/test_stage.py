"""The stage on the tiny world: a bundle whatever the gates say, a champion where they pass, and equal bytes in any
store.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.common.artifacts import load_labels
from components.common.code import code_digest
from components.common.errors import BadInputError
from components.common.files import read_json, sha256_bytes, sha256_file, sha256_tree, write_json
from components.common.storage import open_store
from components.release.settings import ReleaseSettings
from components.release.stage import run
from components.releases import provenance
from components.releases.bundle import FILES, folder_of, version_of
from components.releases.champion import approve, champion, history, promote
from components.releases.model import load_release
from tests import tiny

BY = {"who": "a test", "why": "it must be", "source": "here"}
Change = Callable[[dict[str, Any]], Any]


def released(
    world: tiny.World, done: tiny.Evaluated, store: Path, folder: Path, name: str = "digits", **settings: Any
) -> tuple[dict, dict]:
    metadata = run(
        world.classifier,
        done.calibration,
        done.evaluation,
        name,
        str(store),
        ReleaseSettings(**settings),
        folder,
    )
    assert [path.name for path in folder.iterdir()] == ["release.json"]
    return read_json(folder / "release.json"), metadata["release"]


def with_changes(done: tiny.Evaluated, folder: Path, **changes: Change) -> tiny.Evaluated:
    """The evaluation with changed JSON files, by their names without suffix."""
    folder.mkdir()
    for path in done.evaluation.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    for name, change in changes.items():
        about = read_json(folder / f"{name}.json")
        change(about)
        write_json(folder / f"{name}.json", about)
    return done._replace(evaluation=folder)


def passes(gate: dict[str, Any]) -> None:
    row = {"name": "max_ece", "figure": 0.02, "limit": 0.1, "relation": "<=", "passed": True, "why": "…"}
    gate |= {"passed": True, "gates": [row]}


@pytest.fixture
def passing(tiny_evaluated, tmp_path) -> tiny.Evaluated:
    """The evaluation, with gates that passed."""
    return with_changes(tiny_evaluated, tmp_path / "passing", gate=passes)


def test_a_release_holds_all_that_a_server_needs_and_where_it_came_from(tiny_world, passing, tmp_path):
    settings = {"seed": 0, "threads": 1, "ingest": {"max_pixels": 5000}}
    record, shown = released(tiny_world, passing, tmp_path / "store", tmp_path / "release", run=settings, run_key="key")
    assert shown == {key: record[key] for key in ("promoted", "version", "published", "why")}
    assert shown["promoted"] is True
    bundle = Path(shown["published"])
    assert bundle == tmp_path / "store" / "releases" / "digits" / shown["version"]
    about = read_json(bundle / "release.json")
    assert about == record["release"]
    assert about["version"] == version_of(about) == shown["version"]
    assert {*about["files"]} == {*FILES}
    assert {path.name for path in bundle.iterdir()} == {*FILES, "SHA256SUMS", "release.json"}
    for name, expected in about["files"].items():
        assert expected == {"sha256": sha256_file(bundle / name), "size": (bundle / name).stat().st_size}
    assert (about["format"], about["passed"], about["compared_with"]) == (2, True, "")
    assert about["run"] == {"key": "key", "settings": settings}
    assert (about["classes"], about["unlabelled_classes"]) == (list(tiny_world.data.classes), [])
    assert about["temperature"] == read_json(passing.calibration / "calibration.json")["temperature"]
    assert about["digests"] == {
        "dataset": tiny_world.data.id,
        "labels": load_labels(tiny_world.labels)[1]["sha256"],
        "code": code_digest(),
    }
    preprocessing = read_json(bundle / "preprocessing.json")
    assert (preprocessing["image_size"], preprocessing["mode"], preprocessing["mean"]) == (8, "L", [0.3])
    assert preprocessing["max_pixels"] == 5000
    assert json.loads((bundle.parent / "champion.json").read_text())["version"] == shown["version"]
    assert subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=bundle).returncode == 0
    assert load_release(str(bundle.parent), 1).version == shown["version"]


def test_provenance_is_a_statement_of_its_files_and_of_what_it_was_made_from(
    tiny_world, passing, tmp_path, monkeypatch
):
    monkeypatch.setenv("GLEANER_IMAGES", json.dumps({"train": f"ghcr.io/x/train@sha256:{'1' * 64}", "data": "data:1"}))
    record, _ = released(tiny_world, passing, tmp_path / "store", tmp_path / "release", run={"seed": 3})
    bundle = Path(record["published"])
    said = read_json(bundle / "provenance.json")
    assert provenance.problems(said, record["release"]) == []
    assert {*said} == {"_type", "subject", "predicateType", "predicate"}
    assert (said["_type"], said["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    assert {each["name"]: each["digest"]["sha256"] for each in said["subject"]} == {
        name: sha256_file(bundle / name) for name in FILES if name != "provenance.json"
    }
    definition, details = (said["predicate"][key] for key in ("buildDefinition", "runDetails"))
    assert {*definition} == {"buildType", "externalParameters", "internalParameters", "resolvedDependencies"}
    assert definition["externalParameters"] == {"model": "digits", "settings": {"seed": 3}}
    for uri in (definition["buildType"], details["builder"]["id"], *(d["uri"] for d in _named(said).values())):
        assert ":" in uri, "a URI has a scheme"
    named = _named(said)
    assert named["dataset"]["digest"] == {"gleanerDataset": tiny_world.data.id}
    assert named["labels"]["digest"] == {"sha256": sha256_file(bundle / "labels.parquet")}
    assert named["gleaner"]["digest"] == {"gleanerCode": code_digest()}
    assert named["image train"]["digest"] == {"sha256": "1" * 64}
    assert named["image data"] == {"name": "image data", "uri": "oci://data:1"}
    made_with = read_json(bundle / "classifier.json")["made_with"]
    assert named["torch"]["annotations"]["version"] == made_with["packages"]["torch"]
    assert provenance.made_with(said)["processor"] == made_with["processor"]


def _named(said: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in said["predicate"]["buildDefinition"]["resolvedDependencies"]}


def test_two_stores_get_equal_bytes_and_a_second_run_changes_nothing(tiny_world, passing, tmp_path):
    bundles = []
    for name in ("one", "two", "two"):
        record, _ = released(tiny_world, passing, tmp_path / name, tmp_path / f"release-{name}")
        assert record["promoted"]
        bundles.append(sha256_tree(Path(record["published"])))
    assert len({*bundles}) == 1
    assert len(history(open_store(str(tmp_path / "two")), "digits")) == 2, "published and promoted, once each"
    text = b"".join(path.read_bytes() for path in Path(record["published"]).iterdir())
    assert str(tmp_path).encode() not in text


def test_a_failed_gate_publishes_for_a_person_to_overrule_and_promotes_nothing(tiny_world, tiny_evaluated, tmp_path):
    gates = read_json(tiny_evaluated.evaluation / "gate.json")["gates"]
    failed = [gate for gate in gates if not gate["passed"]]
    assert failed, "the tiny model is meant to be badly calibrated"
    record, shown = released(tiny_world, tiny_evaluated, tmp_path / "store", tmp_path / "release")
    assert (record["promoted"], record["gates"], record["release"]["passed"]) == (False, gates, False)
    assert f"published as not passed: {failed[0]['name']}: {failed[0]['why']}" in shown["why"]
    assert f"approve {shown['version']} --force" in shown["why"]
    store = open_store(str(tmp_path / "store"))
    assert champion(store, "digits") is None
    assert [(event["what"], event["passed"]) for event in history(store, "digits")] == [("published", False)]
    approve(store, record["release"], expected=None, forced=True, **BY)
    record, _ = released(tiny_world, tiny_evaluated, tmp_path / "store", tmp_path / "release")
    assert (record["promoted"], "it is the champion already" in record["why"]) == (True, True)


def test_with_approval_the_champion_stays_until_a_person_says_so(tiny_world, passing, tmp_path):
    record, shown = released(tiny_world, passing, tmp_path / "store", tmp_path / "release", promote="approval")
    assert (record["promoted"], shown["waits"]) == (False, True)
    assert Path(record["published"]).is_dir()
    assert f"waits for `gleaner release approve {record['version']}` (promote: approval)" in record["why"]
    assert champion(open_store(str(tmp_path / "store")), "digits") is None


def test_a_champion_that_moved_meanwhile_stays_and_that_is_said(tiny_world, tiny_evaluated, passing, tmp_path):
    store = open_store(str(tmp_path / "store"))
    first, _ = released(tiny_world, passing, tmp_path / "store", tmp_path / "release")

    def compared(metrics: dict[str, Any]) -> None:
        why = "+1.0 points (0.1 to 2.0); compared on the 9 classes that both know"
        nothing = dict.fromkeys(("difference", "low", "high", "accuracy_here", "accuracy_there"))
        lists: dict[str, list[str]] = {"only_here": ["0"], "only_there": []}
        metrics["against"] = {"champion": {"version": first["version"], "why": why, "level": 0.95, **nothing, **lists}}

    better = with_changes(tiny_evaluated, tmp_path / "better", gate=passes, metrics=compared)
    promote(store, {"model": "digits", "version": "0" * 16}, expected=first["version"], **BY)
    record, shown = released(tiny_world, better, tmp_path / "store", tmp_path / "release")
    assert (record["promoted"], record["release"]["compared_with"]) == (False, first["version"])
    assert f"against champion {first['version']}: +1.0 points" in shown["why"]
    assert "compared on the 9 classes that both know" in shown["why"]
    assert (
        f"the champion is {'0' * 16} now, and {record['version']} was compared with {first['version']}" in shown["why"]
    )
    assert Path(record["published"], "release.json").is_file()
    now = champion(store, "digits")
    assert now is not None
    assert now.version == "0" * 16


def test_an_export_that_differs_is_not_released(tiny_world, tiny_evaluated, tmp_path):
    def differs(metrics: dict[str, Any]) -> None:
        metrics["onnx"]["max_difference"] = 0.3

    done = with_changes(tiny_evaluated, tmp_path / "differs", gate=passes, metrics=differs)
    record, shown = released(tiny_world, done, tmp_path / "store", tmp_path / "release")
    assert (record["promoted"], record["published"]) == (False, "")
    assert shown["why"].startswith("not released: the ONNX export differs from the classifier by 0.3")
    assert not (tmp_path / "store").exists()


def test_an_evaluation_of_an_earlier_version_or_a_changed_one_is_refused_in_one_line(tiny_world, passing, tmp_path):
    (passing.evaluation / "model.onnx").write_bytes(b"another")
    with pytest.raises(BadInputError, match=r"model\.onnx: its sha256 is .* was measured; run evaluate again"):
        released(tiny_world, passing, tmp_path / "store", tmp_path / "release")
    about = read_json(passing.evaluation / "metrics.json")
    about["onnx"]["sha256"] = sha256_bytes(b"another")
    write_json(passing.evaluation / "metrics.json", about)
    (passing.evaluation / "reference.parquet").unlink()
    with pytest.raises(BadInputError, match=r"holds no reference\.parquet; run evaluate again with this version"):
        released(tiny_world, passing, tmp_path / "store", tmp_path / "release")
    del about["onnx"]
    write_json(passing.evaluation / "metrics.json", about)
    with pytest.raises(BadInputError, match=r"says nothing of model\.onnx; run evaluate again with this version"):
        released(tiny_world, passing, tmp_path / "store", tmp_path / "release")
    assert not (tmp_path / "store").exists()


def test_a_key_signs_the_sums_and_stays_out_of_everything(tiny_world, passing, tmp_path, capfd):
    key = tmp_path / "release.key"
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key.write_bytes(pem)
    record, _ = released(tiny_world, passing, tmp_path / "store", tmp_path / "release", sign_key=str(key))
    bundle = Path(record["published"])
    assert {"SHA256SUMS.sig", "SHA256SUMS.pem"} <= {path.name for path in bundle.iterdir()}
    unsigned, _ = released(tiny_world, passing, tmp_path / "other", tmp_path / "release")
    assert unsigned["version"] == record["version"], "the signature is no part of the version"
    secret = pem.split(b"\n")[1]
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path != key]
    assert not [path for path in written if secret in path.read_bytes() or str(key).encode() in path.read_bytes()]
    said = capfd.readouterr()
    assert secret.decode() not in said.out + said.err


def test_a_key_that_is_not_there_is_told_before_anything_is_published(tiny_world, passing, tmp_path):
    with pytest.raises(BadInputError, match=r"release\.key: cannot be read as a key"):
        released(tiny_world, passing, tmp_path / "store", tmp_path / "release", sign_key=str(tmp_path / "release.key"))
    assert not (tmp_path / "store").exists()


def test_parts_of_different_models_and_odd_names_are_refused(tiny_world, passing, tmp_path):
    with pytest.raises(BadInputError, match=r"calibrate saw .* run calibrate on this classifier"):
        released(tiny_world._replace(classifier=tiny_world.warm), passing, tmp_path / "store", tmp_path / "release")
    with pytest.raises(BadInputError, match="cannot be part of an address"):
        released(tiny_world, passing, tmp_path / "store", tmp_path / "release", name="../up")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(("what", "key"), [("dataset", "id"), ("labels", "sha256")])
def test_what_was_measured_on_other_images_or_labels_is_not_released(tiny_world, passing, tmp_path, what, key):
    about = read_json(passing.evaluation / "metrics.json")
    about["provenance"][what][key] = "0" * 64
    write_json(passing.evaluation / "metrics.json", about)
    with pytest.raises(BadInputError, match=f"measured on {what} 000000000000, but .* run evaluate on the {what}"):
        released(tiny_world, passing, tmp_path / "store", tmp_path / "release")
    assert not (tmp_path / "store").exists()


def test_a_crash_before_the_end_leaves_nothing_that_is_found(tiny_world, passing, tmp_path, monkeypatch):
    from components.common.storage import FolderStore

    put = FolderStore.write_if_absent

    def dies(self: FolderStore, key: str, data: bytes) -> bool:
        if key.endswith("/release.json"):
            raise KeyboardInterrupt
        return put(self, key, data)

    monkeypatch.setattr(FolderStore, "write_if_absent", dies)
    with pytest.raises(KeyboardInterrupt):
        released(tiny_world, passing, tmp_path / "store", tmp_path / "release")
    monkeypatch.undo()
    with pytest.raises(BadInputError, match=r"holds neither release\.json nor champion\.json"):
        load_release(str(tmp_path / "store" / "releases" / "digits"), 1)
    record, _ = released(tiny_world, passing, tmp_path / "store", tmp_path / "release")
    assert load_release(str(tmp_path / "store" / folder_of(record["release"])), 1).version == record["version"]


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
