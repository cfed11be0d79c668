"""Share a job between the runs that wait for its result: it is deleted with the last of them.

Each run is one of the job's ownerReferences. So Kubernetes deletes the job once all of them are gone, and takes out one
that is gone while another is there (https://kubernetes.io/docs/concepts/architecture/garbage-collection/). Every
change names the version of the job that it was made of: of two launchers that change it at once, one looks again.
"""

import os
import time
from typing import Any

from components.common.errors import BadInputError, FailedError
from components.common.trainjob.cluster import PATIENCE, Cluster, ConflictError, GoneError


def this_run(cluster: Cluster) -> tuple[dict[str, Any], str]:
    """The controller of this pod, Argo's Workflow (the pod itself where it has none), and the pod's uid."""
    pod = cluster.get(f"{cluster.pods}/{os.environ['POD_NAME']}")
    if pod is None:
        raise BadInputError(
            f"POD_NAME: no pod {os.environ['POD_NAME']!r} in namespace {cluster.namespace!r}; expected this "
            "pod's own name"
        )
    metadata = pod["metadata"]
    itself = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
    controller = next((each for each in metadata.get("ownerReferences", []) if each.get("controller")), itself)
    return {key: controller[key] for key in itself}, metadata["uid"]


def join(cluster: Cluster, job: dict[str, Any], owner: dict[str, Any]) -> dict[str, Any]:
    """The job, owned by this run too; ConflictError or GoneError where it is no longer as it was."""
    owners = _others(job, {})
    if _others(job, owner) != owners:
        return job
    cluster.say(f"TrainJob {job['metadata']['name']} does the same work for {_names(owners)}: its result is for both")
    return cluster.set_owners(job, [*owners, owner])


def leave(cluster: Cluster, name: str, owner: dict[str, Any]) -> str:
    """Names of the runs that the job stays for; empty where this was the last, and the job is deleted with it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        job = cluster.get(f"{cluster.jobs}/{name}")
        if job is None or job["metadata"].get("deletionTimestamp"):
            return ""
        others = _others(job, owner)
        try:
            if not others:
                cluster.delete(name, job["metadata"]["uid"], job["metadata"]["resourceVersion"])
            elif others != _others(job, {}):
                cluster.set_owners(job, others)
            return _names(others)
        except (ConflictError, GoneError):
            continue
    raise FailedError(f"TrainJob {name} changes faster than its owners can be changed, since {PATIENCE:g} s")


def _others(job: dict[str, Any], owner: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in job["metadata"].get("ownerReferences", []) if each["uid"] != owner.get("uid")]


def _names(owners: list[dict[str, Any]]) -> str:
    return " and ".join(each["name"] for each in owners)
