"""Change which release an InferenceService serves, in the text of its manifest: comments and layout stay."""

import re
from typing import Any

import yaml

from components.common.errors import BadInputError

KIND = "InferenceService"
URI = ("spec", "predictor", "model", "storageUri")
DIGEST = ("metadata", "annotations", "gleaner.dev/release-digest")


def served(text: str, model: str, where: str) -> tuple[str, str]:
    """`storageUri` and digest in the manifest of a model. where: the file's name, for messages.

    Raises BadInputError where the file holds no such manifest, or where that lacks one of the two.
    """
    _, document = _document(text, model, where)
    uri, digest = (_scalar(document, path, where).value for path in (URI, DIGEST))
    return uri, digest


def serve(text: str, model: str, uri: str, digest: str, where: str) -> str:
    """The same text with another `storageUri` and digest. Raises BadInputError like `served`, or where the two cannot
    be changed alone.
    """
    place, document = _document(text, model, where)
    nodes = [(_scalar(document, URI, where), uri), (_scalar(document, DIGEST, where), digest)]
    new = text
    for node, value in sorted(nodes, key=lambda one: -one[0].start_mark.index):
        new = new[: node.start_mark.index] + _spelled(value, node.style) + new[node.end_mark.index :]
    wanted = [*yaml.safe_load_all(text)]
    wanted[place] = _with(_with(wanted[place], URI, uri), DIGEST, digest)
    try:
        alone = [*yaml.safe_load_all(new)] == wanted
    except yaml.YAMLError:
        alone = False
    if not alone:
        raise BadInputError(
            f"{where}: storageUri and the digest of {model} cannot be changed without changing more; write them as "
            "plain values of their own"
        )
    return new


def _document(text: str, model: str, where: str) -> tuple[int, yaml.Node]:
    """The manifest of a model and its place among the documents: the one of its name, else the one that serves a
    release of it.
    """
    found = [one for one in enumerate(_documents(text, where)) if _value(one[1], ("kind",)) == KIND]
    named = [one for one in found if _value(one[1], ("metadata", "name")) == name_of(model)]
    serving = [one for one in found if f"/releases/{model}/" in f"/{_value(one[1], URI)}"]
    chosen = named or serving
    if len(chosen) != 1:
        names = ", ".join(str(_value(node, ("metadata", "name"))) for _, node in found) or "none"
        raise BadInputError(
            f"{where}: expected one {KIND} named {name_of(model)}, found {len(chosen)} among: {names}; correct "
            "release.gitops.path or the manifest"
        )
    return chosen[0]


def name_of(model: str) -> str:
    """The name of a model as Kubernetes takes it."""
    return "".join(letter if letter.isalnum() else "-" for letter in model.lower()).strip("-")


def _documents(text: str, where: str) -> list[yaml.Node]:
    try:
        return list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise BadInputError(f"{where}:{line}: is no YAML ({getattr(error, 'problem', None) or 'unreadable'})") from None


def _scalar(document: yaml.Node, path: tuple[str, ...], where: str) -> yaml.ScalarNode:
    node = _node(document, path)
    if isinstance(node, yaml.ScalarNode) and node.value:
        return node
    raise BadInputError(f"{where}: has no {'.'.join(path)}; add it to the {KIND}, with any value")


def _node(document: yaml.Node, path: tuple[str, ...]) -> yaml.Node | None:
    node: yaml.Node | None = document
    for key in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for name, value in node.value if name.value == key), None)
    return node


def _value(document: yaml.Node, path: tuple[str, ...]) -> Any:
    node = _node(document, path)
    return node.value if isinstance(node, yaml.ScalarNode) else None


def _spelled(value: str, style: str | None) -> str:
    """A value in the style it had: in quotes, or plain where that is read back as the same text."""
    plain = re.fullmatch(r"[A-Za-z/][\w./:@+=-]*[\w/]", value) and yaml.safe_load(f"- {value}\n") == [value]
    if style == "'" or (style is None and not plain):
        return "'" + value.replace("'", "''") + "'"
    if style is None:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _with(value: Any, path: tuple[str, ...], text: str) -> Any:
    """A copy of a document with `text` at a path that is there."""
    return {**value, path[0]: _with(value[path[0]], path[1:], text)} if path else text
