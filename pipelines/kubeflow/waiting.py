"""Tell of pods that have not begun: Kubeflow calls their tasks running, while no node can take them."""

from collections.abc import Callable
from time import monotonic

from components.common.kubeflow.server import Kubeflow
from pipelines.kubeflow.workflow import Pod, read_pods, restarted

LOOK = 15.0  # seconds between looks at the pods of a run
SLOW = 60.0  # seconds within which a pod begins, where a node has room and its image


class Waiting:
    """What was said of the pods of one run, so that each thing is said once."""

    def __init__(self, server: Kubeflow, run_id: str, say: Callable[[str], None]) -> None:
        self._server = server
        self._run_id = run_id
        self._say = say
        self._next = monotonic() + LOOK
        self._since: dict[str, float] = {}  # when a pod that has not begun was first seen, by its place; "": none was
        self._told: set[tuple[str, ...]] = set()

    def look(self) -> None:
        """Say which pods have not begun, with the reason when it is another one, and which were started again."""
        now = monotonic()
        if now < self._next:
            return
        self._next = now + LOOK
        pods = read_pods(self._server, self._run_id)
        if pods is None:
            self._guess(now)
            return
        self._since = {
            place: self._since.get(place, now) for place in (_place(pod) for pod in pods if pod.phase == "Pending")
        }
        for pod in restarted(pods):
            self._once((_place(pod), "again"), f"{pod.task}: started again ({pod.reason or pod.phase.lower()})")
        for pod in pods:
            waited = now - self._since.get(_place(pod), now)
            if pod.phase == "Pending" and waited >= SLOW:
                reason = f": {pod.reason}" if pod.reason else ""
                self._once(
                    (pod.task, str(pod.attempt), pod.reason),  # the packing pods share a line
                    f"{pod.task}: has not begun for {waited // 60:.0f} min{reason}; "
                    f"see {kubectl(self._server)} describe pod -l pipeline/runid={self._run_id}{pod.labels}",
                )

    def _guess(self, now: float) -> None:
        """Where the server tells nothing of pods, say what does."""
        if now - self._since.setdefault("", now) >= SLOW:
            self._once(
                ("",),
                f"note: this server does not tell whether the pods of a task have begun; "
                f"see {kubectl(self._server)} get pods -l pipeline/runid={self._run_id}",
            )

    def _once(self, what: tuple[str, ...], line: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._say(line)


def kubectl(server: Kubeflow) -> str:
    """How a command begins that looks at pods of a run."""
    return f"kubectl -n {server.namespace or 'kubeflow'}"


def _place(pod: Pod) -> str:
    return f"{pod.node}({pod.attempt})"
