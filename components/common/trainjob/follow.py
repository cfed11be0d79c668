"""Follow a job to its end, with a line for each change that matters to a person who waits."""

import queue
import threading
from typing import Any

from components.common.errors import FailedError
from components.common.trainjob.cluster import Cluster
from components.common.trainjob.failure import INDEX, terminated
from components.common.trainjob.logs import Logs
from components.common.trainjob.spec import condition
from components.common.trainjob.watch import watch

JOBSET = "jobset.sigs.k8s.io/jobset-name"  # label of a job's pods
# Seconds without a change before Python looks again whether it was signalled: a signal that comes just as a wait begins
# does not end the wait.
TICK = 1.0
REST = 60.0  # seconds that the last lines of the log may take after the end


class Follower:
    """What is known of a job, and what was said about it."""

    def __init__(self, cluster: Cluster, job: dict[str, Any], adopted: bool) -> None:
        self.cluster = cluster
        self.job = job
        self.name = job["metadata"]["name"]
        self.uid = job["metadata"]["uid"]
        self.nodes = job["spec"]["trainer"]["numNodes"]
        self.queue = job["metadata"].get("labels", {}).get("kueue.x-k8s.io/queue-name")
        self.pods: dict[str, dict[str, Any]] = {}  # by uid, those of earlier tries too
        self.logs = Logs(cluster, adopted)
        self.waiting: bool | None = None
        self.running = 0
        self.newest: dict[str, str] = {}  # uid of each node's pod, by index

    def follow(self) -> dict[str, Any]:
        """The job when it is complete or has failed."""
        changes: queue.Queue[Any] = queue.Queue()
        self.logs.start()
        for path, selector in (
            (self.cluster.jobs, {"fieldSelector": f"metadata.name={self.name}"}),
            (self.cluster.pods, {"labelSelector": f"{JOBSET}={self.name}"}),
        ):
            threading.Thread(target=_tell, args=(self.cluster, path, selector, changes), daemon=True).start()
        self._about_job(self.job, True)
        while not (condition(self.job, "Complete") or condition(self.job, "Failed")):
            try:
                change = changes.get(timeout=TICK)
            except queue.Empty:
                continue
            if isinstance(change, Exception):
                raise change
            kind, item, there = change
            (self._about_job if kind == self.cluster.jobs else self._about_pod)(item, there)
        for item in self.cluster.list(self.cluster.pods, labelSelector=f"{JOBSET}={self.name}")["items"]:
            self._about_pod(item, True)
        self.logs.finish(REST)
        return self.job

    def _about_job(self, job: dict[str, Any], there: bool) -> None:
        name = f"TrainJob {self.name}"
        if not there or job["metadata"]["uid"] != self.uid:
            raise FailedError(f"{name} was deleted by someone else; run it again: it goes on from its checkpoint")
        self.job = job
        waiting = bool(job["spec"].get("suspend"))
        if waiting and not self.waiting:
            how = "gave way to another and waits" if self.waiting is False and self.newest else "waits"
            self.cluster.say(f"{name} {how} in queue {self.queue or '(none)'}")
        elif self.waiting and not waiting:
            self.cluster.say(f"{name} is admitted")
        self.waiting = waiting

    def _about_pod(self, pod: dict[str, Any], there: bool) -> None:
        uid = pod["metadata"]["uid"]
        index = pod["metadata"].get("labels", {}).get(INDEX, "0")
        before = self.pods.get(self.newest.get(index, ""))
        self.pods[uid] = pod
        if before is None or pod["metadata"]["creationTimestamp"] >= before["metadata"]["creationTimestamp"]:
            if before is not None and before["metadata"]["uid"] != uid:
                self.cluster.say(
                    f"pod {pod['metadata']['name']} takes the place of {before['metadata']['name']} ({_end(before)})"
                )
            self.newest[index] = uid
            if index == "0" and pod["status"].get("phase") in ("Running", "Succeeded", "Failed"):
                self.logs.show(pod)
        if not there:
            pod["status"]["deleted"] = True
        states = [self.pods[uid]["status"] for uid in self.newest.values()]
        running = sum(state.get("phase") in ("Running", "Succeeded") and not state.get("deleted") for state in states)
        if running != self.running:
            self.running = running
            self.cluster.say(f"{running} of {self.nodes} pods run")


def _end(pod: dict[str, Any]) -> str:
    """In a word or two, how a pod ended."""
    for each in pod["status"].get("conditions", []):
        if each["type"] == "DisruptionTarget" and each["status"] == "True":
            return f"preempted: {each.get('reason', 'its node went')}"
    ended = terminated(pod)
    return f"exited with {ended['exitCode']}" if ended else pod["status"].get("reason", "gone")


def _tell(cluster: Cluster, path: str, selector: dict[str, str], changes: "queue.Queue[Any]") -> None:
    """Watch for ever; what ends that is told too."""
    try:
        watch(cluster, path, selector, lambda item, there: changes.put((path, item, there)))
    except Exception as error:
        changes.put(error)
