"""`gleaner compile`: the DAG as golden IR, reviewed in diffs, as objects for Argo CD, and as a picture for the README.

pipelines/compiled/training.yaml, manifests/base/pipeline/training.yaml    of pipelines/configs/cluster.yaml
the same two, named batch.yaml and monitoring.yaml                         of pipelines/batch.py and monitoring.py
the same two, named after a file of pipelines/configs/                     of each other one that a cluster can run
"""

import json
import re
import tempfile
from pathlib import Path

from kfp import compiler
from kfp.dsl.graph_component import GraphComponent

from components.common.errors import BadInputError
from components.common.files import write_text
from components.plan.form import fill
from pipelines.batch import batch
from pipelines.compiling.form import asks, with_form
from pipelines.compiling.form_picture import form_picture
from pipelines.compiling.images import OVERRIDES, image_overrides
from pipelines.compiling.manifests import HEADER, kustomization, mounted_files, pipeline_object, version_object
from pipelines.compiling.order import with_direct_order
from pipelines.compiling.picture import picture
from pipelines.compiling.pods import with_pods
from pipelines.compiling.variants import CONFIGS, check_stem, refuse_starved, variants
from pipelines.configuration.batch import BatchResources
from pipelines.configuration.config import RunConfig, schema
from pipelines.configuration.monitoring import MonitorResources
from pipelines.configuration.schedules import schema as schedules_schema
from pipelines.configuration.version import COMPILED, OTHERS, PLAIN, content_name, parse, pipeline_name
from pipelines.monitoring import monitoring
from pipelines.training import training

FOLDER = COMPILED.parent
MOUNTED = FOLDER.parent / "kustomization.yaml"  # what the reconciler's pod sees of this folder
OBJECTS = FOLDER.parents[1] / "manifests" / "base" / "pipeline"


def compile_config(config: RunConfig, stem: str = PLAIN) -> str:
    """The compiled pipeline of a configuration, whose file is called `stem`, as YAML: its pods, its form; equal for
    every patch release of kfp.
    """
    refuse_starved(config)
    text = _compiled(with_form(with_pods(training, config.resources, config.pools), config, stem))
    # in the comment on top kfp has these in another order each time
    settings = json.dumps(fill(config)["settings"], sort_keys=True)
    return re.sub(r"(?m)^(#    settings: dict \[Default: ).*\]$", lambda found: f"{found[1]}{settings}]", text)


def compile_batch() -> str:
    """The compiled pipeline of batch prediction, as YAML."""
    return _with_own_pods(batch, BatchResources(), "batch: workers of")


def compile_monitoring() -> str:
    """The compiled pipeline of the watch over a released model, as YAML."""
    return _with_own_pods(monitoring, MonitorResources(), "monitoring:")


def _with_own_pods(pipeline: GraphComponent, resources: BatchResources | MonitorResources, called: str) -> str:
    """A pipeline whose pods no configuration changes, as YAML. called: how its display name begins."""
    made = with_pods(pipeline, resources, {})
    made.pipeline_spec.pipeline_info.display_name = f"{called} {asks(resources)}"
    return _compiled(made)


def _compiled(pipeline: GraphComponent) -> str:
    """A pipeline as YAML, equal for every patch release of kfp."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(with_direct_order(pipeline), str(path))
        text = path.read_text(encoding="utf-8")
    return re.sub(r"(?m)^sdkVersion: kfp-(\d+\.\d+)\..*$", r"sdkVersion: kfp-\1.0", text)


def versions() -> dict[str, str]:
    """Every version to be had on the cluster, by the file name of the compiled pipeline."""
    return {name: compile_config(config, stem) for name, (stem, config) in variants().items()}


def generated() -> dict[Path, str]:
    """Every file that `gleaner compile` writes, with its text."""
    compiled = {**versions(), "batch": compile_batch(), "monitoring": compile_monitoring()}
    files = {FOLDER / f"{name}.yaml": ir for name, ir in compiled.items()}
    files |= {OBJECTS / f"{name}.yaml": objects(ir, _version(name, ir)) for name, ir in compiled.items()}
    return {
        **files,
        OBJECTS / "kustomization.yaml": kustomization(list(compiled)),
        MOUNTED: mounted_files(
            {
                "gleaner-schedules": [f"configs/{path.name}" for path in CONFIGS.glob("*.yaml")],
                "gleaner-pools": [f"configs/pools/{path.name}" for path in CONFIGS.glob("pools/*.yaml")],
                "gleaner-compiled": [f"compiled/{name}.yaml" for name in compiled],
            }
        ),
        FOLDER / "training.svg": picture(parse(compiled["training"])[0]),
        FOLDER / "form.svg": form_picture(parse(compiled["training"])[0]),
        CONFIGS / "schema.json": schema(),
        CONFIGS / "schedules.schema.json": schedules_schema(),
        OVERRIDES: image_overrides(),
    }


def _version(name: str, ir: str) -> str:
    """What the version of a compiled file is called."""
    return content_name(OTHERS.get(name) or pipeline_name(name), ir.encode())


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


def write_version(config: RunConfig, stem: str, folder: Path) -> list[Path]:
    """Write the version of one configuration, whose file is called `stem`, into a folder: the IR, which the UI uploads,
    and the objects, which Git keeps; returns both.

    BadInputError where the folder cannot be made or written.
    """
    check_stem(stem)
    ir = compile_config(config, stem)
    name = content_name(pipeline_name(stem), ir.encode())
    paths = [folder / f"{name}.ir.yaml", folder / f"{name}.yaml"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in zip(paths, [ir, objects(ir, name)], strict=True):
            write_text(path, text)
    except OSError as error:
        raise BadInputError(
            f"{folder}: cannot be written: {error.strerror}; expected a folder for the compiled version"
        ) from None
    return paths


def objects(ir: str, name: str) -> str:
    """The Pipeline and the PipelineVersion `name` of a compiled pipeline, for Argo CD."""
    documents = parse(ir)
    return HEADER + "---\n".join([pipeline_object(documents[0]), version_object(documents, name)])
