"""Which version of the pipeline a schedule starts, where it comes from, and how long it is waited for."""

from datetime import timedelta

import pytest

from components.common.errors import BadInputError
from components.common.kubeflow.server import connect
from pipelines.configuration.version import COMPILED, MONITORED, MONITORING, PIPELINE, version_name
from pipelines.kubeflow.schedules.apply import read_git, show_plan
from tests.pipelines.kubeflow.gitops import NIGHTLY, OURS, applied, names, planned, write_compiled, write_git
from tests.pipelines.kubeflow.kfp_server import serve


def test_in_a_database_the_version_is_uploaded_once(tmp_path):
    file = write_git(tmp_path, {"nightly": NIGHTLY, "latest": {**NIGHTLY, "pipeline_version": "latest"}})
    with serve(multi_user=True) as server:
        applied(server, file)
        applied(server, file)
        assert [(each.name, each.namespace) for each in server.pipelines] == [(PIPELINE, "team")]
        assert [each.name for each in server.versions] == [version_name()]
        references = {
            run.display_name.partition("@")[0]: run.pipeline_version_reference.pipeline_version_id
            for run in server.recurring
        }
        assert references == {f"{OURS}nightly": server.versions[0].pipeline_version_id, f"{OURS}latest": None}


def test_schedules_of_one_file_may_want_different_pods(tmp_path):
    file = write_git(
        tmp_path,
        {"nightly": NIGHTLY, "large": {**NIGHTLY, "config": str(COMPILED.parents[1] / "configs" / "gpu.yaml")}},
    )
    with serve() as server:
        applied(server, file)
        assert names(file) == sorted(run.display_name for run in server.recurring)
        versions = {version.pipeline_version_id: version.name for version in server.versions}
        used = {
            run.display_name.partition("@")[0]: versions[run.pipeline_version_reference.pipeline_version_id]
            for run in server.recurring
        }
        assert used == {f"{OURS}nightly": version_name(), f"{OURS}large": version_name(COMPILED.parent / "gpu.yaml")}
        assert applied(server, file)[-1] == "2 schedules as in Git: 0 created, 0 enabled, 0 disabled, 0 deleted"


def test_a_watch_brings_the_version_that_its_alarms_start(tmp_path):
    """The pod of the watch has nothing to upload."""
    watch = {**NIGHTLY, "pipeline": "monitoring", "service_account": "watcher"}
    file = write_git(tmp_path, {"watch": watch}, run={"monitor": {"train": True}}, service_account="robot")
    with serve() as server:
        said = planned(server, file)
        assert [line for line in said if line.startswith("?")] == [
            f"? pipeline version {name} is not on the server yet; apply uploads it"
            for name in sorted([version_name(), version_name(MONITORED)])
        ]
        applied(server, file)
        assert {each.name for each in server.versions} == {version_name(), version_name(MONITORED)}
        [run] = server.recurring
        assert run.service_account == "watcher"
        versions = {each.pipeline_version_id: each.name for each in server.versions}
        assert versions[run.pipeline_version_reference.pipeline_version_id] == version_name(MONITORED)
        training = run.runtime_config.parameters["training"]
        assert training["kubeflow"] == {
            "pipeline": PIPELINE, "version": version_name(), "experiment": "gleaner", "service_account": "robot"
        }  # fmt: skip
        assert training["parameters"]["source"] == "s3://bucket/images"
        assert applied(server, file)[-1] == "1 schedules as in Git: 0 created, 0 enabled, 0 disabled, 0 deleted"


def test_a_watch_that_starts_nothing_needs_no_training_version(tmp_path):
    file = write_git(tmp_path, {"watch": {**NIGHTLY, "pipeline": "monitoring"}})
    with serve() as server:
        applied(server, file)
        assert [each.name for each in server.versions] == [version_name(MONITORED)]
        assert [each.name for each in server.pipelines] == [MONITORING]
        assert server.recurring[0].runtime_config.parameters["training"] == {}


@pytest.mark.parametrize("arrives", [PIPELINE, MONITORING])
def test_a_watch_starts_once_all_it_needs_is_there(tmp_path, arrives):
    watch = {**NIGHTLY, "pipeline": "monitoring"}
    file = write_git(tmp_path, {"watch": watch}, run={"monitor": {"train": True}})
    needed = {PIPELINE: version_name(), MONITORING: version_name(MONITORED)}
    with serve(store="kubernetes") as server:
        server.add_version(arrives, needed.pop(arrives))
        with pytest.raises(BadInputError, match=f"unknown pipeline '{next(iter(needed))}'"):
            applied(server, file)
        assert server.recurring == []
        for name, version in needed.items():
            server.add_version(name, version)
        applied(server, file)
        assert len(server.recurring) == 1


def test_in_kubernetes_nothing_is_uploaded(tmp_path):
    with serve(store="kubernetes") as server:
        version = server.add_version(PIPELINE, version_name())
        for number in range(45):  # more than a page, all of them older
            server.add_version(PIPELINE, f"{PIPELINE}-{number:012x}").created_at -= timedelta(days=number + 1)
        pinned = f"{PIPELINE}-{44:012x}"
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY, "old": {**NIGHTLY, "pipeline_version": pinned}}))
        assert not any("pipelines" in path for _, path in server.writes())
        used = {run.pipeline_version_reference.pipeline_version_id for run in server.recurring}
        assert used == {version.pipeline_version_id, server.versions[-1].pipeline_version_id}


def test_a_new_version_replaces_what_follows_git_only(tmp_path):
    words = {"git": "committed", "latest": "latest", "pinned": version_name()}
    schedules = {name: {**NIGHTLY, "pipeline_version": word} for name, word in words.items()}
    with serve() as server:
        applied(server, write_git(tmp_path, schedules))
        write_compiled(tmp_path, COMPILED.read_bytes() + b"# next\n")
        said = applied(server, write_git(tmp_path, schedules, compiled="compiled"))
        assert [line.split("@")[0].split("/")[-1] for line in said[:2]] == ["git", "git"]
        assert said[-1] == "3 schedules as in Git: 1 created, 0 enabled, 1 disabled, 0 deleted"


@pytest.mark.parametrize(
    ("store", "pipelines", "wanted", "line"),
    [
        (
            "kubernetes",
            [],
            "committed",
            "unknown pipeline 'gleaner-training'; there are: none; expected Argo CD to apply it from manifests/",
        ),
        (
            "kubernetes",
            ["theirs"],
            "latest",
            "unknown pipeline 'gleaner-training'; there are: theirs; expected Argo CD",
        ),
        (
            "kubernetes",
            [PIPELINE],
            f"{PIPELINE}-0123456789ab",
            f"has no version {PIPELINE}-0123456789ab; its newest: v1; expected Argo CD",
        ),
        (
            "database",
            [PIPELINE],
            f"{PIPELINE}-0123456789ab",
            f"has no version {PIPELINE}-0123456789ab; its newest: v1; expected `committed`",
        ),
    ],
)
def test_an_unknown_pipeline_or_version_changes_nothing(tmp_path, store, pipelines, wanted, line):
    file = write_git(tmp_path, {"nightly": NIGHTLY, "other": {**NIGHTLY, "pipeline_version": wanted}})
    with serve(store=store) as server:
        for pipeline in pipelines:
            server.add_version(pipeline, "v1")
        if store == "kubernetes" and wanted != "committed" and pipelines == [PIPELINE]:
            server.add_version(PIPELINE, version_name()).created_at -= timedelta(days=1)
            line = line.replace("v1;", f"v1, {version_name()};")
        with pytest.raises(BadInputError) as told:
            applied(server, file)
        assert line in str(told.value)
        assert server.writes() == []


@pytest.mark.parametrize("wanted", ["committed", "latest"])
def test_a_version_that_argo_cd_applies_late(tmp_path, kfp_hurry, wanted):
    with serve(store="kubernetes") as server:
        looks = iter(range(100))

        def late(method: str, path: str) -> None:
            if "/pipelines/names/" in path and next(looks) == 4:
                server.add_version(PIPELINE, version_name())

        server.fault = late
        file = write_git(tmp_path, {"nightly": {**NIGHTLY, "pipeline_version": wanted}})
        with pytest.raises(BadInputError, match="unknown pipeline"):
            applied(server, file)
        assert server.writes() == []
        said = applied(server, file, wait=30)
        assert [line.partition(":")[0] for line in said if "unknown pipeline" in line] == ["waiting 30 s at most"]
        assert server.enabled(OURS) == names(file)


@pytest.mark.parametrize(
    ("store", "wanted", "how"),
    [
        ("database", "committed", "apply uploads it"),
        ("database", "latest", "apply uploads it"),
        ("database", f"{PIPELINE}-{0:012x}", "apply refuses it"),
        ("kubernetes", "committed", "apply waits for Argo CD to bring it"),
    ],
)
def test_a_plan_says_how_a_missing_version_comes(tmp_path, store, wanted, how):
    file = write_git(tmp_path, {"nightly": {**NIGHTLY, "pipeline_version": wanted}})
    with serve(store=store) as server:
        said: list[str] = []
        show_plan(connect(server.url), read_git(file), False, said.append)
        name = version_name() if wanted == "committed" else wanted
        assert f"? pipeline version {name} is not on the server yet; {how}" in said
