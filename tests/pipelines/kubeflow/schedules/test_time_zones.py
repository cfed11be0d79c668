"""A schedule in a time zone, through a year of the server: there is always the present stretch and the next, each
fires in its own, and nothing is made anew that is right.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.common.kubeflow.server import connect
from pipelines.configuration.schedules import load_schedules
from pipelines.kubeflow.schedules.apply import Git, apply, show_plan
from pipelines.kubeflow.schedules.plan import wanted_schedules
from tests.pipelines.kubeflow.gitops import NIGHTLY, OURS, write_git
from tests.pipelines.kubeflow.kfp_server import serve
from tests.pipelines.kubeflow.kfp_state import KfpServer

BERLIN = {**NIGHTLY, "time_zone": "Europe/Berlin"}
WINTER, SUMMER = datetime(2026, 11, 27, tzinfo=UTC), datetime(2027, 4, 2, tzinfo=UTC)
CHANGE = datetime(2027, 3, 28, 1, tzinfo=UTC)


def git(file: Path, now: datetime) -> Git:
    schedules, configs = load_schedules(file)
    return Git(schedules, wanted_schedules(schedules, configs, file.parent, now))


def applied(server: KfpServer, file: Path, now: datetime) -> list[str]:
    said: list[str] = []
    apply(connect(server.url, "team"), git(file, now), True, said.append)
    return said


def crons(server: KfpServer) -> list[str]:
    return sorted(run.trigger.cron_schedule.cron for run in server.recurring if run.mode == "ENABLE")


def test_the_present_stretch_and_the_next_are_recurring_runs(tmp_path):
    file = write_git(tmp_path, {"nightly": BERLIN})
    with serve() as server:
        said = applied(server, file, WINTER)
        assert said[-1] == "1 schedules as in Git: 2 created, 0 enabled, 0 disabled, 0 deleted"
        assert "0 30 2 * * * in Europe/Berlin (0 30 1 * * * in UTC until 2027-03-28 01:00), pipeline" in said[0]
        assert "(0 30 0 * * * in UTC from 2027-03-28 01:00 until 2027-10-31 01:00)" in said[1]
        present, later = (run.trigger.cron_schedule for run in server.recurring)
        second = timedelta(seconds=1)
        assert (present.cron, present.start_time, present.end_time) == ("0 30 1 * * *", None, CHANGE - second)
        assert (later.cron, later.start_time) == ("0 30 0 * * *", CHANGE - second)
        assert "Starts at 0 30 2 * * * in Europe/Berlin" in server.recurring[0].description
        assert applied(server, file, WINTER + timedelta(days=9))[0].endswith(
            "0 created, 0 enabled, 0 disabled, 0 deleted"
        )


def test_when_the_clocks_have_changed_the_one_after_is_added(tmp_path):
    file = write_git(tmp_path, {"nightly": BERLIN})
    with serve() as server:
        applied(server, file, WINTER)
        winter, summer = server.enabled(OURS)
        if next(run for run in server.recurring if run.display_name == summer).trigger.cron_schedule.start_time is None:
            winter, summer = summer, winter
        said = applied(server, file, SUMMER)
        assert [line.split()[0] for line in said] == ["created", "disabled", "1"]
        assert said[1].split()[1:] == [winter, "replaced", "by", summer]
        assert "(0 30 1 * * * in UTC from 2027-10-31 01:00 until 2028-03-26 01:00)" in said[0]
        assert summer in server.enabled(OURS)
        assert crons(server) == ["0 30 0 * * *", "0 30 1 * * *"]


@pytest.mark.parametrize(("before", "after"), [(NIGHTLY, BERLIN), (BERLIN, NIGHTLY)])
def test_a_zone_that_comes_or_goes_leaves_nothing_of_before(tmp_path, before, after):
    with serve() as server:
        applied(server, write_git(tmp_path, {"nightly": before}), WINTER)
        old = server.enabled(OURS)
        applied(server, write_git(tmp_path, {"nightly": after}), WINTER)
        assert not set(old) & set(server.enabled(OURS))
        assert len(server.enabled(OURS)) == 3 - len(old)


def test_a_plan_shows_both(tmp_path):
    with serve() as server:
        applied(server, write_git(tmp_path, {"nightly": NIGHTLY}), WINTER)
        said: list[str] = []
        file = write_git(tmp_path, {"nightly": BERLIN})
        show_plan(connect(server.url, "team"), git(file, WINTER), True, said.append)
        assert [line.split()[0] for line in said] == ["+", "+", "-", "cron:", "until:", "2"]
        assert "    until: None -> 2027-03-28 01:00" in said


def test_a_paused_one_starts_nothing(tmp_path):
    with serve() as server:
        applied(server, write_git(tmp_path, {"nightly": BERLIN}), WINTER)
        said = applied(server, write_git(tmp_path, {"nightly": {**BERLIN, "paused": True}}), WINTER)
        assert [line.rpartition("  ")[2] for line in said[:2]] == ["paused in Git"] * 2
        assert server.enabled(OURS) == []


def test_without_a_zone_the_digest_is_the_one_it_always_was(tmp_path):
    file = write_git(tmp_path, {"nightly": NIGHTLY})
    (want,) = git(file, WINTER).wanted.values()
    assert want.content.keys() == {
        "cron",
        "max_concurrency",
        "experiment",
        "service_account",
        "pipeline_version",
        "platform_generation",
        "parameters",
    }
    assert "UTC" not in want.description
