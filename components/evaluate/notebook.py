"""The notebook `report.ipynb`, run by papermill and kept as .ipynb and as one self-contained page.

The kernel is this very Python, whatever kernels are installed, and writes its settings and caches to a temporary
folder. Inputs reach it as links of fixed names, and times, random ids and the Python version are dropped afterwards:
equal inputs give equal bytes.
"""

import json
import os
import subprocess
import sys
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
from ipykernel.kernelspec import get_kernel_dict
from nbconvert import HTMLExporter

from components.common import charts
from components.common.files import read_json, write_json, write_text
from components.common.html import page
from components.evaluate.findings import headline

SOURCE = Path(__file__).parent / "report.ipynb"
HOMES = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR")
STYLE = Path(__file__).parent / "pages" / "report.css"
OPTIONAL = {
    "since": ("since",),
    "advice": ("advice",),
    "shape": ("assumption", "neighbours"),
    "measured": ("accuracy",),  # there are test labels
    "forgotten": ("forgotten",),
    "slices": ("slices",),
    "clusters": ("clusters",),
    "suspects": ("suspects",),
    "pseudolabels": ("pseudolabels",),
    "precise": ("precise",),
    "thresholds": ("thresholds",),
}
"""Keys of metrics.json by the tag of the cells that show them."""
WAIT = {"OMP_WAIT_POLICY": "passive"}  # t-SNE's threads would spin while they wait: four times slower on a busy machine


def write_report(folder: Path, inputs: dict[str, Path], store: str, parameters: dict[str, Any]) -> None:
    """Write report.ipynb and report.html into `folder`. `inputs`: artifact folders by the name of the notebook's
    parameter.

    Raises CalledProcessError, after papermill's own account, where a cell fails.
    """
    with tempfile.TemporaryDirectory(prefix="gleaner-report-") as scratch:
        work = Path(scratch)
        (work / "inputs").mkdir()
        for name, path in inputs.items():
            (work / "inputs" / name).symlink_to(path.resolve())
        remote = store.startswith("s3://")
        if not remote:
            (work / "inputs" / "store").symlink_to(Path(store).expanduser().resolve())
        _prepare(work / "source.ipynb", parts_of(read_json(folder / "metrics.json")))
        _execute(
            work,
            {**parameters, **{name: f"inputs/{name}" for name in inputs}, "store": store if remote else "inputs/store"},
        )
        notebook = tidied(nbformat.read(work / "report.ipynb", as_version=4))
    write_text(folder / "report.ipynb", nbformat.writes(notebook) + "\n")
    about = read_json(folder / "metrics.json")
    name = about["provenance"]["dataset"]["name"]
    write_text(
        folder / "report.html",
        page(
            f"How good the {name} classifier is",
            sections(notebook),
            headline(about),
            charts.STYLE + STYLE.read_text(encoding="utf-8"),
            contents=True,
        ),
    )


def parts_of(about: dict[str, Any]) -> set[str]:
    """Optional parts of the notebook that metrics.json has something for, by the tag of their cells."""
    return {tag for tag, keys in OPTIONAL.items() if any(about.get(key) is not None for key in keys)}


def _prepare(path: Path, parts: set[str]) -> None:
    """Write the notebook without the optional parts that are not named."""
    notebook = nbformat.read(SOURCE, as_version=4)
    left_out = OPTIONAL.keys() - parts
    notebook.cells = [cell for cell in notebook.cells if not left_out.intersection(cell.metadata.get("tags", []))]
    nbformat.write(notebook, path)


def _execute(work: Path, parameters: dict[str, Any]) -> None:
    write_json(work / "kernels" / "python3" / "kernel.json", get_kernel_dict(["--log-level=CRITICAL"]))
    homes = {name: str(work / name.lower()) for name in HOMES}
    search = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [
        sys.executable,
        "-m",
        "papermill",
        "--kernel",
        "python3",
        "--cwd",
        str(work),
        "--no-progress-bar",
        "--log-level",
        "WARNING",
        "--no-request-save-on-cell-execute",
        "--autosave-cell-every",
        "0",
        "--parameters_yaml",
        json.dumps(parameters),
        str(work / "source.ipynb"),
        str(work / "report.ipynb"),
    ]
    subprocess.run(
        command, check=True, env={**os.environ, **homes, **WAIT, "JUPYTER_PATH": str(work), "PYTHONPATH": search}
    )


def tidied(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without what differs from run to run: times, random cell ids, place and version of Python, and
    warnings of libraries, which name their place.
    """
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        cell.id = f"cell-{number:02d}"
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return notebook


def sections(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """(heading, HTML) of each part that begins with a `## ` heading: its text and the outputs of its cells, without
    their code.
    """
    exporter = HTMLExporter(
        template_name="basic",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    parts: list[tuple[str, list[Any]]] = []
    for cell in deepcopy(notebook.cells):
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            heading, _, cell.source = cell.source.removeprefix("## ").partition("\n")
            parts.append((heading, []))
        if parts:
            parts[-1][1].append(cell)
    return [
        (heading, exporter.from_notebook_node(nbformat.from_dict({**notebook, "cells": cells}))[0])
        for heading, cells in parts
    ]
