"""The log of node 0, line by line to stdout, over restarts of the pod, of the connection and of the launcher."""

import sys
import threading
from typing import Any

from components.common.errors import BadInputError
from components.common.trainjob.cluster import BrokenError, Cluster, GoneError
from components.common.trainjob.spec import NODE

SILENCE = 600  # seconds without a line until the connection is taken for dead
PAUSE = 0.5  # seconds between looks at a log that has ended while its pod runs
TAIL = 20  # lines of what was logged before this launcher started


class Logs(threading.Thread):
    """Follows one pod after another; `show` names the next, `finish` waits for the rest of the last."""

    def __init__(self, cluster: Cluster, adopted: bool) -> None:
        super().__init__(daemon=True)
        self.cluster = cluster
        self.tail = adopted
        self.changed = threading.Condition()
        self.pod: dict[str, Any] | None = None
        self.over = False
        self.last, self.same = "", 0  # time of the last line of the pod, and how many lines have it

    def show(self, pod: dict[str, Any]) -> None:
        """Follow this pod from now on, or learn how it is now."""
        with self.changed:
            self.pod = pod
            self.changed.notify()

    def finish(self, seconds: float) -> None:
        with self.changed:
            self.over = True
            self.changed.notify()
        self.join(seconds)

    def run(self) -> None:
        followed, attempt = "", 0
        while (pod := self._next(followed)) is not None:
            uid = pod["metadata"]["uid"]
            if uid != followed.partition(" ")[0]:
                self.last, self.same = "", 0
            ended = pod["status"]["phase"] in ("Succeeded", "Failed") or self.over
            try:
                self._copy(pod, follow=not ended)
                attempt = 0
            except GoneError:
                ended = True
            except BadInputError as error:
                self.cluster.say(f"the log of pod {pod['metadata']['name']} cannot be read, the job goes on: {error}")
                ended = True
            except BrokenError as error:
                self.cluster.pause(error, attempt)
                attempt += 1
                ended = False
            self.tail = False
            followed = f"{uid} {'ended' if ended else 'runs'}"

    def _next(self, followed: str) -> dict[str, Any] | None:
        """The pod to read now; None where all is read and nothing more comes."""
        uid, _, how = followed.partition(" ")
        with self.changed:
            if how == "runs":
                self.changed.wait(0 if self.over else PAUSE)
                return self.pod
            while self.pod is None or self.pod["metadata"]["uid"] == uid:
                if self.over:
                    return None
                self.changed.wait()
            return self.pod

    def _copy(self, pod: dict[str, Any], follow: bool) -> None:
        """Print what the log holds after the last printed line."""
        since = {"sinceTime": self.last[:19] + "Z"} if self.last else {"tailLines": str(TAIL)} if self.tail else {}
        query = {"container": NODE, "timestamps": "true", "follow": str(follow).lower(), **since}
        shown = self.last
        skip = self.same
        for line in self.cluster.lines(f"{self.cluster.pods}/{pod['metadata']['name']}/log", query, SILENCE):
            time, _, text = line.decode(errors="replace").partition(" ")
            if shown and time <= shown:  # sinceTime knows whole seconds only
                skip -= time == shown
                if time < shown or skip >= 0:
                    continue
            shown = ""  # later lines may be a little older than their neighbours: two streams are one log
            self.same = self.same + 1 if time == self.last else self.same if time < self.last else 1
            self.last = max(self.last, time)
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
