"""The reconciler against a server: what it creates, replaces, pauses, prunes, and leaves alone."""

from datetime import timedelta
from typing import Any

import pytest

from components.common.errors import BadInputError
from pipelines.configuration.version import COMPILED, PIPELINE, version_name
from pipelines.kubeflow.schedules.apply import read_git
from pipelines.kubeflow.schedules.plan import differences
from tests.pipelines.kubeflow.gitops import NIGHTLY, OURS, applied, live_through, planned, write_compiled, write_git
from tests.pipelines.kubeflow.kfp_server import serve


def test_a_schedule_is_created_with_all_it_says(tmp_path):
    file = write_git(tmp_path, {"nightly": {**NIGHTLY, "max_concurrency": 2}}, run={"seed": 5}, service_account="robot")
    with serve() as server:
        said = applied(server, file)
        [run] = server.recurring
        assert said == [
            f"created  {run.display_name}  0 30 2 * * *, pipeline {version_name()}",
            "1 schedules as in Git: 1 created, 0 enabled, 0 disabled, 0 deleted",
        ]
        [want] = read_git(file).wanted.values()
        digest = want.digest
        assert run.display_name == f"gitops/gleaner/nightly@{digest[:8]}"
        assert f"sha256:{digest}" in run.description
        assert run.trigger.cron_schedule.cron == "0 30 2 * * *"
        assert (run.mode, run.no_catchup, run.max_concurrency, run.service_account) == ("ENABLE", True, "2", "robot")
        assert run.runtime_config.parameters["settings"] == {"seed": 5}
        assert run.runtime_config.parameters["pretrain_epochs"] > 0
        assert run.experiment_id == next(
            each.experiment_id for each in server.experiments if each.display_name == "gleaner"
        )
        assert run.pipeline_version_reference.pipeline_version_id == server.versions[0].pipeline_version_id


def test_a_second_apply_does_nothing(tmp_path):
    file = write_git(tmp_path, {"nightly": NIGHTLY, "weekly": {**NIGHTLY, "cron": "0 0 6 * * sat"}})
    with serve() as server:
        applied(server, file)
        before = server.writes()
        assert applied(server, file) == ["2 schedules as in Git: 0 created, 0 enabled, 0 disabled, 0 deleted"]
        assert server.writes() == before
        assert planned(server, file) == ["0 to create, 0 to enable, 0 to disable, 0 to delete; 2 schedules in Git"]


def test_a_change_is_created_before_the_old_is_disabled(tmp_path):
    with serve() as server:
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY}))
        [old] = server.enabled(OURS)
        server.fire(server.recurring[0].recurring_run_id)
        said = applied(server, write_git(tmp_path, {"nightly": {**NIGHTLY, "cron": "0 0 3 * * *"}}))
        [new] = server.enabled(OURS)
        assert said[:2] == [
            f"created  {new}  0 0 3 * * *, pipeline {version_name()}",
            f"disabled {old}  replaced by {new}",
        ]
        changes = [path.rpartition("/")[2].partition(":")[2] or path.rpartition("/")[2] for _, path in server.writes()]
        assert changes[-2:] == ["recurringruns", "disable"]
        assert server.runs[0].state == "RUNNING"
        assert server.killed == []


def test_a_plan_reads_like_a_diff(tmp_path):
    with serve() as server:
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY, "gone": NIGHTLY}))
        compiled = write_compiled(tmp_path, COMPILED.read_bytes() + b"# next\n")
        file = write_git(
            tmp_path,
            {"nightly": {**NIGHTLY, "cron": "0 0 3 * * *", "max_concurrency": 2}, "new": NIGHTLY},
            run={"pretrain": {"epochs": 7}},
            compiled="compiled",
        )
        version = version_name(compiled)
        names = {each.partition("@")[0].removeprefix(OURS): each for each in server.enabled(OURS)}
        wanted = {want.schedule: want.name for want in read_git(file).wanted.values()}
        assert planned(server, file) == [
            f"- disable {names['gone']}  no longer in Git",
            f"+ create  {wanted['new']}  0 30 2 * * *, pipeline {version}",
            f"+ create  {wanted['nightly']}  0 0 3 * * *, pipeline {version}",
            f"- disable {names['nightly']}  replaced by {wanted['nightly']}",
            "    cron: 0 30 2 * * * -> 0 0 3 * * *",
            "    max_concurrency: 1 -> 2",
            f"    pipeline_version: {version_name()} -> {version}",
            "    parameters.pretrain_epochs: 100 -> 7",
            f"? pipeline version {version} is not on the server yet; apply uploads it",
            "2 to create, 0 to enable, 2 to disable, 0 to delete; 2 schedules in Git",
        ]
        unpruned = planned(server, file, prune=False)
        assert f"kept     {names['gone']}  no longer in Git; --prune disables it" in unpruned
        assert unpruned[-1] == "2 to create, 0 to enable, 1 to disable, 0 to delete; 2 schedules in Git"


def test_a_renamed_schedule_is_two_in_one_apply(tmp_path):
    with serve() as server:
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY}))
        applied(server, write_git(tmp_path, {"every-night": NIGHTLY}), prune=False)
        assert len(server.enabled(OURS)) == 2
        said = applied(server, write_git(tmp_path, {"every-night": NIGHTLY}))
        assert [name.partition("@")[0] for name in server.enabled(OURS)] == ["gitops/gleaner/every-night"]
        assert said[0].endswith("no longer in Git")


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
    names = [
        "gitops/gleaner2/nightly@00000000",
        "gitops/gleane",
        "nightly",
        "my gitops/gleaner/nightly",
        "gitops/Gleaner/nightly@1",
    ]
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


def test_what_a_role_must_allow(tmp_path):
    """The manifests' roles are checked against this list."""
    uploads = {"pipelines: create", "pipelines: list"}
    needed = {
        "pipelines: get",
        "pipelines: list",
        "experiments: list",
        "experiments: create",
        "jobs: list",
        "jobs: create",
        "jobs: enable",
        "jobs: disable",
        "jobs: delete",
        "runs: list",
    }
    for store in ("database", "kubernetes"):
        with serve(store=store, multi_user=True) as server:
            if store == "kubernetes":
                server.add_version(PIPELINE, version_name(), "team")
            live_through(server, tmp_path)
            assert server.recurring == []
            assert server.rights() == (needed | uploads if store == "database" else needed)


def test_a_name_with_signs_that_urls_give_a_meaning(tmp_path):
    with serve() as server:
        file = write_git(tmp_path, {"nightly": NIGHTLY}, experiment="50% & more + \u00fc?")
        applied(server, file)
        applied(server, write_git(tmp_path, {"other": NIGHTLY}, experiment="50% & more + \u00fc?"))
        assert [each.display_name for each in server.experiments] == ["50% & more + \u00fc?"]


def test_somebody_else_disables_or_deletes_it_first(tmp_path):
    with serve() as server:
        server.clock = timedelta(days=-40)
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY}))
        server.clock = timedelta()
        server.fault = lambda method, path: server.recurring.clear() if path.endswith(":disable") else None
        assert applied(server, write_git(tmp_path, {})) == [
            "0 schedules as in Git: 0 created, 0 enabled, 0 disabled, 0 deleted"
        ]


def test_differences_are_told_key_by_key():
    old: dict[str, Any] = {"cron": "a", "parameters": {"x": 1, "gone": 2, "deep": {"y": [1]}}}
    new: dict[str, Any] = {"cron": "b", "unknown": 1, "parameters": {"x": 1.0, "added": 3, "deep": {"y": [2]}}}
    assert differences(old, new) == [
        "cron: a -> b",
        "parameters.added: new, 3",
        "parameters.deep.y: [1] -> [2]",
        "parameters.gone: gone",
    ]
