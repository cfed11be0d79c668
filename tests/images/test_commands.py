"""gleaner images build, push and pin, against a real registry."""

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from pipelines.compiling.images import parts
from pipelines.configuration.version import version_name
from tests.images.podman import BASE, locked_down
from tests.manifests.kubectl import build
from tests.pipelines.kubeflow.kfp_server import serve

pytestmark = pytest.mark.images


def test_push_and_pin_write_what_the_registry_has(built):
    pushed = built.gleaner("images", "push", "data")
    assert pushed.returncode == 0, pushed.stderr[-2000:]
    reference = pushed.stdout.split()[1]
    tagged = parts(reference)
    manifest = urllib.request.Request(
        f"http://{built.registry}/v2/ml/gleaner-data/manifests/{tagged['newTag']}",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
    )
    with urllib.request.urlopen(manifest) as answer:
        assert answer.headers["Docker-Content-Digest"] == tagged["digest"]

    early = built.gleaner("images", "pin")
    assert (early.returncode, early.stdout) == (2, "")
    assert early.stderr.startswith("error: image train: nothing was pushed from here; run: gleaner images push train")
    others = [f"{role}={built.references[role]}@{tagged['digest']}" for role in ("train", "report", "serve")]
    pinned = built.gleaner("images", "pin", "data", *others)
    told = "docker/images.json: data, train, report, serve changed; commit it with what was refreshed\n"
    assert pinned.stdout == told, pinned.stderr
    known = json.loads((built.clone / "docker" / "images.json").read_text(encoding="utf-8"))
    assert known["data"] == reference
    changed = subprocess.run(
        ["git", "-C", built.clone, "status", "--porcelain"], capture_output=True, text=True
    ).stdout.split()[1::2]
    assert {
        "docker/images.json",
        "pipelines/compiled/training.yaml",
        "manifests/base/pipeline/training.yaml",
        "manifests/components/images/kustomization.yaml",
    } <= set(changed)
    workload = build(built.clone / "manifests" / "overlays" / "prod" / "workload")
    assert {
        each["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["image"].rpartition("@")[2]
        for each in workload
        if each["kind"] == "CronJob"
    } == {tagged["digest"]}
    assert built.gleaner("images", "pin", "data", *others).stdout == "nothing changed\n"
    assert built.podman("pull", "--tls-verify=false", f"{tagged['newName']}@{tagged['digest']}").returncode == 0


def test_what_is_not_committed_is_not_in_the_images(built):
    (built.clone / "components" / "new.py").write_text("")
    again = built.gleaner("images", "build", "data", "--engine", "podman", "--base", BASE)
    (built.clone / "components" / "new.py").unlink()
    assert "note: not committed, so not in the images: " in again.stderr
    assert again.stdout.split()[1].startswith("ghcr.io/") or again.stdout.split()[1].startswith(built.registry)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["build", "base"], "error: image base: not built here; expected one of data, train, report, serve\n"),
        (
            ["pin", "data=x"],
            "error: image data: got x, expected NAME:TAG@sha256:…: a tag alone can change its meaning\n",
        ),
        (["pin", "tool=x"], "error: image tool: no such role; expected one of "),
        (["pin", "data=a b"], "error: image 'a b': expected NAME[:TAG][@sha256:DIGEST]\n"),
    ],
)
def test_mistakes_are_one_line_and_change_nothing(built, words, said):
    before = (built.clone / "docker" / "images.json").read_bytes()
    answer = built.gleaner("images", *words)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith(said)
    assert answer.stderr.count("\n") == 1
    assert (built.clone / "docker" / "images.json").read_bytes() == before


def test_a_build_that_fails_is_told_in_one_line_after_the_engines_own(built):
    answer = built.gleaner("images", "build", "data", "--engine", "podman", "--base", "localhost/nowhere:1")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.splitlines()[-1].startswith("error: podman build failed (exit code ")
    assert "Traceback" not in answer.stderr


def test_the_reconciler_runs_in_the_data_image(built, tmp_path):
    """The pod of manifests/base/workload, its files as they are mounted, against a server: schedules are made, then
    left as they are.
    """
    objects = build(built.clone / "manifests" / "overlays" / "kind" / "workload")
    (job,) = [each for each in objects if each["kind"] == "CronJob"]
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    maps = {each["metadata"]["name"]: each["data"] for each in objects if each["kind"] == "ConfigMap"}
    mounts = {volume["name"]: tmp_path / volume["name"] for volume in pod["volumes"] if "emptyDir" not in volume}
    for volume in pod["volumes"]:
        for source in volume.get("projected", {}).get("sources", [volume] if "configMap" in volume else []):
            lay_out(source, maps, mounts[volume["name"]])
    container = pod["containers"][0]
    places = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    for folder in [tmp_path, *tmp_path.parents][:3]:
        folder.chmod(0o755)  # pytest's folders are root's alone
    with serve(multi_user=True, store="database", tokens={"token"}, namespaces={"gleaner"}) as server:
        variables = {
            "KF_PIPELINES_ENDPOINT": server.url,
            "KF_PIPELINES_NAMESPACE": "gleaner",
            **{entry["name"]: entry["value"] for entry in container["env"] if entry["name"].endswith("PATH")},
        }
        flags = locked_down(
            *(f"{folder}:{places[name]}:ro" for name, folder in mounts.items()), network="host", variables=variables
        )
        answers = [built.podman(*flags, built.references["data"], *container["command"]) for _ in range(2)]
        assert [answer.returncode for answer in answers] == [0, 0], answers[0].stderr
        assert "digits-nightly" in answers[0].stdout
        assert version_name(built.clone / "pipelines" / "compiled" / "training.yaml") in {
            version.name for version in server.versions
        }
        assert answers[1].stdout.splitlines()[-1].endswith("as in Git: 0 created, 0 enabled, 0 disabled, 0 deleted")


def lay_out(source: dict[str, Any], maps: dict[str, dict[str, str]], folder: Path) -> None:
    """One source of a projected volume, as files."""
    folder.mkdir(exist_ok=True)
    if "serviceAccountToken" in source:
        (folder / source["serviceAccountToken"]["path"]).write_text("token")
        return
    content = maps[source["configMap"]["name"]]
    for item in source["configMap"].get("items", [{"key": key, "path": key} for key in content]):
        path = folder / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content[item["key"]], encoding="utf-8")
