"""The form that a run is started with in Kubeflow's UI, and the settings that it stands for.

A field is named `<stage>_<setting>`; what has no field stands in the JSON object `settings`, as in a run configuration,
where it differs from the defaults. Nothing may stand in both, so that whatever a person changes takes effect.
"""

import copy
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from components.common.check import KeyPath, explain, refuse_unknown
from components.common.errors import BadInputError
from components.plan.settings import RunSettings

FIELDS: dict[str, KeyPath] = {
    "name": ("name",),
    "source": ("source",),
    "store": ("store",),
    "pretrain_epochs": ("pretrain", "epochs"),
    "sample_strategy": ("sample", "strategy"),
    "sample_train_budget": ("sample", "train_budget"),
    "sample_label_access": ("sample", "label_access"),
    "sample_labels_file": ("sample", "labels_file"),
    "release_promote": ("release", "promote"),
}
"""What is asked for by a field of its own, with its key in a run configuration."""
REST = "settings"
WORDS = {True: "yes", False: "no", None: "none"}
"""How a form says what it has no type for: the UI lets no field be empty, and offers choices of text alone."""
FORM = "form"


def fill(run: RunSettings) -> dict[str, Any]:
    """The form of a run: a value for each field, and in `settings` what else differs from the defaults."""
    values = run.model_dump(mode="json", include=set(RunSettings.model_fields))
    fields = {name: _in_words(_take(values, path)) for name, path in FIELDS.items()}
    defaults = {name: field.default for name, field in RunSettings.model_fields.items()}
    plain = {name: _plain(default) for name, default in defaults.items()}
    return {**fields, REST: _differing(values, plain)}


def read(form: dict[str, Any]) -> RunSettings:
    """The run that a form asks for. Raises BadInputError for its first mistake, in one line that names the field."""
    settings = form[REST]
    if not isinstance(settings, dict):
        raise BadInputError(f'{FORM}: {REST}: got {settings!r}, expected a JSON object such as {{"seed": 1}}')
    places = dict.fromkeys(_paths(settings), f"{FORM}: {REST}")
    refuse_unknown(RunSettings, places)
    values = copy.deepcopy(settings)
    for name, path in FIELDS.items():
        value = _out_of_words(form[name], path)
        _refuse_contradiction(settings, path, name, form[name])
        _put(values, path, value)
        places[path] = FORM
    try:
        return RunSettings.model_validate(values)
    except ValidationError as error:
        raise BadInputError(explain(RunSettings, error, places, FORM)) from None


def choices(name: str) -> tuple[str, ...]:
    """The values that a field may have, where they are a few words; else none."""
    path = FIELDS.get(name, ())
    kind: Any = RunSettings
    for key in path:
        kind = kind.model_fields[key].annotation
    if kind is bool:
        return (WORDS[True], WORDS[False])
    return get_args(kind) if get_origin(kind) is Literal else ()


def _in_words(value: Any) -> Any:
    return WORDS[value] if isinstance(value, bool | NoneType) else value


def _out_of_words(value: Any, path: KeyPath) -> Any:
    """The value that a field's word stands for; another word as it is, for the settings to refuse."""
    stage, *below = path
    kind = RunSettings.model_fields[stage].annotation
    annotation = kind.model_fields[below[0]].annotation if below else kind  # type: ignore[union-attr]
    spoken = {WORDS[True]: True, WORDS[False]: False} if annotation is bool else {WORDS[None]: None}
    return spoken.get(value, value) if annotation is not str else value


def _refuse_contradiction(settings: dict[str, Any], path: KeyPath, name: str, said: Any) -> None:
    inner: Any = settings
    for key in path:
        if not isinstance(inner, dict) or key not in inner:
            return
        inner = inner[key]
    raise BadInputError(
        f"{FORM}: {REST}: {'.'.join(path)}: got {inner!r}, and the field {name} says {said!r}; expected it in the "
        "field alone"
    )


def _take(values: dict[str, Any], path: KeyPath) -> Any:
    *above, last = path
    for key in above:
        values = values[key]
    return values.pop(last)


def _put(values: dict[str, Any], path: KeyPath, value: Any) -> None:
    *above, last = path
    for key in above:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            return  # told by the check of the whole
    values[last] = value


def _differing(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """What is not as by default; null in words, since a parameter of a pipeline cannot hold one."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        default = defaults.get(key)
        if isinstance(value, dict) and isinstance(default, dict):
            if inner := _differing(value, default):
                found[key] = inner
        elif value != default:
            found[key] = "null" if value is None else value
    return found


def _paths(values: dict[str, Any], above: KeyPath = ()) -> list[KeyPath]:
    found = []
    for key, value in values.items():
        found.append((*above, str(key)))
        if isinstance(value, dict):
            found += _paths(value, found[-1])
    return found


def _plain(default: Any) -> Any:
    return default.model_dump(mode="json") if hasattr(default, "model_dump") else default
