"""What a Kubernetes API server keeps of TrainJobs and pods: versions, a history for watches, logs that grow, faults on
demand.
"""

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

INDEX = "batch.kubernetes.io/job-completion-index"


class RefusedError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class DeletedError(Exception):
    """The job that a script plays is gone."""


@dataclass
class Fault:
    """One answer that goes wrong: the first that fits is used up."""

    verb: str  # create, get, list, watch, patch, delete or log
    status: int = 0  # 0: the connection is cut
    after: bool = False  # the work is done all the same
    lines: int = -1  # of a watch or a log that come before it; then the connection is cut within a line
    event: int = 0  # code of an ERROR event instead
    retry_after: int | None = None
    message: str = "upstream connect error"


@dataclass
class State:
    """One namespace. script: what a controller does with each job that is made; it runs in a thread of its own."""

    namespace: str = "team"
    script: Callable[["State", dict[str, Any]], None] = lambda state, job: None
    lock: threading.Condition = field(default_factory=threading.Condition)
    objects: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {"trainjobs": {}, "pods": {}})
    history: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    oldest: int = 0  # version before which the history is forgotten
    logs: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    before: dict[str, Callable[[], None]] = field(default_factory=dict)  # by verb: done once, before the next of them
    missing_crd: bool = False
    rights: set[str] = field(default_factory=set)  # `resource: verb` that were asked for
    requests: list[str] = field(default_factory=list)
    made: int = 0  # jobs ever
    errors: list[BaseException] = field(default_factory=list)  # of scripts
    url: str = ""
    versions: Any = field(default_factory=lambda: itertools.count(100))
    version: int = 0

    def put(self, kind: str, item: dict[str, Any], event: str = "MODIFIED") -> None:
        """Store a new version of an object, or remove it, and let watches know."""
        with self.lock:
            self.version = next(self.versions)
            item["metadata"]["resourceVersion"] = str(self.version)
            if event == "DELETED":
                del self.objects[kind][item["metadata"]["name"]]
            else:
                self.objects[kind][item["metadata"]["name"]] = item
            self.history.append((self.version, event, {**_copy(item), "kind": kind}))
            self.lock.notify_all()

    def create_job(self, job: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            name = job["metadata"]["name"]
            if name in self.objects["trainjobs"]:
                raise RefusedError(409, f'trainjobs.trainer.kubeflow.org "{name}" already exists')
            self.made += 1
            if self.objects["trainjobs"]:
                self.errors.append(AssertionError("more than one job at a time"))
            job["metadata"] |= {"uid": f"job-{self.made}", "namespace": self.namespace, "creationTimestamp": now()}
            job["status"] = {}
            self.put("trainjobs", job, "ADDED")
        threading.Thread(target=self._play, args=(job,), daemon=True).start()
        return job

    def _play(self, job: dict[str, Any]) -> None:
        try:
            self.script(self, job)
        except DeletedError:
            pass
        except BaseException as error:
            self.errors.append(error)

    def delete_job(self, name: str) -> dict[str, Any]:
        """Foreground: the job's pods go first."""
        with self.lock:
            job = self.objects["trainjobs"][name]
            job["metadata"]["deletionTimestamp"] = now()
            for pod in list(self.objects["pods"].values()):
                if pod["metadata"]["labels"].get("jobset.sigs.k8s.io/jobset-name") == name:
                    self.put("pods", pod, "DELETED")
            self.put("trainjobs", job, "DELETED")
            return job

    def set_owners(self, name: str, owners: list[dict[str, Any]]) -> dict[str, Any]:
        with self.lock:
            job = self.objects["trainjobs"][name]
            job["metadata"]["ownerReferences"] = owners
            self.put("trainjobs", job)
            return job

    def collect(self, owner: str) -> None:
        """Garbage collection once this owner is gone: a job of nobody else goes, of another loses the reference."""
        with self.lock:
            for name, job in list(self.objects["trainjobs"].items()):
                owners = job["metadata"]["ownerReferences"]
                others = [each for each in owners if each["uid"] != owner]
                if not others:
                    self.delete_job(name)
                elif others != owners:
                    self.set_owners(name, others)

    def owners(self) -> list[str]:
        """Names of those of the only job; none where there is none."""
        with self.lock:
            jobs = list(self.objects["trainjobs"].values())
            return [each["name"] for job in jobs for each in job["metadata"]["ownerReferences"]]

    def forget(self) -> None:
        """The history up to now, as etcd's compaction does."""
        with self.lock:
            self.oldest = self.version

    def fault(self, verb: str) -> Fault | None:
        with self.lock:
            found = next((fault for fault in self.faults if fault.verb == verb), None)
            if found:
                self.faults.remove(found)
            return found

    # What a script does, each only while the job is there.

    def job(self, job: dict[str, Any], **changes: Any) -> None:
        with self.lock:
            self._alive(job)
            for key, value in changes.items():
                if key == "suspend":
                    job["spec"]["suspend"] = value
                else:
                    others = [each for each in job["status"].get("conditions", []) if each["type"] != key]
                    job["status"]["conditions"] = [
                        *others,
                        {"type": key, "status": "True", "message": value, "reason": "Jobs"},
                    ]
            self.put("trainjobs", job)

    def pod(self, job: dict[str, Any], index: int, suffix: str, phase: str = "Running") -> dict[str, Any]:
        name = f"{job['metadata']['name']}-node-0-{index}-{suffix}"
        labels = {"jobset.sigs.k8s.io/jobset-name": job["metadata"]["name"], INDEX: str(index)}
        pod = {
            "metadata": {
                "name": name,
                "uid": f"uid-{job['metadata']['uid']}-{index}-{suffix}",
                "labels": labels,
                "creationTimestamp": now(),
                "namespace": self.namespace,
            },
            "status": {"phase": phase},
        }
        with self.lock:
            self._alive(job)
            self.put("pods", pod, "ADDED")
            self.logs[name] = []
        return pod

    def say(self, job: dict[str, Any], pod: dict[str, Any], *lines: str) -> None:
        for line in lines:
            with self.lock:
                self._alive(job)
                self.logs[pod["metadata"]["name"]].append((now(9), line))
                self.lock.notify_all()

    def end(
        self,
        job: dict[str, Any],
        pod: dict[str, Any],
        code: int,
        finished: str | None = None,
        reason: str = "Error",
        **status: Any,
    ) -> None:
        with self.lock:
            self._alive(job)
            pod["status"] |= {
                "phase": "Failed" if code else "Succeeded",
                **status,
                "containerStatuses": [
                    {
                        "name": "node",
                        "state": {"terminated": {"exitCode": code, "finishedAt": finished or now(), "reason": reason}},
                    }
                ],
            }
            self.put("pods", pod)

    def _alive(self, job: dict[str, Any]) -> None:
        here = self.objects["trainjobs"].get(job["metadata"]["name"])
        if here is None or here["metadata"]["uid"] != job["metadata"]["uid"]:
            raise DeletedError

    def wait(self, until: Callable[[], Any], seconds: float = 30) -> None:
        """Until something holds; for tests, too."""
        end = time.monotonic() + seconds
        with self.lock:
            while not until():
                assert time.monotonic() < end, "it never came"
                self.lock.wait(0.05)


def now(digits: int = 0) -> str:
    time.sleep(1e-5)  # so that no two are equal
    text = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return (text.ljust(20 + digits, "0")[: 20 + digits] if digits else text[:19]) + "Z"


def _copy(item: Any) -> Any:
    if isinstance(item, dict):
        return {key: _copy(value) for key, value in item.items()}
    return [_copy(each) for each in item] if isinstance(item, list) else item
