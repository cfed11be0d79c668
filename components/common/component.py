"""The only place that builds a ContainerSpec: every stage is `python -m components.<stage> --flag value …`."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from kfp import dsl

IMAGES = Path(__file__).parents[2] / "docker" / "images.json"


@cache
def images() -> dict[str, str]:
    """Image references by role (data, train, report, serve); `docker/images.json` is their only home."""
    return json.loads(IMAGES.read_text(encoding="utf-8"))


def stage(name: str, /, image: str, **flags: Any) -> dsl.ContainerSpec:
    """The container of one stage; a flag for each argument, and Kubeflow's executor input for metrics and figures."""
    arguments: list[Any] = ["--executor-input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]
    for key, value in flags.items():
        arguments += ["--" + key.replace("_", "-"), value]
    return dsl.ContainerSpec(image=images()[image], command=["python", "-m", f"components.{name}"], args=arguments)
