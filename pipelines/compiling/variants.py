"""Find the compiled pipeline of a configuration: its own, or one whose pods are what it asks for.

Nothing here compiles: the reconciler of schedules has no kfp, and needs the version that a configuration runs on.
"""

import re
from pathlib import Path
from typing import Any

from components.common.errors import BadInputError
from pipelines.configuration.config import RunConfig, load_config
from pipelines.configuration.resources import TASKS, TaskResources, pool_of, starved
from pipelines.configuration.schedules import on_cluster
from pipelines.configuration.version import COMMITTED, COMPILED, LATEST, MONITORED, OTHERS, PLAIN, Version

CONFIGS = COMPILED.parents[1] / "configs"
SCHEDULES = "schedules.yaml"  # lies among the run configurations and is none
TAKEN = ("kustomization", *OTHERS, COMPILED.stem)
"""Names of generated files that no configuration's version can have."""


def variants() -> dict[str, tuple[str, RunConfig]]:
    """By the name of its compiled file, each configuration that a cluster can run, and what its own file is called."""
    found: dict[str, tuple[str, RunConfig]] = {}
    for path in sorted(CONFIGS.glob("*.yaml"), key=lambda path: (path.stem != PLAIN, path)):
        if path.name == SCHEDULES:
            continue
        config = load_config(path)
        if not on_cluster(config):
            continue
        if path.stem in TAKEN:
            raise BadInputError(f"{path}: its version needs a name; expected a file name other than {TAKEN}")
        check_stem(path.stem)
        refuse_starved(config)
        found[_compiled_stem(path.stem)] = path.stem, config
    if COMPILED.stem not in found:
        raise BadInputError(f"{CONFIGS / PLAIN}.yaml: expected the configuration of the plain version, on s3://")
    return found


def check_stem(stem: str) -> None:
    """BadInputError for a file name that cannot be part of the name of a pipeline."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", stem):
        raise BadInputError(
            f"{stem}.yaml: its pipeline is named after it; expected a file name of lower-case letters, digits and "
            "dashes, at most 40"
        )


def compiled_for(config: RunConfig, stem: str, compiled: Path = COMPILED.parent, configs: Path = CONFIGS) -> Path:
    """The file of `compiled` whose pods are those of a run configuration, its own before others'; BadInputError where
    `gleaner compile` writes none.

    stem: what the configuration's file is called. configs: where the configurations lie that `compiled` is made from,
    those that are not among gleaner's own.
    """
    refuse_starved(config)
    wanted = _pods(config)
    own = _compiled_stem(stem)
    paths = [path for path in compiled.glob("*.yaml") if path.stem not in OTHERS]
    for path in sorted(paths, key=lambda path: (path.stem != own, path.stem != COMPILED.stem, path)):
        name = f"{PLAIN}.yaml" if path.stem == COMPILED.stem else path.name
        sources = [folder / name for folder in (configs, CONFIGS) if (folder / name).is_file()]
        if sources and _pods(load_config(sources[0])) == wanted:
            return path
    raise BadInputError(
        f"resources: no version of the pipeline has the pods that {config.name!r} asks for; "
        f"expected a configuration in {configs} that does, and `gleaner compile` run and committed"
    )


def needed(
    pipeline: str,
    wanted: str,
    config: RunConfig,
    stem: str,
    compiled: Path = COMPILED.parent,
    configs: Path = CONFIGS,
) -> list[Version]:
    """The version that a run or a schedule of a configuration asks for, each with its compiled file; of a watch
    (`monitoring`) that starts training runs, the version of these too, the newest where its own is.

    Of training, `committed` means the file with the configuration's pods, other words mean the configuration's own.
    The rest is as for `compiled_for`.
    """
    versions = []
    if pipeline == "monitoring":
        versions.append((wanted, compiled / MONITORED.name))
        wanted = LATEST if wanted == LATEST else COMMITTED
    if pipeline != "monitoring" or config.monitor.train:
        committed = wanted == COMMITTED
        file = compiled_for(config, stem, compiled, configs) if committed else own_or_plain(stem, compiled)
        versions.append((wanted, file))
    return versions


def own_or_plain(stem: str, compiled: Path = COMPILED.parent) -> Path:
    """The compiled file of a configuration, whatever its pods; the plain one where it has none."""
    own = compiled / f"{_compiled_stem(stem)}.yaml"
    return own if own.is_file() and stem not in OTHERS else compiled / COMPILED.name


def refuse_starved(config: RunConfig) -> None:
    """BadInputError for a training stage that may use fewer cores than it has threads."""
    for task in starved(config.resources, config.threads):
        asked: TaskResources = getattr(config.resources, task)
        key = "cpu" if asked.cpu_limit is None else "cpu_limit"
        raise BadInputError(
            f"resources.{task}.{key}: got {asked.cores:g}, "
            f"expected at least as many cores as threads ({config.threads})"
        )


def _compiled_stem(stem: str) -> str:
    return COMPILED.stem if stem == PLAIN else stem


def _pods(config: RunConfig) -> list[Any]:
    """All that compiling makes of a configuration's resources: equal pods, equal bytes."""
    pods = []
    for name in TASKS:
        task: TaskResources = getattr(config.resources, name)
        pool = pool_of(task, config.pools)
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
