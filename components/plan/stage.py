"""Plan a run: check all that its form says, tell each stage its settings, and list its source."""

import copy
from pathlib import Path
from typing import Any

from components.common import draws
from components.common.alarms import newest_alarm
from components.common.answers import read_answers
from components.common.code import code_digest
from components.common.files import sha256_bytes, sha256_json, write_json
from components.common.rounds import OPINIONS, newest_before
from components.common.storage import open_store
from components.common.wanted import read_wanted
from components.ingest.plan.work import planned
from components.labels.store import LabelStore
from components.plan.form import read
from components.plan.settings import SHARED, STAGES, RunSettings
from components.releases.opponent import opponent

PLACES = ("name", "source", "store", "source_version", "release")


def run(
    name: str,
    source: str,
    store: str,
    pretrain_epochs: int,
    sample_strategy: str,
    sample_train_budget: int,
    sample_label_access: str,
    sample_labels_file: str,
    release_promote: str,
    settings: dict[str, Any],
    parts: Path,
    slices: Path,
    ingest: Path,
    pretrain: Path,
    sample: Path,
    warmup: Path,
    pseudolabel: Path,
    calibrate: Path,
    evaluate: Path,
    release: Path,
) -> None:
    """Check the whole form, tell every stage its settings, and list the source for workers that pack side by side.

    The first mistake in the form, the source, the store or the answers of people ends the run in one line.
    """
    asked = read(
        {
            "name": name,
            "source": source,
            "store": store,
            "pretrain_epochs": pretrain_epochs,
            "sample_strategy": sample_strategy,
            "sample_train_budget": sample_train_budget,
            "sample_label_access": sample_label_access,
            "sample_labels_file": sample_labels_file,
            "release_promote": release_promote,
            "settings": settings,
        }
    )
    seen: dict[str, Any] = {"labels_version": _file_version(asked), "candidates_version": _candidates_version(asked)}
    listed = planned(asked.source, asked.name, asked.store, asked.ingest, parts.parent)
    told = _null_in_words(asked.model_dump(mode="json"))
    write_json(parts, [{**told["ingest"], "parts": each} for each in listed.ranges])
    place = open_store(asked.store)
    number = 1  # of the round of labelling: one more than the highest that has an answer
    if asked.sample.label_access == "store":
        people = LabelStore(place, asked.name)
        seen["labels_version"] = people.version()
        number += max((answer.round for answer in people.read(seen["labels_version"]).answers), default=0)
    if asked.sample.second_opinion:
        seen["opinion"] = newest_before(place, asked.name, number, OPINIONS)
    seen["draws"] = draws.keys(place, asked.name)
    told["sample"] |= seen
    made_from = _of_run(told)
    told["release"] |= {"run": made_from, "run_key": run_key(made_from, listed.contents)}
    told["evaluate"]["champion"] = opponent(place, asked.name, told["release"]["run_key"])
    told["evaluate"]["since"] = newest_before(place, asked.name, number)
    told["evaluate"]["present"] = newest_alarm(place, asked.name)
    workers = asked.sample.workers  # what tells the slices apart, and no more: new labels embed nothing again
    same = {"workers": workers, "threads": asked.threads}
    write_json(slices, [{**same, "part": number} for number in range(workers)])
    for key, stages in SHARED.items():
        for stage in stages:
            told[stage][key] = told[key]
    outputs = (ingest, pretrain, sample, warmup, pseudolabel, calibrate, evaluate, release)
    for stage, path in zip(STAGES, outputs, strict=True):
        write_json(path, told[stage])


def run_key(settings: dict[str, Any], contents: str) -> str:
    """Digest of what a run is made from: its settings (`_of_run`), what its source lists, and the code."""
    return sha256_json([settings, contents, code_digest()])


def _of_run(told: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run without places, what is released of it, and what each run finds out itself."""
    settings = {key: copy.deepcopy(value) for key, value in told.items() if key not in PLACES}
    for stage, found_out in (("evaluate", ("champion", "since", "present")), ("sample", ("draws",))):
        settings[stage] = {key: value for key, value in told[stage].items() if key not in found_out}
    return settings


def _file_version(run: RunSettings) -> str:
    """Digest of the answers of people, so that new ones under an old name are seen; BadInputError where they cannot be
    read.
    """
    uri = run.sample.labels_file
    if uri is None:
        return ""
    data, answers = read_answers(uri)
    for _ in answers:
        pass
    return sha256_bytes(data)


def _candidates_version(run: RunSettings) -> str:
    """Digest of the table of images that are asked for; BadInputError where it cannot be read."""
    uri = run.sample.candidates_from
    return sha256_bytes(read_wanted(uri)[0]) if uri else ""


def _null_in_words(value: Any) -> Any:
    """The stages' settings read it back; a parameter of a pipeline cannot hold a null."""
    if isinstance(value, dict):
        return {key: _null_in_words(inner) for key, inner in value.items()}
    return "null" if value is None else value
