"""Keep only the direct dependencies of tasks: the order is the same, and Kubeflow's UI draws an edge for each."""

from collections.abc import Mapping, Set
from typing import Any

from kfp.dsl.graph_component import GraphComponent


def direct(needs: Mapping[str, Set[str]], special: Set[str] = frozenset()) -> dict[str, set[str]]:
    """The transitive reduction of a graph without circles: each task -> those it waits for that no other of them waits
    for.

    special: tasks that may run where one that they wait for has failed; they keep all they wait for, and nobody relies
    on them to have waited.
    """
    known: dict[str, set[str]] = {}

    def above(task: str) -> set[str]:
        """All that have succeeded when this task runs."""
        if task not in known:
            known[task] = set().union(*({need} | above(need) for need in needs[task])) if task not in special else set()
        return known[task]

    return {
        task: set(wanted) if task in special else set(wanted) - set().union(*map(above, wanted))
        for task, wanted in needs.items()
    }


def with_direct_order(pipeline: GraphComponent) -> GraphComponent:
    """The same pipeline, each task waiting for the direct ones only, in loops and branches too."""
    spec = pipeline.pipeline_spec
    for component in [spec.root, *spec.components.values()]:
        tasks: Mapping[str, Any] = component.dag.tasks
        needs = direct(
            {name: set(task.dependent_tasks) for name, task in tasks.items()},
            {name for name, task in tasks.items() if task.HasField("trigger_policy")},
        )
        for name, task in tasks.items():
            task.dependent_tasks[:] = sorted(needs[name])
    return pipeline
