"""Configure the pods of the DAG's tasks: resources, node pools, credentials, and Pod Security `restricted`."""

import functools
import json
from typing import Any

from kfp import dsl, kubernetes
from kfp.dsl.graph_component import GraphComponent
from kfp.dsl.pipeline_context import Pipeline

from components.common.component import images
from pipelines.configuration.batch import BatchResources
from pipelines.configuration.monitoring import MonitorResources
from pipelines.configuration.resources import Pool, Resources, TaskResources, pool_of

STORAGE = "gleaner-storage"
"""ConfigMap and Secret, each optional, with what a pod needs to reach the object store."""
ADDRESS = ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION")
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
GIT = "gleaner-git"
"""Secret, optional, by which `release` pushes a promotion."""
PUSHES = ("GLEANER_GIT_USERNAME", "GLEANER_GIT_TOKEN")
SIGNING, SIGNING_KEY = "gleaner-signing", "/etc/gleaner/signing"
"""Secret, optional, with the key that signs releases, and where `release` finds it."""
KUBEFLOW = "gleaner-kubeflow"
"""ConfigMap, optional, with where `decide` finds Kubeflow's API and people its UI, if not at their usual addresses."""
ADDRESSES = ("KF_PIPELINES_ENDPOINT", "KF_PIPELINES_UI_ENDPOINT")
ROLES = ("data", "report", "train")
"""Images that the pods of a run are of; `release` writes their references into the provenance."""
GPU = "nvidia.com/gpu"
QUEUE, PRIORITY = "kueue.x-k8s.io/queue-name", "kueue.x-k8s.io/priority-class"
BACKOFF = "60s"
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - where it is mounted, nothing is written
LAUNCHER = {"cpu": "1", "memory": "2Gi"}
"""What a pod needs that only starts a TrainJob and follows it."""


def with_pods(
    pipeline: GraphComponent, resources: Resources | BatchResources | MonitorResources, pools: dict[str, Pool]
) -> GraphComponent:
    """The same pipeline, traced again with what each task asks of the cluster."""

    @functools.wraps(pipeline.pipeline_func)
    def traced(*channels: Any) -> None:
        pipeline.pipeline_func(*channels)
        for name, task in Pipeline.get_default_pipeline().tasks.items():
            asked: TaskResources = getattr(resources, name)
            pool = pool_of(asked, pools)
            if asked.nodes > 1:
                _launch(task, asked, pool)
            else:
                _size(task, asked)
                _place(task, asked, pool)
            _keep(task, asked)
            _secure(task, name)

    return dsl.pipeline(name=pipeline.name, description=pipeline.description)(traced)


def _size(task: dsl.PipelineTask, asked: TaskResources) -> None:
    """Set what a node keeps for the pod and what it may use; of memory the same, so that a pod is never evicted for a
    neighbour's.
    """
    _bound(task, f"{asked.kept:g}", asked.memory)
    task.set_cpu_limit(f"{asked.cores:g}")
    if asked.gpu is not None:
        task.set_accelerator_type(GPU).set_accelerator_limit(asked.gpus)
    if asked.shm is not None:
        kubernetes.empty_dir_mount(
            task, volume_name="shm", mount_path=SHARED_MEMORY, medium="Memory", size_limit=asked.shm
        )


def _bound(task: dsl.PipelineTask, cpu: str, memory: str) -> None:
    task.set_cpu_request(cpu).set_cpu_limit(cpu).set_memory_request(memory).set_memory_limit(memory)


def _launch(task: dsl.PipelineTask, asked: TaskResources, pool: Pool | None) -> None:
    """A small pod, told by its environment to start a TrainJob of what was asked for (components/common/trainjob)."""
    _bound(task, **LAUNCHER)
    image = task.container_spec.image
    job = {
        "image": image,
        "nodes": asked.nodes,
        "cpu": f"{asked.kept:g}",
        "memory": asked.memory,
        "gpus": asked.gpus if asked.gpu else 0,
        "queue": pool.queue if pool else None,
        "priority": asked.priority,
    }
    task.set_env_variable("GLEANER_TRAINJOB", json.dumps(job))
    for variable, field in (("POD_NAME", "metadata.name"), ("POD_NAMESPACE", "metadata.namespace")):
        kubernetes.use_field_path_as_env(task, variable, field)


def _keep(task: dsl.PipelineTask, asked: TaskResources) -> None:
    """Set the time limit, the retries and the caching of a task.

    What is tried again is Argo's `retryPolicy`, which the SDK has no word for: Kubeflow's own, OnError, stays.
    """
    kubernetes.set_timeout(task, round(asked.timeout_hours * 3600))
    if asked.retries:
        task.set_retry(asked.retries, backoff_duration=BACKOFF, backoff_factor=2)
    task.set_caching_options(asked.cache)


def _place(task: dsl.PipelineTask, asked: TaskResources, pool: Pool | None) -> None:
    """Nodes of the pool, when its queue says so. Kubeflow's driver pods carry no such label, and wait for nobody."""
    if pool is None:
        return
    for key, name in ((QUEUE, pool.queue), (PRIORITY, asked.priority)):
        if name is not None:
            kubernetes.add_pod_label(task, key, name)
    for label, value in pool.selector.items():
        kubernetes.add_node_selector(task, label, value)
    for taint in pool.tolerations:
        kubernetes.add_toleration(
            task,
            key=taint.key,
            operator="Exists" if taint.value is None else "Equal",
            value=taint.value,
            effect=taint.effect,
        )


def _secure(task: dsl.PipelineTask, name: str) -> None:
    """A label to select the pods by, where the object store is, and a user who is not root; Kubeflow sets the rest
    itself.
    """
    kubernetes.add_pod_label(task, "app.kubernetes.io/part-of", "gleaner")
    kubernetes.add_pod_label(task, "app.kubernetes.io/component", name)
    kubernetes.use_config_map_as_env(task, STORAGE, {key: key for key in ADDRESS}, optional=True)
    kubernetes.use_secret_as_env(task, STORAGE, {key: key for key in CREDENTIALS}, optional=True)
    if name == "release":
        kubernetes.use_secret_as_env(task, GIT, {key: key for key in PUSHES}, optional=True)
        kubernetes.use_secret_as_volume(task, SIGNING, SIGNING_KEY, optional=True)
        task.set_env_variable("GLEANER_IMAGES", json.dumps({role: images()[role] for role in ROLES}, sort_keys=True))
    if name == "decide":  # it starts a run, in its own namespace; Kubeflow itself has mounted a token
        kubernetes.use_config_map_as_env(task, KUBEFLOW, {key: key for key in ADDRESSES}, optional=True)
        kubernetes.use_field_path_as_env(task, "KF_PIPELINES_NAMESPACE", "metadata.namespace")
    kubernetes.set_security_context(task, run_as_non_root=True)
