"""The watch over what a configuration releases: resources of its pods, and the parameters of its pipeline."""

from typing import Any

from components.common.settings import Settings
from components.plan.form import fill
from pipelines.configuration.config import RunConfig
from pipelines.configuration.resources import TaskResources
from pipelines.configuration.version import Version, named, pipeline_of


# No cache: a look is at what has come since the last one.
# Memory is for 100,000 embeddings in `compare`, and for images that `collect` classifies as batch prediction does.
class MonitorResources(Settings):
    """Pods task by task; that which only asks Kubeflow for a run is small."""

    collect: TaskResources = TaskResources(memory="3Gi", timeout_hours=12, cache=False)
    compare: TaskResources = TaskResources(memory="2Gi", cache=False)
    decide: TaskResources = TaskResources(cpu=0.25, cpu_limit=1, memory="1Gi", cache=False)


def release_of(config: RunConfig) -> str:
    """Where the releases of a configuration's model are; its champion is watched."""
    return f"{config.store.rstrip('/')}/releases/{config.name}"


def watch(config: RunConfig, training: dict[str, Any], source: str = "") -> dict[str, Any]:
    """The parameters of the watch. training: how an alarm starts a training run; {}: none is started.

    source: images that the release answers for first; empty: what it answered by the serving log.
    """
    return {
        "release": release_of(config),
        "source": source,
        "settings": config.monitor.model_dump(mode="json", exclude_defaults=True),
        "training": training,
    }


def on_kubeflow(config: RunConfig, version: Version, experiment: str, service_account: str) -> dict[str, Any]:
    """How an alarm starts a training run of a configuration, by this version of its pipeline; {} where `monitor.train`
    is off.
    """
    if not config.monitor.train:
        return {}
    return {
        "kubeflow": {
            "pipeline": pipeline_of(*version),
            "version": named(*version),
            "experiment": experiment,
            "service_account": service_account,
        },
        "parameters": fill(config),
    }
