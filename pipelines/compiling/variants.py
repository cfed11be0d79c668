"""Find the compiled pipeline that has the pods a configuration asks for; configurations with equal pods share one.

Nothing here compiles: the reconciler of schedules has no kfp, and needs the version that a configuration runs on.
"""

from pathlib import Path
from typing import Any

from components.common.errors import BadInputError
from pipelines.configuration.config import RunConfig, load_config
from pipelines.configuration.resources import TASKS, Pool, Resources, TaskResources, pool_of, starved
from pipelines.configuration.version import COMPILED

CONFIGS = COMPILED.parents[1] / "configs"
SCHEDULES = "schedules.yaml"  # lies among the run configurations and is none
TAKEN = ("kustomization", "pipeline", "training")
"""Names of generated files that no configuration's version can have."""
Variant = tuple[Resources, dict[str, Pool]]


def variants() -> dict[str, Variant]:
    """Resources and pools of every version to be had on the cluster, by file name: the default, and those that ask for
    other pods.
    """
    found: dict[str, Variant] = {COMPILED.stem: (Resources(), {})}
    for path in sorted(CONFIGS.glob("*.yaml")):
        if path.name == SCHEDULES:
            continue
        config = load_config(path)
        refuse_starved(config)
        variant = config.resources, config.pools
        if _pods(*variant) in [_pods(*other) for other in found.values()]:
            continue
        if path.stem in TAKEN:
            raise BadInputError(
                f"{path}: asks for pods of its own, and its version needs a name; expected a file name other "
                f"than {TAKEN}"
            )
        found[path.stem] = variant
    return found


def compiled_for(config: RunConfig, compiled: Path = COMPILED.parent, configs: Path = CONFIGS) -> Path:
    """The file of `compiled` whose pods are those of a run configuration; BadInputError where `gleaner compile` writes
    none.

    configs: where the configurations lie that the others in `compiled` are named after.
    """
    refuse_starved(config)
    wanted = _pods(config.resources, config.pools)
    for path in sorted(compiled.glob("*.yaml"), key=lambda path: (path.stem != COMPILED.stem, path)):
        if path.stem == COMPILED.stem:
            variant: Variant = (Resources(), {})
        elif (configs / path.name).is_file():
            other = load_config(configs / path.name)
            variant = other.resources, other.pools
        else:
            continue
        if _pods(*variant) == wanted:
            return path
    raise BadInputError(
        f"resources: no version of the pipeline has the pods that {config.name!r} asks for; "
        f"expected a configuration in {configs} that does, and `gleaner compile` run and committed"
    )


def refuse_starved(config: RunConfig) -> None:
    """BadInputError for a training stage that may use fewer cores than it has threads."""
    for task in starved(config.resources, config.threads):
        asked: TaskResources = getattr(config.resources, task)
        key = "cpu" if asked.cpu_limit is None else "cpu_limit"
        raise BadInputError(
            f"resources.{task}.{key}: got {asked.cores:g}, "
            f"expected at least as many cores as threads ({config.threads})"
        )


def _pods(resources: Resources, pools: dict[str, Pool]) -> list[Any]:
    """All that compiling makes of them: equal pods, equal bytes."""
    pods = []
    for name in TASKS:
        task: TaskResources = getattr(resources, name)
        pool = pool_of(task, pools)
        pods.append(
            (
                task.kept,
                task.cores,
                task.memory,
                task.gpus if task.gpu else 0,
                task.shm,
                round(task.timeout_hours * 3600),
                task.retries,
                task.cache,
                task.nodes,
                task.priority,
                *([pool.selector, pool.tolerations, pool.queue] if pool else [{}, [], None]),
            )
        )
    return pods
