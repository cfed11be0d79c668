"""Read run configurations: YAML with line numbers, `extends` chains, versions and `key=value` overrides.

Nothing here knows what the keys mean; `config.py` does.
"""

import re
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from components.common.check import KeyPath
from components.common.errors import BadInputError

VERSION = 2
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: dict}
"""From a version to the function that turns a file of it into one of the next version. Version 2 made a list of
`evaluate.gates` and words of `release.promote`; their old forms are read wherever they stand (`gates.py`, and the
settings), since overrides and forms of Kubeflow say no version, and are left by this as they are.
"""

DEEPEST = 10  # keys; an alias that holds itself has no end


@dataclass
class Layer:
    """One source of values, a file or an override, and where each of its keys stands."""

    values: dict[str, Any]
    # "configs/mnist.yaml:12" or "override 'pretrain.epochs=5'"
    places: dict[KeyPath, str] = field(default_factory=dict)


class _Loader(yaml.SafeLoader):
    """YAML as people mean it: 1e-3 is a number, 2026-11-22 is text."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"),
    list("-+.0123456789"),
)


def read_chain(path: Path) -> list[Layer]:
    """The file and all it extends, the most basic first."""
    layers: list[Layer] = []
    seen: list[Path] = []
    while True:
        seen.append(path.resolve())
        layer = read_file(path)
        layers.insert(0, layer)
        base = layer.values.pop("extends", None)
        if base is None:
            return layers
        place = layer.places.pop(("extends",))
        if not isinstance(base, str):
            raise BadInputError(
                f"{place}: extends: got {base!r}, expected the path of one file, relative to {path.parent}/"
            )
        path = path.parent / base
        if path.resolve() in seen:
            chain = " -> ".join(step.name for step in [*seen, path.resolve()])
            raise BadInputError(f"{place}: extends goes in a circle: {chain}")
        if not path.is_file():
            raise BadInputError(f"{place}: extends {base!r}: no such file ({path})")


def read_file(path: Path) -> Layer:
    """One run configuration, brought to the present version."""
    layer = read_yaml(path, "a run configuration such as pipelines/configs/mnist.yaml")
    values = _migrate(layer.values, path, layer.places.get(("version",), f"{path}:1"))
    return Layer(values, {key: layer.places.get(key, str(path)) for key in _inner_paths(values)})


def read_yaml(path: Path, expected: str) -> Layer:
    """One YAML file as it stands. `expected`: what kind of file this should be, for who names one that is not there."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInputError(f"{path}: no such file; expected {expected}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadInputError(f"{path}: cannot be read as text: {reason}; expected {expected}") from None
    return _parse(text, str(path))


def read_override(text: str, text_keys: Container[KeyPath] = ()) -> Layer:
    """`pretrain.epochs=5`; the value is YAML, but text as it stands for `text_keys`: a shell eats the quotes YAML would
    want.
    """
    place = f"override {text!r}"
    dotted, equals, raw = text.partition("=")
    keys = tuple(dotted.split("."))
    if not equals or not all(keys):
        raise BadInputError(f"{place}: expected key=value, such as pretrain.epochs=5")
    value = _parse(f"value: {raw}", place).values["value"]
    if keys in text_keys and value is not None:
        value = raw
    places = {keys[:depth]: place for depth in range(1, len(keys) + 1)}
    places |= {(*keys, *below): place for below in _inner_paths(value)}
    nested: Any = value
    for key in reversed(keys):
        nested = {key: nested}
    return Layer(nested, places)


def _inner_paths(value: Any) -> list[KeyPath]:
    """Each key of a section, and each position of a list, with those above it."""
    if isinstance(value, list):
        value = {str(place): inner for place, inner in enumerate(value)}
    if not isinstance(value, dict):
        return []
    return [
        path for key, inner in value.items() for path in [(key,), *((key, *below) for below in _inner_paths(inner))]
    ]


def _parse(text: str, name: str) -> Layer:
    """Values and the place of each key; a duplicate key, a key that is not text and broken YAML are BadInputErrors."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        places: dict[KeyPath, str] = {}
        if node is None:
            return Layer({}, places)
        if not isinstance(node, yaml.MappingNode):
            raise BadInputError(f"{name}: expected `key: value` lines at the top")
        _walk(node, name, (), places)
        return Layer(loader.construct_document(node), places)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadInputError(f"{_place(name, mark)}: is not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise BadInputError(f"{name}: is not YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()


def _walk(node: yaml.Node, name: str, above: KeyPath, places: dict[KeyPath, str]) -> None:
    for path, place, value in _entries(node, name, above):
        if path in places:
            raise BadInputError(
                f"{place}: key {'.'.join(path)!r} stands here a second time; the first is at {places[path]}"
            )
        places[path] = place
        if len(path) > DEEPEST:
            raise BadInputError(f"{place}: nested more than {DEEPEST} keys deep")
        _walk(value, name, path, places)


def _entries(node: yaml.Node, name: str, above: KeyPath) -> Iterator[tuple[KeyPath, str, yaml.Node]]:
    """The keys of a mapping and the positions of a list, with the place and the value of each; nothing of a word."""
    if isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield (*above, str(position)), _place(name, value.start_mark), value
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        place = _place(name, key.start_mark)
        if key.tag == "tag:yaml.org,2002:merge":
            raise BadInputError(f"{place}: merge keys (<<) are not read; use `extends` or ${{key}}")
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            shown = key.value if isinstance(key, yaml.ScalarNode) else f"a {key.id}"
            raise BadInputError(f"{place}: key {shown!r} is not text; quote it")
        yield (*above, key.value), place, value


def _place(name: str, mark: yaml.Mark | None) -> str:
    return name if mark is None or name.startswith("override ") else f"{name}:{mark.line + 1}"


def _migrate(values: dict[str, Any], path: Path, place: str) -> dict[str, Any]:
    readable = sorted({*MIGRATIONS, VERSION})
    version = values.get("version")
    if version is None:
        raise BadInputError(f"{path}: does not say its version; expected a line `version: {VERSION}`")
    if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
        raise BadInputError(
            f"{place}: version {version} is newer than this gleaner, which reads {readable}; install a newer gleaner"
        )
    if version not in readable or isinstance(version, bool):
        raise BadInputError(f"{place}: version {version!r} is not one that this gleaner reads ({readable})")
    while version != VERSION:
        values = {**MIGRATIONS[version](values), "version": version + 1}
        version += 1
    return values
