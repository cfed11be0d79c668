"""`gleaner compile`: the DAG as golden IR, reviewed in diffs, as objects for Argo CD, and as a picture for the README.

pipelines/compiled/training.yaml, manifests/base/pipeline/training.yaml    pods by the defaults of `resources`
the same two, named after a file of pipelines/configs/                     where it asks for other pods
"""

import re
import tempfile
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler

from components.common.errors import BadInputError
from components.common.files import write_text
from pipelines.compiling.images import OVERRIDES, image_overrides
from pipelines.compiling.manifests import kustomization, mounted_files, pipeline_object, version_object
from pipelines.compiling.picture import picture
from pipelines.compiling.pods import with_pods
from pipelines.compiling.variants import CONFIGS, refuse_starved, variants
from pipelines.configuration.config import RunConfig, schema
from pipelines.configuration.resources import Pool, Resources
from pipelines.configuration.schedules import schema as schedules_schema
from pipelines.configuration.version import COMPILED, content_name
from pipelines.training import training

FOLDER = COMPILED.parent
MOUNTED = FOLDER.parent / "kustomization.yaml"  # what the reconciler's pod sees of this folder
OBJECTS = FOLDER.parents[1] / "manifests" / "base" / "pipeline"


def compile_training(resources: Resources | None = None, pools: dict[str, Pool] | None = None) -> str:
    """The compiled training pipeline as YAML, with the pods asked for; equal for every patch release of kfp."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.yaml"
        compiler.Compiler().compile(with_pods(training, resources or Resources(), pools or {}), str(path))
        return re.sub(
            r"(?m)^sdkVersion: kfp-(\d+\.\d+)\..*$", r"sdkVersion: kfp-\1.0", path.read_text(encoding="utf-8")
        )


def compile_config(config: RunConfig) -> str:
    """The compiled pipeline whose pods are those of a run configuration."""
    refuse_starved(config)
    return compile_training(config.resources, config.pools)


def versions() -> dict[str, str]:
    """Every version to be had on the cluster, by file name."""
    return {name: compile_training(*variant) for name, variant in variants().items()}


def generated() -> dict[Path, str]:
    """Every file that `gleaner compile` writes, with its text."""
    compiled = versions()
    files = {FOLDER / f"{name}.yaml": ir for name, ir in compiled.items()}
    files |= {
        OBJECTS / f"{name}.yaml": version_object(parse(ir), content_name(ir.encode()), name)
        for name, ir in compiled.items()
    }
    return {
        **files,
        OBJECTS / "pipeline.yaml": pipeline_object(parse(compiled["training"])[0]),
        OBJECTS / "kustomization.yaml": kustomization(["pipeline", *compiled]),
        MOUNTED: mounted_files(
            {
                "gleaner-schedules": [f"configs/{path.name}" for path in CONFIGS.glob("*.yaml")],
                "gleaner-pools": [f"configs/pools/{path.name}" for path in CONFIGS.glob("pools/*.yaml")],
                "gleaner-compiled": [f"compiled/{name}.yaml" for name in compiled],
            }
        ),
        FOLDER / "training.svg": picture(parse(compiled["training"])[0]),
        CONFIGS / "schema.json": schema(),
        CONFIGS / "schedules.schema.json": schedules_schema(),
        OVERRIDES: image_overrides(),
    }


def write() -> list[Path]:
    """Refresh the generated files, and remove those of configurations that are gone; returns the paths of what is
    there.
    """
    files = generated()
    for path in {*FOLDER.glob("*.yaml"), *OBJECTS.glob("*.yaml")} - files.keys():
        path.unlink()
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    return list(files)


def write_version(config: RunConfig, folder: Path) -> list[Path]:
    """Write one configuration's version into a folder: the IR, which the UI uploads, and the object, which Git keeps;
    returns both.

    BadInputError where the folder cannot be made or written.
    """
    ir = compile_config(config)
    name = content_name(ir.encode())
    paths = [folder / f"{name}.ir.yaml", folder / f"{name}.yaml"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in zip(paths, [ir, version_object(parse(ir), name, config.name)], strict=True):
            write_text(path, text)
    except OSError as error:
        raise BadInputError(
            f"{folder}: cannot be written: {error.strerror}; expected a folder for the compiled version"
        ) from None
    return paths


def parse(ir: str) -> list[dict[str, Any]]:
    """The pipeline, and what only Kubernetes knows of it."""
    return list(yaml.load_all(ir, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # the C loader is 8x faster
