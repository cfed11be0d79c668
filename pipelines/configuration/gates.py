"""Gates over the layers of a configuration: a list replaces those below it, settings of version 1 change them."""

from typing import Any

from components.common.errors import BadInputError
from components.evaluate.rules import changed, parse
from pipelines.configuration.files import Layer

KEY = ("evaluate", "gates")


def with_gates(layers: list[Layer], default: list[str]) -> list[Layer]:
    """The layers, the most basic first, with the gates of each as a list. `evaluate: {gates: {max_ece: null}}`, as
    files of version 1 and overrides say it, becomes the gates below it without the one on the calibration error.

    Raises BadInputError for the first gate that is none, where it stands.
    """
    gates: Any = default
    result = []
    for layer in layers:
        section = layer.values.get("evaluate")
        if not isinstance(section, dict) or not isinstance(section.get("gates"), dict | list):
            result.append(layer)  # nothing is said, or what the check of the whole refuses
            continue
        said = section["gates"]
        gates = _replaced(gates, said, layer) if isinstance(said, dict) else _checked(said, layer)
        result.append(Layer({**layer.values, "evaluate": {**section, "gates": gates}}, layer.places))
    return result


def _replaced(gates: list[str], old: dict[str, Any], layer: Layer) -> list[str]:
    for name, value in old.items():
        try:
            gates = changed(gates, {name: value})
        except ValueError as error:
            raise BadInputError(f"{_place(layer, name)}: {'.'.join(KEY)}: {error}") from None
    return gates


def _checked(gates: list[Any], layer: Layer) -> list[Any]:
    for position, text in enumerate(gates):
        if not isinstance(text, str):
            raise BadInputError(f"{_place(layer, str(position))}: {'.'.join(KEY)}: got {text!r}, expected text")
        if "${" in text:
            continue  # what it stands for is known later
        try:
            parse(text)
        except ValueError as error:
            raise BadInputError(f"{_place(layer, str(position))}: {'.'.join(KEY)}: {error}") from None
    return gates


def _place(layer: Layer, key: str) -> str:
    return layer.places.get((*KEY, key)) or layer.places[KEY]
