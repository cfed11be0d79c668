"""One contract for every stage, found by its folder, and the rules that a ninth must keep too."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from pydantic import BaseModel

from components.common.cli import WITHIN, inputs_of
from components.common.lineage import known_by_others
from components.monitor.settings import MonitorSettings
from components.plan.form import FIELDS
from components.plan.settings import STAGES, RunSettings
from components.predict.settings import PredictSettings
from pipelines.configuration.batch import BatchResources
from pipelines.configuration.config import RunConfig
from pipelines.configuration.monitoring import MonitorResources

ROOT = Path(__file__).parents[1]
# stages, and tasks of stages that work side by side
PARTS = sorted(
    ".".join(path.parent.relative_to(ROOT / "components").parts)
    for path in (ROOT / "components").glob("**/component.py")
    if path.parent.name != "common"
)
SOURCES = sorted(path for folder in ("components", "pipelines", "tests") for path in (ROOT / folder).rglob("*.py"))
FOLDERS = sorted({part.partition(".")[0] for part in PARTS})
OTHERS = {"predict": PredictSettings, "monitor": MonitorSettings}  # stages of other pipelines, and their settings
ALLOWED = {  # import -> the only files that may
    "boto3": {"components/common/storage/boto.py"},
    "botocore": {"components/common/storage/boto.py"},
    "kfp": {f"components/{part.replace('.', '/')}/component.py" for part in [*PARTS, "common"]},
    "kubernetes": {"components/common/trainjob/cluster.py"},
    "pickle": set(),
}


def test_one_noun_per_stage_everywhere():
    from pipelines.training import training

    assert sorted([*STAGES, "plan", *OTHERS]) == FOLDERS
    components = training.pipeline_spec.components
    writers = [
        name
        for name, task in training.pipeline_spec.root.dag.tasks.items()
        if components[task.component_ref.name].output_definitions.artifacts
    ]
    assert sorted([*writers, "plan", *OTHERS]) == FOLDERS
    assert {executor.removeprefix("exec-") for executor in _executors()} == {part.rpartition(".")[2] for part in PARTS}
    assert [stage for stage in FOLDERS if not (ROOT / "tests" / stage).is_dir()] == []


@pytest.mark.parametrize("part", PARTS)
def test_component_is_its_signature(part):
    path = ROOT / "components" / part.replace(".", "/") / "component.py"
    text = path.read_text(encoding="utf-8")
    *imports, function = ast.parse(text).body
    assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in imports)
    assert isinstance(function, ast.FunctionDef)
    assert [type(node) for node in function.body] == [ast.Expr, ast.Return], "a docstring and one call"
    assert function.name == part.rpartition(".")[2]
    assert len((ast.get_docstring(function) or "").splitlines()) == 1  # shown in the UI
    assert ".stage import" not in text


@pytest.mark.parametrize("part", PARTS)
def test_flags_are_the_arguments_of_run(part):
    stage, _, task = part.partition(".")
    executor = _executors()[f"exec-{task or stage}"]
    assert executor["command"] == ["python", "-m", f"components.{part}"]
    flags = [word for word in executor["args"] if word.startswith("--")]
    assert flags[0] == "--executor-input"
    run = importlib.import_module(f"components.{part}.stage").run
    names = [word.removeprefix("--").replace("-", "_") for word in flags[1:]]
    hints = get_type_hints(run)
    told = known_by_others(inputs_of(run))  # no artifact travels past what makes use of it
    told = {*told, *(name for name in WITHIN if hints.get(name) in (str, int))}  # the settings hold it
    assert names == [name for name in inspect.signature(run).parameters if name not in told]
    if stage == "plan":  # whose settings are those of all stages
        assert hints["settings"] == dict[str, Any]
        assert [name for name in names if name in FIELDS] == list(FIELDS)
        assert {name for name, kind in hints.items() if kind is Path} == {"parts", "slices", *STAGES}
    else:
        assert hints["settings"] is (OTHERS.get(stage) or RunSettings.model_fields[stage].annotation)
    for name, kind in hints.items():
        assert name in ("settings", "return") or kind in (Path, str, int, dict[str, Any]), name


@pytest.mark.parametrize("part", PARTS)
def test_images_are_named_in_one_place(part):
    images = json.loads((ROOT / "docker" / "images.json").read_text(encoding="utf-8"))
    assert _executors()[f"exec-{part.rpartition('.')[2]}"]["image"] in images.values()


@pytest.mark.parametrize("part", PARTS)
def test_command_is_two_lines_of_main(part):
    lines = (ROOT / "components" / part.replace(".", "/") / "__main__.py").read_text(encoding="utf-8").split("\n")
    assert f"from components.{part}.stage import run" in lines
    assert {"main(run)", "main(run, distributed=True)"} & {line.strip() for line in lines}


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    inner = [field.annotation for field in model.model_fields.values()]
    return [
        model,
        *(found for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel) for found in _models(kind)),
    ]


@pytest.mark.parametrize(
    "model",
    dict.fromkeys([*_models(RunConfig), *OTHERS.values(), BatchResources, MonitorResources]),
    ids=lambda model: model.__name__,
)
def test_settings_are_frozen_strict_and_explained(model):
    assert model.model_config["frozen"]
    assert model.model_config["extra"] == "forbid"
    assert model.__doc__
    for name, field in model.model_fields.items():
        plain = not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel))
        told_by_the_type = name in ("weight_decay", "precision")
        assert not plain or told_by_the_type or field.description, name


def test_settings_import_nothing_heavy():
    code = (
        "import sys, pipelines.configuration.config; print({'torch', 'numpy', 'pyarrow', 'PIL', 'kfp', 'boto3', "
        "'sklearn'} & sys.modules.keys())"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
        == "set()\n"
    )


@pytest.mark.parametrize("folder", ["pipelines", "components"])
def test_every_package_says_in_a_sentence_what_lives_there(folder):
    for path in (ROOT / folder).rglob("__init__.py"):
        told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert told.partition("\n")[0].endswith("."), path


def test_sources_keep_the_house_rules():
    complaints = [f"{path.relative_to(ROOT)}: {complaint}" for path in SOURCES for complaint in _complaints(path)]
    assert complaints == []


def _complaints(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT).as_posix()
    tree = ast.parse(text)
    if len(text.splitlines()) > 300:
        yield "longer than 300 lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _length(node) > 50:
            yield f"{node.name} is longer than 50 lines"
    if not name.startswith("components/"):
        return
    for module in _imported(tree):
        if name not in ALLOWED.get(module.partition(".")[0], {name}):
            yield f"imports {module}"
    for banned in re.findall(r"allow_pickle=True|weights_only=False|torch\.load\(|@sha256", text):
        yield f"holds {banned}"


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body, without its signature and docstring."""
    first = function.body[1 if ast.get_docstring(function) and len(function.body) > 1 else 0]
    return (function.end_lineno or 0) - first.lineno + 1


def _imported(tree: ast.AST) -> list[str]:
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return names + [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]


def _executors() -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    from pipelines.batch import batch
    from pipelines.monitoring import monitoring
    from pipelines.training import training

    executors: dict[str, Any] = {}
    for pipeline in (training, batch, monitoring):
        executors |= MessageToDict(pipeline.pipeline_spec)["deploymentSpec"]["executors"]
    return {label: executor["container"] for label, executor in executors.items()}
