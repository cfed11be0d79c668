"""Run a stage as a TrainJob on many machines: upload its inputs, start the job, follow it, download its outputs."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import BaseModel

from components.common.errors import BadInputError, FailedError
from components.common.files import sha256_tree
from components.common.learning.distributed import node_command
from components.common.remote import download, upload
from components.common.trainjob.claim import claim
from components.common.trainjob.cluster import Cluster
from components.common.trainjob.failure import failed
from components.common.trainjob.follow import Follower
from components.common.trainjob.owners import leave, this_run
from components.common.trainjob.place import clean, new_place, place_of
from components.common.trainjob.spec import VARIABLE, condition, job_key, job_object, read_spec

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class CancelledError(BaseException):
    """The run was cancelled; not an Exception, so that nothing on the way takes it for a fault."""


def launch(stage: str, values: dict[str, Any], written: set[str]) -> dict[str, dict[str, Any]]:
    """Run a stage as a TrainJob; returns what the stage said about each output. written: names of its outputs."""
    spec = read_spec(os.environ[VARIABLE])
    if not values["store"].startswith("s3://"):
        raise BadInputError(
            f"store: got {values['store']!r}, which other machines do not see; expected s3://bucket/prefix"
        )
    paths = {name: value for name, value in values.items() if isinstance(value, Path)}
    inputs, outputs = (
        {name: path for name, path in paths.items() if (name in written) == is_output} for is_output in (False, True)
    )
    flags = {name: _text(value) for name, value in values.items() if name not in paths}
    key = job_key(stage, spec, flags, {name: sha256_tree(path) for name, path in inputs.items()})
    name = f"gleaner-{stage}-{key}"
    with _cancellable() as cancel:
        cluster = Cluster(os.environ["POD_NAMESPACE"], lambda line: _say(f"{stage}: {line}\n"))
        owner, pod = this_run(cluster)
        cancel.append((cluster, name, owner))

        def prepare() -> dict[str, Any]:
            place = new_place(values["store"], stage, key, pod)
            for input_name, path in inputs.items():
                upload(path, f"{place}/{input_name}")
            command = node_command(stage, flags | {each: f"{place}/{each}" for each in paths})
            return job_object(name, stage, spec, command, [owner])

        job, adopted = claim(cluster, name, owner, prepare)
        cluster.say(
            f"TrainJob {name} {'is there already, going on with it' if adopted else 'is made'} ({spec.nodes} nodes)"
        )
        follower = Follower(cluster, job, adopted)
        job = follower.follow()
        if condition(job, "Failed"):
            raise failed(cluster, stage, job, follower.pods)
        about = _fetch(cluster, job, outputs)
        if not leave(cluster, name, owner):
            clean(job)
    return about


def _fetch(cluster: Cluster, job: dict[str, Any], outputs: dict[str, Path]) -> dict[str, dict[str, Any]]:
    """Outputs to where the stage would have written them; returns what it said about each."""
    place = place_of(job)
    try:
        return {name: download(f"{place}/{name}", path).get("metadata", {}) for name, path in outputs.items()}
    except BadInputError as error:  # somebody has cleaned the store
        cluster.delete(job["metadata"]["name"], job["metadata"]["uid"])
        name = job["metadata"]["name"]
        raise FailedError(
            f"TrainJob {name} is complete, but its outputs are gone: {error}; run it again: it trains anew"
        ) from None


def _cancel(cluster: Cluster, name: str, owner: dict[str, Any]) -> None:
    try:
        job = cluster.get(f"{cluster.jobs}/{name}")
        others = leave(cluster, name, owner)
        if job is not None and not others:
            clean(job)
    except (BadInputError, FailedError) as error:
        cluster.say(f"cancelled, but {error}; kubectl -n {cluster.namespace} delete trainjob {name}")
    else:
        how = f"goes on for {others}" if others else "is deleted, its checkpoint stays"
        cluster.say(f"cancelled: TrainJob {name} {how}")


def _text(value: Any) -> str:
    return value.model_dump_json() if isinstance(value, BaseModel) else str(value)


def _say(line: str) -> None:
    """Write a line at once: between the two writes of `print`, a signal would put its own line behind this one."""
    sys.stderr.write(line)
    sys.stderr.flush()


@contextmanager
def _cancellable() -> Iterator[list[tuple[Cluster, str, dict[str, Any]]]]:
    """On SIGTERM or SIGINT leave the named job, which goes with its last owner, and exit as those signals do. Its
    checkpoint in the store stays.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # the job must go before we do
        raise CancelledError(number)

    named: list[tuple[Cluster, str, dict[str, Any]]] = []
    before = {each: signal.signal(each, stop) for each in SIGNALS}
    try:
        yield named
    except CancelledError as cancelled:
        for cluster, name, owner in named:
            _cancel(cluster, name, owner)
        raise SystemExit(128 + cancelled.args[0]) from None
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
