"""Find pipelines, their versions and experiments on a server; make the experiment where there is none."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import kfp_server_api

from components.common.errors import BadInputError
from components.common.kubeflow import LATEST
from components.common.kubeflow import server as connection
from components.common.kubeflow.server import AbsentError, ConflictError, Kubeflow, TransientError, predicate

T = TypeVar("T")


@dataclass(frozen=True)
class Reference:
    """What the server starts: this version, or without one the newest at the time of each start."""

    pipeline_id: str
    version_id: str | None


def find_version(server: Kubeflow, name: str, of: str) -> Reference | None:
    """The version of this name of a pipeline, or of `latest` the pipeline once it has a version; None where the server
    has it not (yet).
    """
    pipeline = find_pipeline(server, of)
    if pipeline is None:
        return None
    # No filter: a server that keeps pipelines in Kubernetes knows none but "is a part of". What is looked for is among
    # the newest.
    for version in server.pages(
        server.pipelines.pipeline_service_list_pipeline_versions,
        "pipeline_versions",
        pipeline,
        size=20,
        sort_by="created_at desc",
    ):
        if name == LATEST:
            return Reference(pipeline, None)
        if name == (version.name or version.display_name):
            return Reference(pipeline, version.pipeline_version_id)
    return None


def find_pipeline(server: Kubeflow, name: str) -> str | None:
    """The id of a pipeline: the namespace's own, else the one that all namespaces share."""
    for namespace in dict.fromkeys([server.namespace, ""]):
        try:
            pipeline = server.read(server.pipelines.pipeline_service_get_pipeline_by_name, name, namespace=namespace)
        except TransientError:
            raise
        except BadInputError as error:
            if namespace == server.namespace and not isinstance(error, AbsentError):
                raise
            continue  # a server may refuse to show what is shared
        return str(pipeline.pipeline_id)
    return None


def find_experiment(server: Kubeflow, name: str) -> str | None:
    same = predicate("EQUALS", "display_name", name)
    found = server.pages(
        server.experiments.experiment_service_list_experiments, "experiments", filter=same, namespace=server.namespace
    )
    return next((str(experiment.experiment_id) for experiment in found if experiment.display_name == name), None)


def provide_experiment(server: Kubeflow, name: str) -> str:
    """The id of the experiment, made where there is none."""

    def make() -> str:
        experiment = kfp_server_api.V2beta1Experiment(display_name=name, namespace=server.namespace or None)
        return str(server.call(server.experiments.experiment_service_create_experiment, experiment).experiment_id)

    return find_or_make(lambda: find_experiment(server, name), make)


def find_or_make(find: Callable[[], T | None], make: Callable[[], T]) -> T:
    """Look, then make; an answer that is lost, or somebody who was faster, leads to another look, never to a second
    one.
    """
    for pause in connection.PAUSES:
        found = find()
        if found is not None:
            return found
        try:
            return make()
        except (TransientError, ConflictError):
            time.sleep(pause)
    return find() or make()
