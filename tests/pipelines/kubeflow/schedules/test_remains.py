"""What is done with recurring runs that are disabled: enabled again where no start was missed, kept, or deleted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.common.kubeflow.server import connect
from tests.pipelines.kubeflow.gitops import DISTANT, NIGHTLY, OURS, applied, names, planned, write_git
from tests.pipelines.kubeflow.kfp_server import serve
from tests.pipelines.kubeflow.kfp_state import Fault, KfpServer

NOW = datetime.now(UTC)
HOURS_AGO = (NOW - timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)
PASSED = f"0 0 {HOURS_AGO.hour} * * *"  # daily, two to three hours ago
DAY = timedelta(days=1)


def commit(folder: Path, number: int, cron: str = DISTANT, **more: Any) -> Path:
    """Git after one of many commits, each with another seed."""
    return write_git(folder, {"nightly": {**NIGHTLY, "cron": cron, **more}}, run={"seed": number})


def push(server: KfpServer, folder: Path, *numbers: int, prune: bool = True) -> list[str]:
    """Apply one commit after the other; what was said of the last."""
    said: list[str] = []
    for number in numbers:
        server.clock += timedelta(seconds=1)
        said = applied(server, commit(folder, number), prune)
    return said


def name(folder: Path, number: int) -> str:
    """Of the recurring run of that commit."""
    return names(commit(folder, number))[0]


def modes(server: KfpServer) -> dict[str, str]:
    assert len({run.display_name for run in server.recurring}) == len(server.recurring), "two of one name"
    return {run.display_name: run.mode for run in server.recurring}


def disabled(server: KfpServer, folder: Path, cron: str, age: timedelta = DAY) -> Any:
    """A recurring run of commit 1 that was made `age` ago and replaced by commit 2 just now."""
    server.clock = -age
    applied(server, commit(folder, 1, cron))
    server.clock = timedelta()
    applied(server, commit(folder, 2, cron))
    return server.recurring[0]


def test_three_commits_and_a_revert(tmp_path):
    """The reverted one is the old one again, and no third stays disabled."""
    with serve() as server:
        push(server, tmp_path, 1, 2, 3)
        old = {number: name(tmp_path, number) for number in (1, 2, 3, 4)}
        ids = {run.display_name: run.recurring_run_id for run in server.recurring}
        assert modes(server) == {old[1]: "DISABLE", old[2]: "DISABLE", old[3]: "ENABLE"}
        said = push(server, tmp_path, 2)  # git revert
        assert said[0].startswith(f"enabled  {old[2]}  as it was before: {DISTANT}, pipeline ")
        assert said[1:] == [
            f"disabled {old[3]}  replaced by {old[2]}",
            "1 schedules as in Git: 0 created, 1 enabled, 1 disabled, 0 deleted",
        ]
        assert modes(server) == {old[1]: "DISABLE", old[2]: "ENABLE", old[3]: "DISABLE"}
        assert {run.display_name: run.recurring_run_id for run in server.recurring} == ids
        push(server, tmp_path, 4)
        assert modes(server) == {old[2]: "DISABLE", old[3]: "DISABLE", old[4]: "ENABLE"}
        assert server.runs == []


def test_a_plan_says_what_is_enabled_and_what_goes(tmp_path):
    with serve() as server:
        push(server, tmp_path, 1, 2, 3, 2)
        oldest, old, new = (name(tmp_path, number) for number in (1, 2, 3))
        file = commit(tmp_path, 3)
        lines = [line for line in planned(server, file) if not line.startswith(" ")]
        assert lines[0].startswith(f"+ enable  {new}  as it was before: ")
        assert lines[1:] == [
            f"- disable {old}  replaced by {new}",
            "0 to create, 1 to enable, 1 to disable, 0 to delete; 1 schedules in Git",
        ]
        file = commit(tmp_path, 4)
        [deleted] = [line for line in planned(server, file) if line.startswith("x")]
        assert deleted == f"x delete  {oldest}  2 that were in use after it are kept"
        assert f"deleted  {oldest}  2 that were in use after it are kept" in applied(server, file)


def test_the_scheduler_makes_up_for_a_missed_start(tmp_path):
    """As Kubeflow's does: why what has missed one is not enabled again."""
    with serve() as server:
        old = disabled(server, tmp_path, PASSED)
        connect(server.url).recurring.recurring_run_service_enable_recurring_run(old.recurring_run_id)
        assert [run.scheduled_at for run in server.runs] == [HOURS_AGO]
        assert server.made_up == [server.runs[0].run_id]


@pytest.mark.parametrize("prune", [True, False])
def test_a_missed_start_is_not_made_up_for(tmp_path, prune):
    with serve() as server:
        old = disabled(server, tmp_path, PASSED)
        said = applied(server, commit(tmp_path, 1, PASSED), prune)
        kinds = ["created ", "disabled", "deleted "]
        assert [line[:8] for line in said[:3]] == kinds
        assert said[2] == f"deleted  {old.display_name}  there is another of its name"
        assert sorted(modes(server).values()) == ["DISABLE", "ENABLE"]
        assert server.enabled(OURS) == [old.display_name]
        assert server.runs == []


def test_what_has_made_its_last_start_is_enabled(tmp_path):
    with serve() as server:
        server.clock = -DAY
        applied(server, commit(tmp_path, 1, PASSED))
        server.clock = timedelta()
        run = server.fire(server.recurring[0].recurring_run_id)
        assert run.scheduled_at == HOURS_AGO
        applied(server, commit(tmp_path, 2, PASSED))
        assert applied(server, commit(tmp_path, 1, PASSED))[0].startswith("enabled ")
        assert server.runs == [run]
        assert len(modes(server)) == 2


def test_a_platform_with_another_zone_makes_up_for_nothing(tmp_path):
    """Its last start was at no time of the cron in UTC: which have been missed is not known."""
    with serve() as server:
        old = disabled(server, tmp_path, DISTANT)
        old.mode = "ENABLE"
        server.fire(old.recurring_run_id).state = "SUCCEEDED"
        old.mode = "DISABLE"
        assert applied(server, commit(tmp_path, 1))[0].startswith("created ")
        assert len(modes(server)) == 2


def test_pausing_and_going_on(tmp_path):
    with serve() as server:
        applied(server, commit(tmp_path, 1))
        assert applied(server, commit(tmp_path, 1, paused=True))[0].endswith("paused in Git")
        assert list(modes(server).values()) == ["DISABLE"]
        assert applied(server, commit(tmp_path, 1))[0].startswith("enabled ")
        assert list(modes(server).values()) == ["ENABLE"]


def test_going_on_after_a_missed_start_begins_anew(tmp_path):
    with serve() as server:
        server.clock = -DAY
        applied(server, commit(tmp_path, 1, PASSED))
        applied(server, commit(tmp_path, 1, PASSED, paused=True))
        server.clock = timedelta()
        [before] = server.recurring
        applied(server, commit(tmp_path, 1, PASSED))
        [after] = server.recurring
        assert (after.mode, after.display_name) == ("ENABLE", before.display_name)
        assert after.recurring_run_id != before.recurring_run_id
        assert server.runs == []


def test_what_runs_is_waited_for(tmp_path):
    """The old one of the same name goes when its run has ended."""
    with serve() as server:
        server.clock = -2 * DAY
        applied(server, commit(tmp_path, 1, PASSED))
        server.clock = -DAY
        run = server.fire(server.recurring[0].recurring_run_id)
        server.clock = timedelta()
        applied(server, commit(tmp_path, 2, PASSED))
        file = commit(tmp_path, 1, PASSED)
        assert applied(server, file)[-1].endswith("1 created, 0 enabled, 1 disabled, 0 deleted")
        assert server.killed == []
        run.state = "SUCCEEDED"
        assert applied(server, file)[-1].endswith("0 created, 0 enabled, 0 disabled, 1 deleted")
        assert len(modes(server)) == 2
        assert server.runs == [run]


def test_what_cannot_be_enabled_is_made_anew(tmp_path, kfp_hurry):
    """Its object is gone from Kubernetes, as the server finds by error 500."""
    with serve() as server:
        old = disabled(server, tmp_path, DISTANT)
        server.fault = lambda method, path: Fault(500) if path.endswith(":enable") else None
        applied(server, commit(tmp_path, 1))
        assert server.enabled(OURS) == [old.display_name]
        assert old not in server.recurring
        assert len(modes(server)) == 2


def test_a_disabled_copy_with_another_cron_is_not_enabled(tmp_path):
    with serve() as server:
        applied(server, commit(tmp_path, 1))
        server.recurring[0].trigger.cron_schedule.cron = "0 0 0 * * *"
        server.recurring[0].mode = "DISABLE"
        applied(server, commit(tmp_path, 1))
        assert [run.trigger.cron_schedule.cron for run in server.recurring] == [DISTANT]


def test_of_equal_ones_of_long_ago_one_is_enabled_and_the_others_go(tmp_path):
    with serve() as server:
        applied(server, commit(tmp_path, 1))
        [run] = server.recurring
        for _ in range(2):
            copy = server.add_recurring(run.display_name, description=run.description, trigger=run.trigger)
            copy.mode = "DISABLE"
        run.mode = "DISABLE"
        applied(server, commit(tmp_path, 1))
        assert list(modes(server).values()) == ["ENABLE"]


def test_what_left_git_is_deleted_when_it_is_long_out_of_use(tmp_path):
    with serve() as server:
        server.clock = -40 * DAY
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY}, keep_days=14))
        server.clock = -10 * DAY
        run = server.fire(server.recurring[0].recurring_run_id)
        empty = write_git(tmp_path, {}, keep_days=14)
        server.clock = timedelta()
        assert [line.split()[0] for line in applied(server, empty)] == ["disabled", "0"]
        nothing = ["0 to create, 0 to enable, 0 to disable, 0 to delete; 0 schedules in Git"]
        run.created_at -= 25 * DAY
        assert planned(server, empty) == nothing  # it still runs
        run.state = "SUCCEEDED"
        run.finished_at = run.created_at + 24 * DAY
        assert planned(server, empty) == nothing  # it ended 11 days ago
        run.finished_at = run.created_at
        assert applied(server, empty, prune=False)[-1].endswith("0 deleted")
        assert applied(server, empty)[-1] == "0 schedules as in Git: 0 created, 0 enabled, 0 disabled, 1 deleted"
        assert server.recurring == []
        assert server.killed == []


def test_what_left_git_just_now_keeps_its_last_two(tmp_path):
    with serve() as server:
        push(server, tmp_path, 1, 2, 3)
        kept = {name(tmp_path, number): "DISABLE" for number in (2, 3)}
        empty = write_git(tmp_path, {})
        said = applied(server, empty)
        assert [line.split()[0] for line in said] == ["disabled", "deleted", "0"]
        assert modes(server) == kept
        assert applied(server, empty)[-1].endswith("0 deleted")


def test_what_stays_does_so_however_long(tmp_path):
    with serve() as server:
        server.clock = -400 * DAY
        push(server, tmp_path, 1, 2)
        server.clock = timedelta()
        assert planned(server, commit(tmp_path, 2))[-1].startswith(
            "0 to create, 0 to enable, 0 to disable, 0 to delete"
        )


def test_without_pruning_all_that_are_disabled_stay(tmp_path):
    with serve() as server:
        push(server, tmp_path, 1, 2, 3, 4, prune=False)
        assert list(modes(server).values()) == ["DISABLE"] * 3 + ["ENABLE"]
