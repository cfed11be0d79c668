"""Argo CD's applications: their folders exist, their waves are ordered, their projects allow what they apply and no
more.
"""

import re
from typing import Any

import lupa
import pytest
import yaml

from tests.manifests.kubectl import OVERLAYS, ROOT, build, named

REPOSITORY = "https://github.com/gleaner-ml/gleaner.git"
HEALTH = yaml.safe_load((ROOT / "argocd" / "argocd-cm.yaml").read_text(encoding="utf-8"))["data"]
PREFIX = "resource.customizations.health."
VERSION = {("pipelines.kubeflow.org", "PipelineVersion")}  # written by `gleaner compile`, however many there are


@pytest.fixture(scope="module", params=OVERLAYS)
def environment(request: pytest.FixtureRequest) -> tuple[str, list[dict[str, Any]]]:
    return request.param, build(ROOT / "argocd" / request.param)


def applications(objects: list[dict[str, Any]], wave: int | None = None) -> list[dict[str, Any]]:
    return [each for each in objects if each["kind"] == "Application" and wave in (None, wave_of(each))]


def wave_of(each: dict[str, Any]) -> int:
    return int(each["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", 0))


def test_folders_exist_and_are_those_of_the_environment(environment):
    name, objects = environment
    own = {
        each["metadata"]["name"]: each["spec"]["source"]
        for each in applications(objects)
        if "path" in each["spec"]["source"]
    }
    assert {source["repoURL"] for source in own.values()} == {REPOSITORY}
    folders = {source["path"] for source in own.values()}
    parts = {
        f"manifests/overlays/{name}/{path.name}"
        for path in (ROOT / "manifests" / "overlays" / name).iterdir()
        if path.is_dir()
    }
    assert folders == parts | {f"argocd/{name}"}
    assert all((ROOT / folder / "kustomization.yaml").is_file() for folder in folders)


def test_one_root_keeps_them_all(environment):
    _, objects = environment
    roots = [each for each in applications(objects) if each["spec"]["source"].get("path", "").startswith("argocd/")]
    assert [each["metadata"]["name"] for each in roots] == ["gleaner"]
    assert {each["metadata"]["namespace"] for each in objects} == {"argocd"}


def test_waves_are_ordered(environment):
    _, objects = environment
    waves = {
        each["metadata"]["name"].removeprefix("gleaner-"): wave_of(each)
        for each in objects
        if each["metadata"]["name"] != "gleaner"
    }
    projects = [wave_of(each) for each in objects if each["kind"] == "AppProject"]
    order = [waves[part] for part in ("foundation", "kueue", "trainer", "queues", "workload") if part in waves]
    assert order == sorted(order)
    assert waves["foundation"] < waves.get("queues", 2) < waves["workload"]
    assert max(projects) < min(order)


def test_charts_and_branches_are_pinned(environment):
    name, objects = environment
    for each in applications(objects):
        source = each["spec"]["source"]
        if "chart" in source:
            assert re.fullmatch(r"\d+\.\d+\.\d+", source["targetRevision"])
        else:
            assert source["targetRevision"] == ("release" if name == "prod" else "main")


def test_they_follow_git_by_themselves(environment):
    for each in applications(environment[1]):
        policy = each["spec"]["syncPolicy"]
        assert policy["automated"] == {"prune": True, "selfHeal": True}
        assert "ServerSideApply=true" in policy["syncOptions"]
        assert each["metadata"]["annotations"]["argocd.argoproj.io/compare-options"] == "ServerSideDiff=true"


@pytest.mark.parametrize(
    ("name", "folder", "more"), [("gleaner", "manifests/overlays", VERSION), ("gleaner-root", "argocd", set())]
)
def test_projects_allow_what_is_applied_and_nothing_else(name, folder, more):
    project = named(build(ROOT / "argocd" / "prod"), "AppProject", name)["spec"]
    applied = [each for environment in OVERLAYS for each in build(ROOT / folder / environment)]
    wide = {kind(each) for each in applied if "namespace" not in each["metadata"]}
    narrow = {kind(each) for each in applied if "namespace" in each["metadata"]} | more
    assert {(entry["group"], entry["kind"]) for entry in project.get("clusterResourceWhitelist", [])} == wide
    assert {(entry["group"], entry["kind"]) for entry in project["namespaceResourceWhitelist"]} == narrow
    assert {entry["namespace"] for entry in project["destinations"]} == {
        each["metadata"].get("namespace", "gleaner") for each in applied
    }


def kind(each: dict[str, Any]) -> tuple[str, str]:
    return each["apiVersion"].rpartition("/")[0], each["kind"]


def test_every_application_is_in_a_project_that_allows_it(environment):
    _, objects = environment
    for each in applications(objects):
        project = named(objects, "AppProject", each["spec"]["project"])["spec"]
        assert each["spec"]["source"]["repoURL"] in project["sourceRepos"]
        assert each["spec"]["destination"] in project["destinations"]


def test_what_must_outlive_git_is_never_pruned():
    def options(each: dict[str, Any]) -> set[str]:
        return set(each["metadata"]["annotations"]["argocd.argoproj.io/sync-options"].split(","))

    for name in OVERLAYS:
        assert {"Prune=false", "Delete=false"} <= options(
            named(build(ROOT / "manifests" / "overlays" / name), "Namespace", "gleaner")
        )
    versions = [
        each
        for each in build(ROOT / "manifests" / "base" / "pipeline")
        if each["kind"] in ("Pipeline", "PipelineVersion")
    ]
    assert versions
    assert all("Prune=false" in options(each) for each in versions)


def health(key: str, status: dict[str, Any] | None) -> str:
    """What Argo CD would show, by the real Lua."""
    lua = lupa.LuaRuntime(unpack_returned_tuples=True)
    judge = lua.execute(f"return function(obj) {HEALTH[PREFIX + key]} end")
    return judge(lua.table_from({} if status is None else {"status": status}, recursive=True))["status"]


def condition(type_: str, status: str) -> dict[str, Any]:
    return {
        "conditions": [
            {"type": "Other", "status": "True", "message": "-"},
            {"type": type_, "status": status, "message": "why"},
        ]
    }


@pytest.mark.parametrize(
    ("key", "type_"),
    [
        ("kueue.x-k8s.io_ClusterQueue", "Active"),
        ("kueue.x-k8s.io_LocalQueue", "Active"),
        ("karpenter.sh_NodePool", "Ready"),
        ("external-secrets.io_ExternalSecret", "Ready"),
    ],
)
def test_health_of_kinds_with_a_condition(key, type_):
    assert health(key, None) == health(key, {}) == health(key, condition(type_, "Unknown")) == "Progressing"
    assert health(key, condition(type_, "True")) == "Healthy"
    assert health(key, condition(type_, "False")) == "Degraded"


def test_health_of_the_other_kinds():
    application = "argoproj.io_Application"
    assert health(application, None) == "Progressing"
    assert [health(application, {"health": {"status": word}}) for word in ("Healthy", "Degraded")] == [
        "Healthy",
        "Degraded",
    ]
    assert (
        health("pipelines.kubeflow.org_Pipeline", None)
        == health("pipelines.kubeflow.org_PipelineVersion", None)
        == "Healthy"
    )
    assert health("pipelines.kubeflow.org_PipelineVersion", condition("any", "False")) == "Degraded"


def test_every_custom_kind_of_ours_has_a_health_check_or_no_state():
    stateless = {"ResourceFlavor", "WorkloadPriorityClass", "TrainingRuntime", "AppProject"}
    parts = [ROOT / folder / name for folder in ("manifests/overlays", "argocd") for name in OVERLAYS]
    # whose health Argo CD knows, or that have none
    known = re.compile(r"|apps|batch|(networking|rbac\.authorization)\.k8s\.io")
    custom = {kind(each) for part in parts for each in build(part) if not known.fullmatch(kind(each)[0])} | VERSION
    assert {f"{group}_{name}" for group, name in custom if name not in stateless} == {
        key.removeprefix(PREFIX) for key in HEALTH
    }
