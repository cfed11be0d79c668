"""`gleaner run`: the compiled DAG on this machine, by kfp's own local orchestrator.

kfp runs only Python components as local processes. While a pipeline runs here, `_seam` puts StageProcess in the place
of the class that refuses the others; order, artifacts and caching remain kfp's. Every stage is the command that its
pod would run, `python -m components.<stage> …`, and is started once: a process always ends with an exit code or by a
signal, and Kubeflow tries neither again.
"""

import contextlib
import importlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial, partialmethod
from pathlib import Path
from typing import Any, TextIO

from kfp import local
from kfp.local import (
    cache,
    config,
    executor_input_utils,
    io,
    logging_utils,
    pipeline_orchestrator,
    subprocess_task_handler,
)
from kfp.local.orchestrator import task_spec_utils
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec

from components.common.files import write_text
from components.plan.form import fill
from pipelines.configuration.config import RunConfig, show
from pipelines.configuration.source import with_state
from pipelines.local.caching import StageCache, code_digest
from pipelines.local.process import StageProcess
from pipelines.local.progress import Bars, Lines
from pipelines.local.record import Run, new_run
from pipelines.local.workdir import in_use


def run_config(settings: RunConfig, workdir: Path, display: Bars | Lines, fresh: bool = False) -> Run:
    """Run the training pipeline; raises StageError. `fresh`: every stage again, whatever the cache holds."""
    from pipelines.training import training

    arguments = fill(with_state(settings))
    with in_use(workdir):
        run = new_run(workdir, settings.name, display, settings.threads)
        write_text(run.folder / "config.yaml", show(settings))
        with display:
            run_pipeline(training.pipeline_spec, arguments, run, workdir.absolute() / "cache", fresh)
    return run


def run_pipeline(
    spec: PipelineSpec,
    arguments: dict[str, Any],
    run: Run,
    cache_folder: Path,
    fresh: bool = False,
    digest_of: Callable[[str], str] = code_digest,
) -> None:
    """Run a compiled pipeline of container components; raises StageError. `digest_of`: digests a module's code."""
    try:
        with _seam(run, StageCache(cache_folder, run.cached, fresh)):
            pipeline_orchestrator.run_local_pipeline(_as_here(spec, digest_of), arguments)
    except RuntimeError:
        if run.failure is None:
            raise
        raise run.failure from None
    finally:
        run.save(arguments)


def _as_here(spec: PipelineSpec, digest_of: Callable[[str], str]) -> PipelineSpec:
    """The same pipeline without retries, each image named after the code that runs in its place: an edited stage is a
    cache miss.
    """
    here = PipelineSpec()
    here.CopyFrom(spec)
    for executor in here.deployment_spec["executors"].values():
        module = executor["container"]["command"][-1]
        executor["container"]["image"] = f"local/{module}@sha256:{digest_of(module)}"
    for dag in [here.root.dag, *(component.dag for component in here.components.values())]:
        for task in dag.tasks.values():
            task.ClearField("retry_policy")  # kfp would start a stage again after any exit code
    return here


@contextlib.contextmanager
def _seam(run: Run, stage_cache: StageCache) -> Iterator[None]:
    """All that is changed in kfp, for as long as a pipeline runs; kfp's own words go to logs/kfp.log."""
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(run.log("kfp").open("w", encoding="utf-8", buffering=1))
        _log_to(log, stack)
        stack.enter_context(contextlib.redirect_stdout(log))
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", message=".*have no effect in the current local runner")  # limits are for pods
        _hide_docker_folder()
        _replace(stack, config.LocalExecutionConfig, "instance", None)
        local.init(local.SubprocessRunner(use_venv=False), str(run.folder.parent), str(run.folder / "workspace"))
        _replace(stack, subprocess_task_handler, "SubprocessTaskHandler", partial(StageProcess, run))
        _replace(stack, cache, "get_local_cache", lambda: stage_cache)
        _replace(stack, executor_input_utils, "get_local_pipeline_resource_name", lambda _: run.folder.name)
        _replace(stack, io.IOStore, "get_parent_input", partialmethod(_input_or_output, io.IOStore.get_parent_input))
        # they change `print` and the root logger for all threads, and two that overlap leave them changed
        for name in ("indented_print", "local_logger_context"):
            _replace(stack, logging_utils, name, contextlib.nullcontext)
        one_iteration = task_spec_utils.create_parameter_loop_iteration_task_spec
        _replace(
            stack, task_spec_utils, "create_parameter_loop_iteration_task_spec", partial(_iteration, one_iteration)
        )
        yield


def _log_to(file: TextIO, stack: contextlib.ExitStack) -> None:
    root = logging.getLogger()
    handler = logging.StreamHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s - %(levelname)s - %(message)s"))
    root.addHandler(handler)
    stack.callback(root.removeHandler, handler)
    stack.callback(root.setLevel, root.level)
    root.setLevel(logging.INFO)


def _input_or_output(store: Any, get_input: Callable[[Any, str], Any], key: str) -> Any:
    """An input of the pipeline, or what a loop goes over: kfp finds a task's output only where its name is `Output`."""
    try:
        return get_input(store, key)
    except ValueError:
        for task, outputs in store._task_output_data.items():
            for name, value in outputs.items():
                if key.removeprefix("pipelinechannel--") == f"{task}-{name}":
                    return value
        raise


def _iteration(one_iteration: Callable[..., Any], task: Any, item: Any, name: str) -> Any:
    """One iteration of a loop: kfp puts the item in the place of every output of a task that the loop takes, not only
    of the one that it goes over.
    """
    spec = one_iteration(task, item, name)
    over = task.parameter_iterator.items.input_parameter
    for key, given in task.inputs.parameters.items():
        if given.HasField("task_output_parameter") and key != over:
            spec.inputs.parameters[key].CopyFrom(given)
    return spec


def _hide_docker_folder() -> None:
    """Let kfp look for its optional `docker` library without taking this repository's folder of that name for it."""
    hidden = "docker" not in sys.modules
    if hidden:
        sys.modules["docker"] = None  # type: ignore[assignment]
    importlib.import_module("kfp.local.task_dispatcher")
    if hidden:
        del sys.modules["docker"]


def _replace(stack: contextlib.ExitStack, owner: Any, name: str, value: Any) -> None:
    stack.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)
