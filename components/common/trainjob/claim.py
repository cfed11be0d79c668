"""The job of a name, whatever is there already."""

import time
from typing import Any

from components.common.errors import FailedError
from components.common.trainjob.cluster import PATIENCE, Cluster, ConflictError
from components.common.trainjob.spec import condition

PAUSE = 0.5  # seconds between looks at a job that is being deleted


def claim(cluster: Cluster, wanted: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The job, and whether it was there before: one that waits, runs or is complete is taken, one that failed makes
    room.
    """
    name = wanted["metadata"]["name"]
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            return cluster.create(wanted), False
        except ConflictError:
            job = cluster.get(f"{cluster.jobs}/{name}")
        if job is None:
            continue
        if not job["metadata"].get("deletionTimestamp"):
            if condition(job, "Failed") is None:
                return job, True
            cluster.say(f"TrainJob {name} is there and has failed: it makes room for a new one")
            cluster.delete(name, job["metadata"]["uid"])
        time.sleep(PAUSE)
    raise FailedError(
        f"TrainJob {name} is there and does not go since {PATIENCE:g} s; look at its finalizers: "
        f"kubectl -n {cluster.namespace} get trainjob {name} -o yaml"
    )
