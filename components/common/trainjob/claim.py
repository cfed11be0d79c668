"""Create the TrainJob of a name, or join the one that exists."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from components.common.errors import FailedError
from components.common.trainjob.cluster import PATIENCE, Cluster, ConflictError, GoneError
from components.common.trainjob.owners import join
from components.common.trainjob.place import clean, place_of
from components.common.trainjob.spec import condition

PAUSE = 0.5  # seconds between looks at a job that is being deleted


def claim(
    cluster: Cluster, name: str, owner: dict[str, Any], prepare: Callable[[], dict[str, Any]]
) -> tuple[dict[str, Any], bool]:
    """The job, owned by this run, and whether it was there before: one that waits, runs or is complete is shared, one
    that failed makes room.

    prepare: gives the job to be made, its inputs where it will look for them; called only where none is there.
    """
    wanted: dict[str, Any] | None = None
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        job = cluster.get(f"{cluster.jobs}/{name}")
        with suppress(ConflictError, GoneError):  # another launcher was faster: look again
            if job is None:
                wanted = wanted or prepare()
                return cluster.create(wanted), False
            if not job["metadata"].get("deletionTimestamp"):
                if condition(job, "Failed") is None:
                    job = join(cluster, job, owner)
                    if wanted and place_of(wanted) != place_of(job):
                        clean(wanted)
                    return job, True
                cluster.say(f"TrainJob {name} is there and has failed: it makes room for a new one")
                cluster.delete(name, job["metadata"]["uid"])
                clean(job)
        time.sleep(PAUSE)
    raise FailedError(
        f"TrainJob {name} is there and does not go since {PATIENCE:g} s; look at its finalizers: "
        f"kubectl -n {cluster.namespace} get trainjob {name} -o yaml"
    )
