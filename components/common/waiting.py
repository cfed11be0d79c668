"""Runs that wait for labels: every stage after `sample` passes that on and succeeds at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.common.artifacts import Waiting, load_waiting, save_waiting
from components.common.files import new_folder, write_json, write_text
from components.common.html import page

NOTHING: Mapping[str, Path] = {}


def waiting_in(*inputs: Path) -> Waiting | None:
    """What the run waits for, where one of the artifacts says that it waits."""
    return next((found for found in map(load_waiting, inputs) if found), None)


def sentence(waiting: Waiting, store: str) -> str:
    """What is waited for, where, why, and what to do, in one line."""
    where = f"{store.rstrip('/')}/{waiting.where}"
    return f"waiting for labels: {waiting.images:,} images at {where} ({waiting.why}); {waiting.needs}"


def pass_on(
    waiting: Waiting,
    store: str,
    folders: Mapping[str, Path],
    figures: Mapping[str, Path] = NOTHING,
    pages: Mapping[str, Path] = NOTHING,
) -> dict[str, dict[str, Any]]:
    """Write every output of a stage that cannot go on, by name; returns what Kubeflow's UI shows beside each.

    folders get waiting.json, figures (files of metrics) an empty object, pages a sentence.
    """
    line = sentence(waiting, store)
    title, _, what = line.partition(": ")
    print(line, flush=True)
    for path in folders.values():
        with new_folder(path) as folder:
            save_waiting(folder, waiting)
    for path in figures.values():
        write_json(path, {})
    for path in pages.values():
        write_text(path, page(title.capitalize(), [], lead=f"{what[0].upper()}{what[1:]}."))
    return {name: {"waiting": line} for name in (*folders, *figures, *pages)}
