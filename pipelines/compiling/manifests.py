"""Write the compiled pipeline as Kubernetes objects for Argo CD.

A version is immutable, so everything in it follows from its content: no commit, no date. Versions that left Git stay on
the cluster, since runs and schedules refer to them.
"""

from typing import Any

import yaml

from pipelines.configuration.version import OTHERS, shown_name

API = "pipelines.kubeflow.org/v2beta1"
CODE = {name: stem for stem, name in OTHERS.items()}  # the module of a pipeline that is not the training one
SOURCE = "https://github.com/gleaner-ml/gleaner/blob/main/pipelines"
HEADER = "# Written by `gleaner compile`; do not edit.\n"


def pipeline_object(ir: dict[str, Any]) -> str:
    """The Pipeline of a configuration. Deleting it would delete every version of it, hence the options."""
    info = ir["pipelineInfo"]
    annotations = {"argocd.argoproj.io/sync-wave": "-1", "argocd.argoproj.io/sync-options": "Prune=false,Delete=false"}
    return _dump(
        {
            "apiVersion": API,
            "kind": "Pipeline",
            "metadata": {"name": info["name"], "annotations": annotations},
            "spec": {"displayName": info["name"], "description": info["description"]},
        }
    )


def version_object(documents: list[dict[str, Any]], name: str) -> str:
    """One PipelineVersion. Kubeflow lets only its display name and the tags change later."""
    pipeline, platform = documents
    info = pipeline["pipelineInfo"]
    annotations = {
        "argocd.argoproj.io/sync-options": "ServerSideApply=true,Prune=false",
        "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
    }
    return _dump(
        {
            "apiVersion": API,
            "kind": "PipelineVersion",
            "metadata": {"name": name, "annotations": annotations},
            "spec": {
                "pipelineName": info["name"],
                "displayName": shown_name(pipeline, name),
                "codeSourceURL": f"{SOURCE}/{CODE.get(info['name'], 'training')}.py",
                "description": info["description"],
                "pipelineSpec": pipeline,
                "platformSpec": platform,
            },
        }
    )


def kustomization(names: list[str]) -> str:
    """The kustomization.yaml of the objects' folder."""
    return HEADER + _dump(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"{name}.yaml" for name in names],
        }
    )


def mounted_files(files: dict[str, list[str]]) -> str:
    """A ConfigMap of files for each name, for manifests/base/workload: a change of any gives it a new name, so that
    pods see it at once.
    """
    maps = [{"name": name, "namespace": "gleaner", "files": sorted(paths)} for name, paths in files.items()]
    return HEADER + _dump(
        {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "configMapGenerator": maps}
    )


def _dump(value: dict[str, Any]) -> str:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True, width=140))
