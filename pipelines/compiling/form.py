"""Fill the form of a compiled pipeline with the values of a configuration, and offer choices where they are few."""

import functools
import inspect
from typing import Any

from kfp import dsl
from kfp.dsl.graph_component import GraphComponent

from components.plan.form import choices, fill
from pipelines.configuration.batch import BatchResources
from pipelines.configuration.config import RunConfig
from pipelines.configuration.monitoring import MonitorResources
from pipelines.configuration.resources import Resources, TaskResources, size_bytes
from pipelines.configuration.version import pipeline_name


def with_form(pipeline: GraphComponent, config: RunConfig, stem: str) -> GraphComponent:
    """The same pipeline, traced again as that of a configuration, whose file is called `stem`: its name and description
    say so, and the values of its form are those that `gleaner submit` gives.
    """
    function = pipeline.pipeline_func
    values = fill(config)

    @functools.wraps(function)
    def traced(*channels: Any) -> None:
        function(*channels)

    signature = inspect.signature(function)
    parameters = [each.replace(default=values[key]) for key, each in signature.parameters.items()]
    traced.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    needs = asks(config.resources)
    filled = dsl.pipeline(
        name=pipeline_name(stem),
        display_name=f"{stem}: {needs}",
        description=f"{pipeline.description} Its form is filled in as {stem}.yaml says: {config.name}, from "
        f"{config.source}. Its largest task gets {needs}.",
    )(traced)
    for key, parameter in filled.pipeline_spec.root.input_definitions.parameters.items():
        for choice in choices(key):
            parameter.literals.add(string_value=choice)  # the SDK has no word for it; the UI makes a list of them
    return filled


def asks(resources: Resources | BatchResources | MonitorResources) -> str:
    """The most that a task gets, in words: `up to 2 CPU, 6Gi` or `2 nodes of up to 40 CPU, 160Gi, 4 nvidia-l4`."""
    tasks: list[TaskResources] = [getattr(resources, task) for task in type(resources).model_fields]
    most = max(tasks, key=lambda task: (task.nodes * task.gpus if task.gpu else 0, task.nodes, size_bytes(task.memory)))
    nodes = f"{most.nodes} nodes of " if most.nodes > 1 else ""
    gpus = f", {most.gpus} {most.gpu}" if most.gpu else ""
    return f"{nodes}up to {most.cpu_limit or most.cpu:g} CPU, {most.memory}{gpus}"
