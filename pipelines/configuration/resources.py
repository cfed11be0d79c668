"""Resources that the pods of each task request, and the node pools of the cluster.

Memory is kept for a pod and bounded alike. Of the CPU little is kept by default, so that stages fit a laptop, and more
is used where it lies idle. Only compiling can set these: `gleaner compile` renders a version of the pipeline for every
configuration that asks for other pods.
"""

import re
from collections.abc import Container, Iterator
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from components.common.settings import Positive, Settings

UNITS = {"Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


def _size(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d{0,5}(Mi|Gi|Ti)", text):
        raise ValueError(f"got {text!r}, expected a size such as 512Mi or 4Gi")
    return text


def _memory(text: str) -> str:
    if not (256 << 20) <= size_bytes(_size(text)) <= (16 << 40):
        raise ValueError(f"got {text!r}, expected from 256Mi (less does not start Python) to 16Ti")
    return text


Size = Annotated[str, AfterValidator(_size)]
Memory = Annotated[str, AfterValidator(_memory)]
Cores = Annotated[float, Field(ge=0.1, le=512)]
Label = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


def size_bytes(size: str) -> int:
    """Bytes of `4Gi`."""
    return int(size[:-2]) * UNITS[size[-2:]]


class Toleration(Settings):
    """A taint of the pool's nodes that pods put up with."""

    key: Annotated[str, Field(min_length=1)]
    """Key of the taint, such as nvidia.com/gpu."""
    value: str | None = None
    """Value of the taint; null accepts every value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = "NoSchedule"
    """Effect of the taint; null accepts every effect."""


class Pool(Settings):
    """A node pool of the cluster: how pods get there, and the most that one of its nodes has to give."""

    selector: dict[str, str] = Field(default={})
    """Labels of the pool's nodes, which its pods select."""
    tolerations: list[Toleration] = Field(default=[])
    """Taints of its nodes that its pods tolerate."""
    gpu: Label | None = None
    """Type of its GPUs, by a name of your choice, such as nvidia-l4; null: it has none."""
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    """GPUs of its largest node."""
    spot: bool = False
    """Whether its nodes may be taken away at any moment."""
    queue: Label | None = None
    """Kueue's LocalQueue that admits pods to the pool; null: nothing waits for its turn."""
    cpu: Cores | None = None
    """CPU cores that its largest node leaves to pods; null: not checked."""
    memory: Memory | None = None
    """Memory that its largest node leaves to pods; null: not checked."""


class TaskResources(Settings):
    """The pods of one task."""

    cpu: Cores = 0.5
    """CPU cores that a node keeps for the pod, 0.5 is half of one. Given without `cpu_limit`, the limit too."""
    cpu_limit: Cores | None = 2
    """CPU cores that the pod may use where they lie idle; at least `threads` for a stage that trains. Null: `cpu`."""
    memory: Memory = "4Gi"
    """Memory; more than this kills the pod."""
    gpu: Label | None = None
    """Type of GPU, as a pool calls it; null: none."""
    gpus: Annotated[int, Field(ge=1, le=64)] = 1
    """GPUs of a pod, where `gpu` names a type; more than one for tasks that train on many."""
    nodes: Annotated[int, Field(ge=1, le=64)] = 1
    """Machines that train together, each with what is asked for here; the task itself becomes a small pod that starts
    and follows them.
    """
    pool: Label | None = None
    """Pool that the pods run in; null: the first that has the GPU and is spot or not, as asked, or any node where
    neither matters.
    """
    spot: bool = False
    """Cheap nodes that may be taken away: training resumes from its checkpoint, what else was done is done again."""
    priority: Label | None = None
    """Kueue's WorkloadPriorityClass, where the pool has a queue; null: the lowest. Many machines that give way come
    back as often as they must. A single pod that does is stopped by SIGTERM: it takes one of its retries where it is
    gone before Argo sees it end, and else its run fails by the exit code, so let it give way to nobody.
    """
    shm: Size | None = None
    """Size of /dev/shm, by which several GPUs of a machine add up gradients (NCCL); it counts as memory. Null: the
    container runtime's 64 MB; on one GPU or none nothing is written there.
    """
    timeout_hours: Annotated[Positive, Field(le=24 * 30)] = 4.0
    """After this a pod is stopped, and the run fails."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Times that a pod which was deleted, evicted or lost is tried again, after a minute, then two, then four. What
    ends with an exit code (bad input, a bug, too little memory) is not: Kubeflow sets Argo's retryPolicy to OnError.
    """
    cache: bool = True
    """Take the outputs of an earlier run with equal inputs, settings and image."""

    @model_validator(mode="before")
    @classmethod
    def _one_number_is_both(cls, values: Any) -> Any:
        """Without a limit of its own, `cpu` is the limit too: the default limit belongs to the default `cpu`."""
        return {"cpu_limit": None, **values} if isinstance(values, dict) and "cpu" in values else values

    @property
    def cores(self) -> float:
        """CPU cores that a pod may use."""
        return self.cpu if self.cpu_limit is None else self.cpu_limit

    @property
    def kept(self) -> float:
        """CPU cores that a node keeps for a pod: all of them where machines train together and wait for the slowest."""
        return self.cores if self.nodes > 1 else self.cpu


# Memory is what `python -m tests.bench pods` measured, and a quarter more. The most of cluster.yaml and folder.yaml
# (photographs of a megapixel, on a processor that computes in float32 alone), MiB: plan 100, pack 164, ingest 174,
# pretrain 5,691, sample 946, warmup 1,202, pseudolabel 3,181, calibrate 447, evaluate 691, release 32; /dev/shm 0.
# More where the data make it more: `pack` decodes two pictures of 100 megapixels at once (1,342 each), `sample` holds
# six kilobytes an image, `pseudolabel` keeps decoded pixels in up to an eighth of its memory.
class Resources(Settings):
    """Pods task by task; the defaults fit a small cluster: every stage a node of two cores, half of which are taken,
    and with 7 GiB to give.
    """

    # no cache: else a schedule would never see a new image
    plan: TaskResources = TaskResources(cpu=0.25, cpu_limit=1, memory="1Gi", cache=False)
    pack: TaskResources = TaskResources(timeout_hours=12)
    ingest: TaskResources = TaskResources(memory="2Gi")
    pretrain: TaskResources = TaskResources(memory="7Gi", timeout_hours=48)
    embed: TaskResources = TaskResources(memory="3Gi", timeout_hours=12)
    sample: TaskResources = TaskResources(memory="2Gi")
    warmup: TaskResources = TaskResources(memory="2Gi")
    pseudolabel: TaskResources = TaskResources(memory="5Gi", timeout_hours=24)
    calibrate: TaskResources = TaskResources(memory="2Gi")
    evaluate: TaskResources = TaskResources(memory="2Gi")
    release: TaskResources = TaskResources(cpu=0.25, cpu_limit=1, memory="1Gi")


TASKS = list(Resources.model_fields)
DISTRIBUTED = ("pretrain",)  # those that train on many GPUs and machines
TRAINING = (
    "pretrain",
    "embed",
    "sample",
    "warmup",
    "pseudolabel",
    "calibrate",
    "evaluate",
)  # those that take `threads`


def without_default_limits(resources: Any, given: Container[tuple[str, ...]]) -> Any:
    """The section `resources` of merged layers, where `cpu` that a layer gives takes the default's limit away.

    given: keys that stand in a layer, as paths from the top.
    """
    if not isinstance(resources, dict):
        return resources
    return {
        name: {**task, "cpu_limit": None}
        if isinstance(task, dict)
        and ("resources", name, "cpu") in given
        and ("resources", name, "cpu_limit") not in given
        else task
        for name, task in resources.items()
    }


def pool_of(task: TaskResources, pools: dict[str, Pool]) -> Pool | None:
    """The pool whose nodes the task's pods select; None: they may run anywhere."""
    if task.pool is not None:
        return pools[task.pool]
    if task.gpu is None and not task.spot:
        return None
    return next(pool for name, pool in pools.items() if not list(_lacks(task, name, pool)))


def misfits(resources: Resources, pools: dict[str, Pool]) -> Iterator[tuple[str, str, str]]:
    """What no node could run: task, key, and the mistake in words."""
    for name in TASKS:
        task: TaskResources = getattr(resources, name)
        if task.gpu is None and task.gpus > 1:
            yield name, "gpus", f"got {task.gpus} without a type of GPU; expected `gpu`: {_types(pools)}"
        elif name not in DISTRIBUTED and (key := "nodes" if task.nodes > 1 else "gpus" if task.gpus > 1 else ""):
            yield name, key, f"got {getattr(task, key)}, expected 1: only {' and '.join(DISTRIBUTED)} trains on many"
        elif task.cores < task.cpu:
            yield name, "cpu_limit", f"got {task.cores:g}, expected at least cpu ({task.cpu:g}), or null for as much"
        elif task.shm is not None and size_bytes(task.shm) >= size_bytes(task.memory):
            yield name, "shm", f"got {task.shm}, expected less than memory ({task.memory}), which /dev/shm is part of"
        elif task.pool is not None and task.pool not in pools:
            close = get_close_matches(task.pool, pools, n=1)
            meant = (
                f"did you mean {close[0]!r}?"
                if close
                else f"expected one of {list(pools)}"
                if pools
                else "`pools` is empty"
            )
            yield name, "pool", f"got {task.pool!r}, which is no pool; {meant}"
        elif task.gpu is not None and task.gpu not in {pool.gpu for pool in pools.values()}:
            yield name, "gpu", f"got {task.gpu!r}, which no pool has; expected {_types(pools)}"
        else:
            faults = list(_unplaceable(task, pools)) or list(_unqueued(task, pools))
            yield from ((name, key, why) for key, why in faults)


def starved(resources: Resources, threads: int) -> list[str]:
    """Training stages that may use fewer cores than they have threads, which would wait for each other."""
    return [name for name in TRAINING if getattr(resources, name).cores < threads]


def _unplaceable(task: TaskResources, pools: dict[str, Pool]) -> Iterator[tuple[str, str]]:
    """Why no pool takes the task: of the pool that it names, else of the one that comes nearest, with the same GPU if
    there is one.
    """
    if task.pool is not None:
        yield from _lacks(task, task.pool, pools[task.pool])
    elif task.gpu is not None or task.spot:
        lacking = [list(_lacks(task, name, pool)) for name, pool in pools.items()]
        if not pools:
            yield "spot", "got true, but `pools` names no pool of spot nodes"
        elif all(lacking):
            key, why = min(lacking, key=lambda faults: (faults[0][0] == "gpu", len(faults)))[-1]
            yield key, f"{why}, and no other pool fits"


def _unqueued(task: TaskResources, pools: dict[str, Pool]) -> Iterator[tuple[str, str]]:
    """What only a queue can do, and none is there for."""
    pool = pool_of(task, pools)
    if pool is not None and pool.queue is None and task.nodes > 1:
        yield (
            "nodes",
            f"got {task.nodes}, but the pool names no `queue`; expected a LocalQueue, by which many machines get "
            "to a pool",
        )
    if task.priority is not None and (pool is None or pool.queue is None):
        why = "no pool is asked for" if pool is None else "the pool names no `queue`"
        yield "priority", f"got {task.priority!r}, but {why}; expected null"


def _lacks(task: TaskResources, name: str, pool: Pool) -> Iterator[tuple[str, str]]:
    """What the task asks for and a node of the pool has not: key, and the mistake in words."""
    if task.gpu != pool.gpu:
        yield "gpu", f"got {task.gpu or 'none'}, but the nodes of pool {name!r} have {pool.gpu or 'none'}"
    elif task.gpu is not None and task.gpus > pool.gpus:
        yield "gpus", f"got {task.gpus}, but a node of pool {name!r} has {pool.gpus}"
    if task.spot != pool.spot:
        yield (
            "spot",
            f"got {str(task.spot).lower()}, but the nodes of pool {name!r} are {'' if pool.spot else 'not '}spot",
        )
    if pool.cpu is not None and task.kept > pool.cpu:
        yield "cpu", f"got {task.kept:g}, but a node of pool {name!r} has {pool.cpu:g}"
    if pool.memory is not None and size_bytes(task.memory) > size_bytes(pool.memory):
        yield "memory", f"got {task.memory}, but a node of pool {name!r} has {pool.memory}"


def _types(pools: dict[str, Pool]) -> str:
    """GPU types that can be had, for an error message."""
    types = sorted({pool.gpu for pool in pools.values() if pool.gpu})
    return f"one of {types}" if types else "a pool with GPUs in `pools` first"
