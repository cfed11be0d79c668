"""Load a run configuration: one YAML file becomes the validated, frozen settings of every stage.

defaults <- base.yaml (by `extends`) <- the file <- key=value overrides, merged by OmegaConf, checked by RunConfig.
"""

import json
import re
from pathlib import Path
from typing import Any, Literal

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, Field, ValidationError

from components.common.check import KeyPath, explain, keys_of, place_of, refuse_unknown
from components.common.errors import BadInputError
from components.evaluate.settings import EvaluateSettings
from components.monitor.settings import MonitorSettings
from components.plan.settings import RunSettings
from pipelines.configuration.files import Layer, read_chain, read_override
from pipelines.configuration.gates import with_gates
from pipelines.configuration.resources import Label, Pool, Resources, misfits, without_default_limits

RESOLVER = re.compile(r"\$\{\s*[\w.]+\s*:")


class RunConfig(RunSettings):
    """A run of the training pipeline: where the images are, where results are kept, and the settings of each stage."""

    version: Literal[2]
    """Version of this file's format."""
    object_store: str | None = None
    """Folder in which an S3 server on this machine keeps what `store: s3://…` names, while `gleaner run` lasts; other
    s3:// addresses of the run are looked up there too. Null: the server of AWS_ENDPOINT_URL, or AWS. A cluster does not
    read it.
    """
    monitor: MonitorSettings = MonitorSettings()
    """The watch over what was released; a run takes no notice."""
    resources: Resources = Resources()
    """What the pods of each task ask of the cluster; `gleaner run` takes no notice."""
    pools: dict[Label, Pool] = Field(default={})
    """Node pools of the cluster by name, for tasks that need a GPU or spot nodes; best kept in one file that others
    extend.
    """


SECTIONS = [name for name, field in RunConfig.model_fields.items() if isinstance(field.default, BaseModel)]


def load_config(path: Path, overrides: list[str] | None = None) -> RunConfig:
    """Read a run configuration; its first mistake is a BadInputError that names file and line, or the override."""
    text_keys = [key for key, kind in keys_of(RunConfig).items() if kind in (str, str | None)]
    layers = [*read_chain(path), *(read_override(text, text_keys) for text in overrides or [])]
    places: dict[KeyPath, str] = {}
    for layer in layers:
        refuse_unknown(RunConfig, layer.places)
        lists = [path for path in layer.places if isinstance(_at(layer.values, path), list)]
        replaced = {path for path in places for whole in lists if path[: len(whole)] == whole}
        places = {path: place for path, place in places.items() if path not in replaced} | layer.places
    values = _merge(with_gates(layers, EvaluateSettings().gates), places)
    values["resources"] = without_default_limits(values["resources"], places)
    try:
        config = RunConfig.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        raise BadInputError(explain(RunConfig, error, places, path)) from None
    for task, key, mistake in misfits(config.resources, config.pools):
        key_path = ("resources", task, key)
        raise BadInputError(f"{place_of(key_path, places, path)}: {'.'.join(key_path)}: {mistake}")
    return config


def show(config: RunConfig) -> str:
    """The resolved configuration as YAML, which `load_config` reads back to an equal one."""
    values = {"version": config.version, **config.model_dump(mode="json")}  # the format comes first
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)


def schema() -> str:
    """JSON schema of a configuration file, for editors."""
    about = RunConfig.model_json_schema()
    about["properties"]["extends"] = {
        "type": "string",
        "title": "Extends",
        "description": "File that this one changes, relative to it.",
    }
    about["required"] = ["version"]  # the rest may stand in the extended file or in an override
    return (
        json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **about}, indent=2, ensure_ascii=False)
        + "\n"
    )


def _merge(layers: list[Layer], places: dict[KeyPath, str]) -> dict[str, Any]:
    """Later layers over earlier ones, `${key}` replaced by the value it names."""
    for path, place in places.items():
        for layer in layers:
            value = _at(layer.values, path)
            if isinstance(value, str) and RESOLVER.search(value):
                raise BadInputError(
                    f"{place}: {'.'.join(path)}: got {value!r}, expected a plain ${{key}}: "
                    "a configuration reads nothing but itself"
                )
    try:
        merged = OmegaConf.merge(
            _defaults(), *(OmegaConf.create(_without_empty_sections(layer.values)) for layer in layers)
        )
        values = OmegaConf.to_container(merged, resolve=True)
    except OmegaConfBaseException as error:
        key = str(getattr(error, "full_key", None) or "")
        place = places.get(tuple(key.split(".")), "configuration")
        reason = str(error).splitlines()[0]
        raise BadInputError(f"{place}: {key}: {reason}") from None
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _defaults() -> dict[str, Any]:
    return {
        name: field.default.model_dump(mode="json") if name in SECTIONS else field.default
        for name, field in RunConfig.model_fields.items()
        if not field.is_required()
    }


def _without_empty_sections(values: dict[str, Any]) -> dict[str, Any]:
    """`pretrain:` with every line below it commented out says nothing."""
    return {key: value for key, value in values.items() if not (value is None and key in [*SECTIONS, "pools"])}


def _at(values: Any, path: KeyPath) -> Any:
    for key in path:
        if isinstance(values, list):
            values = dict(enumerate(values)).get(int(key)) if key.isdecimal() else None
        elif isinstance(values, dict):
            values = values.get(key)
        else:
            return None
    return values
