"""Explain mistakes in a configuration in one line: place, key, what was given, what is expected."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from components.common.errors import BadInputError

KeyPath = tuple[str, ...]  # keys from the top of a configuration: ("pretrain", "epochs")


def keys_of(model: type[BaseModel], above: KeyPath = ()) -> dict[KeyPath, Any]:
    """Every key that a configuration may hold, sections included, with its type."""
    keys: dict[KeyPath, Any] = {}
    for name, field in model.model_fields.items():
        keys[(*above, name)] = field.annotation
        if _is_section(field.annotation):
            keys |= keys_of(field.annotation, (*above, name))  # type: ignore[arg-type]
    return keys


def refuse_unknown(model: type[BaseModel], places: dict[KeyPath, str]) -> None:
    """BadInputError for the first key that the model does not have, with the nearest that it has. places: where each
    key stands.
    """
    known = keys_of(model)
    for path, place in places.items():
        above = (path[:depth] for depth in range(1, len(path)))
        # below a plain value or a table of models
        open_ended = any(key in known and not _is_section(known[key]) for key in above)
        if path not in known and not open_ended:
            raise BadInputError(f"{place}: unknown key {_dotted(path)!r}; {_nearest(path, known)}")


def explain(model: type[BaseModel], error: ValidationError, places: dict[KeyPath, str], file: Path | str) -> str:
    """One line for the first of the mistakes that pydantic found."""
    problems = error.errors(include_url=False)
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    known = keys_of(model)
    whole: KeyPath = tuple(str(part) for part in first["loc"])
    path = whole
    while path and path not in known and path not in places:
        path = path[:-1]  # a position in a list or a branch of a union
    place = place_of(whole, places, file)
    if first["type"] == "missing" and len(whole) > 1:
        return f"{place}: lacks {_dotted(whole)!r}{more}"
    if first["type"] == "missing":
        wanted = re.split(r"[.:;](?: |$)", model.model_fields[path[0]].description or "")[0]
        return f"{file}: lacks {_dotted(path)!r}; expected: {wanted}{more}"
    if first["type"] == "extra_forbidden":  # in a table of models, whose keys only pydantic knows
        return f"{place}: unknown key {_dotted(whole)!r}{more}"
    if first["type"] == "value_error":  # a model's own check, in its own words
        return f"{place}: {_dotted(path)}: {first['ctx']['error']}{more}"
    return f"{place}: {_dotted(path)}: got {first['input']!r}, expected {_expectation(first)}{more}"


def place_of(path: KeyPath, places: dict[KeyPath, str], file: Path | str) -> str:
    """Where a key stands, or the nearest section above it; the file, where it is a default."""
    above = (path[:depth] for depth in range(len(path), 0, -1))
    return next((places[key] for key in above if key in places), str(file))


def _expectation(problem: Any) -> str:
    if problem["type"] in ("model_type", "model_attributes_type"):
        return "a section of `key: value` lines"
    if problem["type"] == "string_pattern_mismatch":
        return f"text that matches {problem['ctx']['pattern']}"
    return problem["msg"].removeprefix("Input should be ")


def _nearest(path: KeyPath, known: dict[KeyPath, Any]) -> str:
    """What the user may have meant: a key of the same section, else keys of that name elsewhere."""
    siblings = {key[-1]: [key] for key in known if key[:-1] == path[:-1]}
    elsewhere: dict[str, list[KeyPath]] = {}
    for key in known:
        elsewhere.setdefault(key[-1], []).append(key)
    for candidates in (siblings, elsewhere):
        close = get_close_matches(path[-1], candidates, n=1, cutoff=0.7)
        if close:
            return f"did you mean {' or '.join(repr(_dotted(key)) for key in candidates[close[0]])}?"
    return f"expected one of {', '.join(siblings)}"


def _dotted(path: KeyPath) -> str:
    return ".".join(path)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
