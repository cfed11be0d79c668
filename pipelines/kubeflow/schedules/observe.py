"""Look at the recurring runs of a server: what they say, when they were used, and whether they missed a start."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import kfp_server_api

from components.common.kubeflow.server import FINISHED, Kubeflow, predicate
from pipelines.configuration.cron import fires_between
from pipelines.configuration.schedules import Schedules
from pipelines.kubeflow.schedules.plan import DIGEST, NOW, Existing, Wanted, prefix, same, to_minute

SKEW = timedelta(minutes=1)  # by which the server's clock may be ahead


def observe(server: Kubeflow, file: Schedules, wanted: dict[str, Wanted], prune: bool) -> list[Existing]:
    """Every recurring run whose name begins with our prefix.

    The runs under one are looked at only where it may be enabled or deleted, which is not so while all is as in Git.
    """
    ours = prefix(file.app)
    found = server.pages(
        server.recurring.recurring_run_service_list_recurring_runs,
        "recurring_runs",
        namespace=server.namespace,
        sort_by="created_at",
        filter=predicate("IS_SUBSTRING", "display_name", ours),
    )
    triggers, existing = {}, []
    for run in found:
        if run.display_name.startswith(ours):
            existing.append(_existing(run, ours))
            triggers[run.recurring_run_id] = run.trigger and run.trigger.cron_schedule
    right = [same(want, existing) for want in wanted.values() if not want.paused]
    settled = [run.id for run in right if run and run.enabled]
    before = datetime.now(UTC) - timedelta(days=file.keep_days)
    return [
        run
        if run.id in settled or not (prune or run.name in wanted)
        else _looked_at(server, run, wanted.get(run.name), triggers[run.id], before)
        for run in existing
    ]


def _looked_at(server: Kubeflow, run: Existing, want: Wanted | None, trigger: Any, before: datetime) -> Existing:
    """The same with what its runs tell. The server's `updated_at` is of no use: it is touched every half minute."""
    runs = list(
        server.pages(
            server.runs.run_service_list_runs,
            "runs",
            namespace=server.namespace,
            sort_by="created_at desc",
            filter=predicate("EQUALS", "recurring_run_id", run.id),
        )
    )
    used = max([run.used_at, *(each.finished_at or each.created_at for each in runs)])
    return replace(
        run,
        used_at=used,
        missed=want is None or _missed(run, want, trigger, runs),
        busy=any(each.state not in FINISHED for each in runs),
        idle=used <= before,
    )


def _missed(run: Existing, want: Wanted, trigger: Any, runs: list[Any]) -> bool:
    """Whether a start has passed since the last one that it made, or since it was made; true where that is not sure.

    It is not sure where the last run was at no time of the cron in UTC: the platform has another zone, or it is a run
    that somebody has cloned. A run that somebody has deleted looks like a missed start too.
    """
    cron = want.content["cron"]
    if run.content["cron"] != cron:
        return True  # whatever its description says
    last = run.created_at
    if runs:
        last = max(runs, key=lambda each: each.created_at).scheduled_at
        if not last or not fires_between(cron, last - timedelta(seconds=1), last):
            return True
    after = max(last, trigger.start_time or last)
    until = datetime.now(UTC) + SKEW
    return fires_between(cron, after, min(until, trigger.end_time or until))


def _existing(run: Any, ours: str) -> Existing:
    digest = DIGEST.search(run.description or "")
    enabled = run.mode == kfp_server_api.RecurringRunMode.ENABLE
    reference = run.pipeline_version_reference
    trigger = run.trigger and run.trigger.cron_schedule
    content = {
        "cron": trigger.cron if trigger else None,
        "until": to_minute(trigger.end_time + timedelta(seconds=1)) if trigger and trigger.end_time else None,
        "max_concurrency": int(run.max_concurrency or 1),
        "service_account": run.service_account or "",
        "pipeline": (reference.pipeline_id, reference.pipeline_version_id) if reference else (None, None),
        "experiment": run.experiment_id,
        "parameters": run.runtime_config.parameters or {} if run.runtime_config else {},
    }
    return Existing(
        run.recurring_run_id,
        run.display_name.removeprefix(ours).partition("@")[0],
        run.display_name,
        digest[1] if digest else "",
        enabled,
        run.created_at,
        content,
        NOW if enabled else run.created_at,
    )
