"""The walk through manifests/README.md: every command runs here as far as it can without a cluster."""

import json
import re
import shlex
import subprocess

import pytest
import yaml

from components.common.kubeflow.server import AUDIENCE
from pipelines.__main__ import _parser
from pipelines.compiling.pods import GIT, PUSHES
from pipelines.configuration.config import load_config
from tests.manifests.kubectl import OVERLAYS, ROOT, build, kubectl, named

README = (ROOT / "manifests" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
COMMANDS = [line[2:] for block in BLOCKS for line in block.splitlines() if line.startswith("$ ")]
KIND = ROOT / "manifests" / "overlays" / "kind"


def of(*start: str) -> list[list[str]]:
    """The words of the README's commands that start so; what `$(…)` would give stays as it is."""
    words = [shlex.split(command) for command in COMMANDS]
    return [each for each in words if tuple(each[: len(start)]) == start]


def run(*words: str, given: str | None = None) -> str:
    done = subprocess.run([kubectl(), *words], input=given, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_folders_that_are_built_or_applied_build():
    folders = [words[words.index(flag) + 1] for flag in ("kustomize", "-k") for words in of("kubectl") if flag in words]
    assert len(folders) >= 5
    for folder in folders:
        assert build(ROOT / folder)


def test_the_two_parts_that_are_applied_are_the_whole_overlay():
    applied = [words[-1] for words in of("kubectl", "apply", "--server-side", "-k")]
    assert applied[:2] == ["manifests/overlays/kind/foundation", "manifests/overlays/kind/workload"]
    assert len(build(ROOT / applied[0])) + len(build(ROOT / applied[1])) == len(build(KIND))


def test_the_secret_of_promotions_holds_what_the_release_takes_from_it():
    (words,) = of("kubectl", "-n", "gleaner", "create", "secret", "generic", GIT)
    secret = yaml.safe_load(run(*words[1:], "--dry-run=client", "-o", "yaml"))
    assert set(secret["data"]) == set(PUSHES)


def test_the_secret_holds_what_the_pods_take_from_it():
    (words,) = of("kubectl", "-n", "gleaner", "create", "secret", "generic", "gleaner-storage")
    secret = yaml.safe_load(run(*words[1:], "--dry-run=client", "-o", "yaml"))
    assert (secret["metadata"]["namespace"], secret["metadata"]["name"]) == ("gleaner", "gleaner-storage")
    launcher = yaml.safe_load(named(build(KIND), "ConfigMap", "kfp-launcher")["data"]["providers"])["s3"]["default"]
    reference = launcher["credentials"]["secretRef"]
    assert reference == {
        "secretName": "gleaner-storage",
        "accessKeyKey": "AWS_ACCESS_KEY_ID",
        "secretKeyKey": "AWS_SECRET_ACCESS_KEY",
    }
    assert set(secret["data"]) == {reference["accessKeyKey"], reference["secretKeyKey"]}
    address = named(build(KIND), "ConfigMap", "gleaner-storage")["data"]["AWS_ENDPOINT_URL"]
    assert address == f"http://{launcher['endpoint']}"


def test_the_health_checks_are_a_patch_that_kubectl_takes():
    (words,) = of("kubectl", "-n", "argocd", "patch")
    there = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-cm, namespace: argocd}\ndata: {url: "
        "https://argocd.example.com}\n"
    )
    patched = yaml.safe_load(run("patch", "--local", "-f", "-", "--patch-file", words[-1], "-o", "yaml", given=there))
    assert patched["data"]["url"] == "https://argocd.example.com"
    assert len(patched["data"]) > 5


def test_kubeflows_ui_is_told_to_ask_our_artifact_proxy():
    (patch,), (restart,) = (of("kubectl", "-n", "kubeflow", *words) for words in (("patch",), ("rollout", "restart")))
    there = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: pipeline-install-config}\n"
        'data: {ARTIFACTS_PROXY_ENABLED: "false", appName: pipeline}\n'
    )
    patched = yaml.safe_load(run("patch", "--local", "-f", "-", *patch[-2:], "-o", "yaml", given=there))
    assert patch[-4:-2] == ["configmap", patched["metadata"]["name"]]
    assert patched["data"] == {"ARTIFACTS_PROXY_ENABLED": "true", "appName": "pipeline"}
    (who,) = named(build(KIND), "NetworkPolicy", "artifact-proxy")["spec"]["ingress"][0]["from"]
    assert f"deployment/{who['podSelector']['matchLabels']['app']}" in restart


def test_the_artifact_proxy_is_of_the_kubeflow_that_is_asked_for():
    images = json.loads((ROOT / "docker" / "images.json").read_text(encoding="utf-8"))
    (version,) = re.findall(r"\(Kubeflow Pipelines (\d+\.\d+), with many users", README)
    assert images["kubeflow-frontend"].startswith(f"ghcr.io/kubeflow/kfp-frontend:{version}.")


def test_what_is_waited_for_looked_at_and_forwarded_is_there():
    objects = build(KIND)
    for words in of("kubectl", "-n", "gleaner"):
        for kind, name in (
            word.split("/") for word in words if re.fullmatch(r"(job|statefulset|service)/[\w-]+", word)
        ):
            assert named(objects, {"job": "Job", "statefulset": "StatefulSet", "service": "Service"}[kind], name)


def test_the_laptop_has_an_account_that_may_start_runs():
    (account,), (binding,) = (
        of("kubectl", "-n", "gleaner", "create", kind) for kind in ("serviceaccount", "rolebinding")
    )
    made = [yaml.safe_load(run(*words[1:], "--dry-run=client", "-o", "yaml")) for words in (account, binding)]
    name = made[0]["metadata"]["name"]
    assert made[1]["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "kubeflow-pipelines-edit",
    }
    assert made[1]["subjects"] == [{"kind": "ServiceAccount", "name": name, "namespace": "gleaner"}]
    (token,) = [command for command in COMMANDS if " create token " in command]
    assert f"create token {name} --audience={AUDIENCE}" in token
    assert token.partition("> ")[2].rstrip(")") == exported()["KF_PIPELINES_SA_TOKEN_PATH"]


def exported() -> dict[str, str]:
    """What the README's commands put into the environment, as it is written."""
    return dict(word.split("=", 1) for words in of("export") for word in words[1:])


def test_what_is_exported_is_what_is_read():
    folders = (ROOT / "pipelines", ROOT / "components" / "common" / "kubeflow")
    code = "".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py"))
    names = {name for name in exported() if name.startswith("KF_")}
    assert len(names) == 4
    assert all(name in code for name in names)


def test_runs_are_started_under_an_account_that_is_there():
    (words,) = of("gleaner", "submit")
    account = words[words.index("--service-account") + 1]
    assert named(build(KIND), "ServiceAccount", account)
    assert f"`{account}` as its service account" in README


def test_the_digits_go_where_the_run_looks_for_them():
    (example,) = of("gleaner", "example")
    (copy,) = of("aws", "s3", "cp")
    assert copy[-2] == example[-1]
    assert copy[-1] == load_config(ROOT / "pipelines" / "configs" / "cluster.yaml").source
    assert copy[-1] in (ROOT / "pipelines" / "compiled" / "form.svg").read_text(encoding="utf-8"), (
        "as the form is shown"
    )
    assert "](../pipelines/compiled/form.svg)" in README


def test_commands_are_those_that_exist():
    usage = _parser().format_help()
    for command in set(re.findall(r"\bgleaner (compile|example|images|schedules|submit)\b", README)):
        assert re.search(rf"^    {command}\b", usage, re.MULTILINE), command
    for line in re.findall(r"gleaner ((?:images|schedules|submit) [^\n`]*)", README):
        assert _parser().parse_args(shlex.split(line)).run


@pytest.mark.parametrize("target", re.findall(r"\]\(((?!https:)[^)#]+)\)", README))
def test_links_lead_somewhere(target):
    assert (ROOT / "manifests" / target).exists()


def test_files_that_a_user_edits_are_there():
    table = README.split("| you edit |")[1].split("\n\n")[0]
    paths = re.findall(r"`((?:pipelines|manifests|docker)/[\w./-]+)`", table)
    assert len(paths) == 4
    assert all((ROOT / path).exists() for path in paths)
    assert re.search(r"^\$ git revert --no-edit HEAD$", README, re.MULTILINE)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:components|argocd|base|overlays)/[\w./-]+)`", README))))
def test_folders_that_are_named_are_there(path):
    assert (ROOT / path).exists() or (ROOT / "manifests" / path).exists()


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_table_says_where_pipelines_are_kept(name):
    (row,) = re.findall(rf"^\| `{name}` \|.*$", README, re.MULTILINE)
    objects = {each["kind"] for each in build(ROOT / "manifests" / "overlays" / name)}
    assert ("Kubernetes objects" in row) == ("Pipeline" in objects)
    assert ("SeaweedFS" in row) == ("StatefulSet" in objects)
