"""The reconciler against a server: what it creates, replaces, pauses, prunes, and leaves alone."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from components.common.errors import BadInputError
from pipelines.kubeflow import connect
from pipelines.schedules import differences
from pipelines.schedules_apply import apply, read_git, show_plan
from pipelines.version import COMPILED, PIPELINE, version_name
from tests.pipelines.gitops import NIGHTLY, OURS, write_git
from tests.pipelines.kfp_server import serve
from tests.pipelines.kfp_state import KfpServer


def applied(server: KfpServer, file: Path, prune: bool = True, wait: float = 0, namespace: str = "team") -> list[str]:
    """Apply, and what was said."""
    said: list[str] = []
    apply(connect(server.url, namespace), read_git(file), prune, said.append, wait)
    return said


def planned(server: KfpServer, file: Path, prune: bool = True) -> list[str]:
    said: list[str] = []
    before = server.writes()
    show_plan(connect(server.url, "team"), read_git(file), prune, said.append)
    assert server.writes() == before
    return said


def test_a_schedule_is_created_with_all_it_says(tmp_path):
    file = write_git(tmp_path, {"nightly": {**NIGHTLY, "max_concurrency": 2}}, run={"seed": 5}, service_account="robot")
    with serve() as server:
        said = applied(server, file)
        [run] = server.recurring
        assert said == [f"created  {run.display_name}  0 30 2 * * *, pipeline {version_name()}",
                        "1 schedules as in Git: 1 created, 0 disabled, 0 deleted"]
        digest = read_git(file).wanted["nightly"].digest
        assert run.display_name == f"gitops/gleaner/nightly@{digest[:8]}"
        assert f"sha256:{digest}" in run.description
        assert run.trigger.cron_schedule.cron == "0 30 2 * * *"
        assert (run.mode, run.no_catchup, run.max_concurrency, run.service_account) == ("ENABLE", True, "2", "robot")
        assert run.runtime_config.parameters["seed"] == 5
        assert run.runtime_config.parameters["pretrain_settings"]["epochs"] > 0
        assert run.experiment_id == next(each.experiment_id for each in server.experiments if each.display_name == "gleaner")
        assert run.pipeline_version_reference.pipeline_version_id == server.versions[0].pipeline_version_id


def test_a_second_apply_does_nothing(tmp_path):
    file = write_git(tmp_path, {"nightly": NIGHTLY, "weekly": {**NIGHTLY, "cron": "0 0 6 * * sat"}})
    with serve() as server:
        applied(server, file)
        before = server.writes()
        assert applied(server, file) == ["2 schedules as in Git: 0 created, 0 disabled, 0 deleted"]
        assert server.writes() == before
        assert planned(server, file) == ["0 to create, 0 to disable, 0 to delete; 2 schedules in Git"]


def test_a_change_is_created_before_the_old_is_disabled(tmp_path):
    with serve() as server:
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY}))
        [old] = server.enabled(OURS)
        server.fire(server.recurring[0].recurring_run_id)
        said = applied(server, write_git(tmp_path, {"nightly": {**NIGHTLY, "cron": "0 0 3 * * *"}}))
        [new] = server.enabled(OURS)
        assert said[:2] == [f"created  {new}  0 0 3 * * *, pipeline {version_name()}", f"disabled {old}  replaced by {new}"]
        changes = [path.rpartition("/")[2].partition(":")[2] or path.rpartition("/")[2] for _, path in server.writes()]
        assert changes[-2:] == ["recurringruns", "disable"]
        assert server.runs[0].state == "RUNNING"
        assert server.killed == []


def test_a_plan_reads_like_a_diff(tmp_path):
    with serve() as server:
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY, "gone": NIGHTLY}))
        (tmp_path / "training.yaml").write_bytes(COMPILED.read_bytes() + b"# next\n")
        file = write_git(tmp_path, {"nightly": {**NIGHTLY, "cron": "0 0 3 * * *", "max_concurrency": 2}, "new": NIGHTLY},
                         run={"pretrain": {"epochs": 7}}, compiled="training.yaml")
        version = version_name(tmp_path / "training.yaml")
        names = {each.partition("@")[0].removeprefix(OURS): each for each in server.enabled(OURS)}
        git = read_git(file)
        assert planned(server, file) == [
            f"- disable {names['gone']}  no longer in Git",
            f"+ create  {git.wanted['new'].name}  0 30 2 * * *, pipeline {version}",
            f"+ create  {git.wanted['nightly'].name}  0 0 3 * * *, pipeline {version}",
            f"- disable {names['nightly']}  replaced by {git.wanted['nightly'].name}",
            "    cron: 0 30 2 * * * -> 0 0 3 * * *",
            "    max_concurrency: 1 -> 2",
            f"    pipeline_version: {version_name()} -> {version}",
            "    parameters.pretrain_settings.epochs: 100 -> 7",
            f"? pipeline version {version} is not on the server yet",
            "2 to create, 2 to disable, 0 to delete; 2 schedules in Git",
        ]
        unpruned = planned(server, file, prune=False)
        assert f"kept     {names['gone']}  no longer in Git; --prune disables it" in unpruned
        assert unpruned[-1] == "2 to create, 1 to disable, 0 to delete; 2 schedules in Git"


def test_a_renamed_schedule_is_two_in_one_apply(tmp_path):
    with serve() as server:
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY}))
        applied(server, write_git(tmp_path, {"every-night": NIGHTLY}), prune=False)
        assert len(server.enabled(OURS)) == 2
        said = applied(server, write_git(tmp_path, {"every-night": NIGHTLY}))
        assert [name.partition("@")[0] for name in server.enabled(OURS)] == ["gitops/gleaner/every-night"]
        assert said[0].endswith("no longer in Git")


def test_pausing_disables_and_going_on_begins_anew(tmp_path):
    """Enabling the old one would make up at once for a time that was missed."""
    with serve() as server:
        file = write_git(tmp_path, {"nightly": NIGHTLY})
        applied(server, file)
        assert applied(server, write_git(tmp_path, {"nightly": {**NIGHTLY, "paused": True}}))[0].endswith("paused in Git")
        assert server.enabled(OURS) == []
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY}))
        assert [run.mode for run in server.recurring] == ["DISABLE", "ENABLE"]
        assert not any(path.endswith(":enable") for _, path in server.log)


def test_what_is_paused_needs_no_version(tmp_path):
    with serve(store="kubernetes") as server:
        applied(server, write_git(tmp_path, {"nightly": {**NIGHTLY, "paused": True}}))
        assert server.writes() == []


def test_a_schedule_switched_off_by_hand_comes_back(tmp_path):
    with serve() as server:
        file = write_git(tmp_path, {"nightly": NIGHTLY})
        applied(server, file)
        server.recurring[0].mode = "DISABLE"
        applied(server, file)
        assert len(server.enabled(OURS)) == 1


def test_what_others_made_stays(tmp_path):
    names = ["gitops/gleaner2/nightly@00000000", "gitops/gleane", "nightly", "my gitops/gleaner/nightly", "gitops/Gleaner/nightly@1"]
    with serve() as server:
        for name in names:
            server.add_recurring(name, description="made by hand")
        server.clock = timedelta(days=-100)
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY}))
        applied(server, write_git(tmp_path, {}))
        assert server.enabled() == sorted(names)


def test_a_copy_under_our_name_is_ours(tmp_path):
    """Somebody has cloned it in the UI, and changed what it says."""
    with serve() as server:
        file = write_git(tmp_path, {"nightly": NIGHTLY})
        applied(server, file)
        server.add_recurring(server.recurring[0].display_name, description="mine now")
        assert "its description is not Git's" in applied(server, file)[0]
        assert len(server.enabled()) == 1


def test_what_left_git_is_deleted_when_it_is_long_out_of_use(tmp_path):
    with serve() as server:
        server.clock = timedelta(days=-40)
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY}, keep_days=14))
        owner = server.recurring[0].recurring_run_id
        server.clock = timedelta(days=-10)
        run = server.fire(owner)
        empty = write_git(tmp_path, {}, keep_days=14)
        server.clock = timedelta()
        assert [line.split()[0] for line in applied(server, empty)] == ["disabled", "0"]
        run.created_at -= timedelta(days=25)
        assert planned(server, empty)[-1].startswith("0 to create, 0 to disable, 0 to delete")  # it still runs
        run.state, run.finished_at = "SUCCEEDED", run.created_at + timedelta(days=24)
        assert planned(server, empty)[-1].startswith("0 to create, 0 to disable, 0 to delete")  # ended 11 days ago
        run.finished_at = run.created_at
        assert applied(server, empty, prune=False)[-1].endswith("0 deleted")
        assert applied(server, empty)[-1] == "0 schedules as in Git: 0 created, 0 disabled, 1 deleted"
        assert server.recurring == []
        assert server.killed == []


def test_a_replacement_of_yesterday_keeps_the_old_one_for_now(tmp_path):
    with serve() as server:
        server.clock = timedelta(days=-40)
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY}))
        server.clock = timedelta(days=-1)
        file = write_git(tmp_path, {"nightly": {**NIGHTLY, "cron": "0 0 3 * * *"}})
        applied(server, file)
        assert planned(server, file)[-1].startswith("0 to create, 0 to disable, 0 to delete")
        server.recurring[1].created_at -= timedelta(days=30)
        assert planned(server, file)[-1].startswith("0 to create, 0 to disable, 1 to delete")


def test_in_a_database_the_version_is_uploaded_once(tmp_path):
    file = write_git(tmp_path, {"nightly": NIGHTLY, "latest": {**NIGHTLY, "pipeline_version": "latest"}})
    with serve(multi_user=True) as server:
        applied(server, file)
        applied(server, file)
        assert [(each.name, each.namespace) for each in server.pipelines] == [(PIPELINE, "team")]
        assert [each.name for each in server.versions] == [version_name()]
        references = {run.display_name.partition("@")[0]: run.pipeline_version_reference.pipeline_version_id for run in server.recurring}
        assert references == {f"{OURS}nightly": server.versions[0].pipeline_version_id, f"{OURS}latest": None}


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
        (tmp_path / "training.yaml").write_bytes(COMPILED.read_bytes() + b"# next\n")
        said = applied(server, write_git(tmp_path, schedules, compiled="training.yaml"))
        assert [line.split("@")[0].split("/")[-1] for line in said[:2]] == ["git", "git"]
        assert said[-1] == "3 schedules as in Git: 1 created, 1 disabled, 0 deleted"


@pytest.mark.parametrize(("store", "pipelines", "wanted", "line"), [
    ("kubernetes", [], "committed", "unknown pipeline 'gleaner-training'; there are: none; expected Argo CD to apply it from manifests/"),
    ("kubernetes", ["theirs"], "latest", "unknown pipeline 'gleaner-training'; there are: theirs; expected Argo CD"),
    ("kubernetes", [PIPELINE], f"{PIPELINE}-0123456789ab", f"has no version {PIPELINE}-0123456789ab; its newest: v1; expected Argo CD"),
    ("database", [PIPELINE], f"{PIPELINE}-0123456789ab", f"has no version {PIPELINE}-0123456789ab; its newest: v1; expected `committed`"),
])
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


def test_no_rights_change_nothing(tmp_path):
    with serve(multi_user=True, namespaces={"other"}) as server:
        with pytest.raises(BadInputError, match="no right to do this in namespace 'team'"):
            applied(server, write_git(tmp_path, {"nightly": NIGHTLY}))
        assert (server.recurring, server.pipelines, server.versions) == ([], [], [])


def test_namespaces_are_apart(tmp_path):
    with serve(multi_user=True) as server:
        file = write_git(tmp_path, {"nightly": NIGHTLY})
        applied(server, file, namespace="other")
        applied(server, file, namespace="team")
        applied(server, write_git(tmp_path, {}), namespace="team")
        assert {run.namespace: run.mode for run in server.recurring} == {"other": "ENABLE", "team": "DISABLE"}


def test_differences_are_told_key_by_key():
    old: dict[str, Any] = {"cron": "a", "parameters": {"x": 1, "gone": 2, "deep": {"y": [1]}}}
    new: dict[str, Any] = {"cron": "b", "unknown": 1, "parameters": {"x": 1.0, "added": 3, "deep": {"y": [2]}}}
    assert differences(old, new) == ["cron: a -> b", "parameters.added: new, 3", "parameters.deep.y: [1] -> [2]", "parameters.gone: gone"]
