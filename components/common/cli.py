"""`python -m components.<stage>`: flags from the signature of the stage's `run`, progress, and how a stage ends.

A stage returns, per output artifact, the figures that Kubeflow's UI shows beside it (or nothing). The executor
input, `{{$}}` in a pod, says where to write them; without it a stage is an ordinary command.
"""

import argparse
import contextlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError

from components.common.errors import BadInputError, FailedError, last_words
from components.common.files import sha256_tree, write_json
from components.common.learning.distributed import flag, launch, member
from components.common.lineage import complete, known_by_others, origins
from components.common.parent import follow
from components.common.remote import local_paths, made, path_or_uri
from components.common.trainjob.spec import VARIABLE as TRAINJOB

Metadata = dict[str, dict[str, Any]]
T = TypeVar("T")
WITHIN = ("seed", "threads", "parts", "part")  # arguments that the settings may hold


def main(run: Callable[..., Metadata | None], argv: list[str] | None = None, distributed: bool = False) -> None:
    """Run one stage as a command: exit code 0, 2 for the user's bad input (one line), 1 for a bug (a traceback).

    distributed: on several GPUs, or as a pod of several, it runs as many processes that call `run` together.
    """
    stage = run.__module__.split(".")[1]
    follow()
    try:
        values, executor_input = parse(run, stage, argv)
        outputs = outputs_of(run)
        if os.environ.get(TRAINJOB):
            from components.common.trainjob.launch import (
                launch as launch_job,  # only these pods have a cluster to talk to
            )

            metadata = launch_job(stage, values, outputs)
            if executor_input:
                write_executor_output(json.loads(executor_input), metadata)
            return
        if distributed:
            if made(values, outputs):  # this pod was started again after its work was done, and the others may be gone
                return
            launch(stage, sys.argv[1:] if argv is None else argv)
        with member(stage) if distributed else contextlib.nullcontext():
            first = os.environ.get("RANK", "0") == "0" or not distributed
            with local_paths(values, outputs, first) as (paths, about), complete(paths, inputs_of(run)) as known:
                metadata = run(**known) or {}
                about.update(metadata)
            if executor_input and first:
                write_executor_output(json.loads(executor_input), metadata)
    except (BadInputError, FailedError, MemoryError) as error:
        line, code = last_words(stage, error) or ("", 1)
        print(line, file=sys.stderr, flush=True)
        raise SystemExit(code) from None


def inputs_of(run: Callable[..., Any]) -> set[str]:
    """Names of the paths that a stage reads: those before its settings."""
    names = list(inspect.signature(run).parameters)
    return {name for name in names[: names.index("settings")] if get_type_hints(run)[name] is Path}


def outputs_of(run: Callable[..., Any]) -> set[str]:
    """Names of the paths that a stage writes: those after its settings."""
    names = list(inspect.signature(run).parameters)
    return {name for name in names[names.index("settings") :] if get_type_hints(run)[name] is Path}


def parse(run: Callable[..., Any], stage: str, argv: list[str] | None) -> tuple[dict[str, Any], str]:
    """Arguments of `run` from flags: paths (or URIs), strings and integers as they are, a settings model from JSON or
    `@file`. What the other inputs tell may be left out, and is then no key of the result.

    Single settings have flags too; the JSON goes before them. It may hold the arguments of WITHIN as well: `plan` hands
    each task a single parameter, since Kubeflow's picture of a run has room for one line between two tasks.
    """
    hints = get_type_hints(run)
    within = {name for name in WITHIN if hints.get(name) in (str, int)}
    parser = _parser(run, stage, within)
    values = vars(parser.parse_args(argv))
    executor_input = values.pop("executor_input")
    below = {key.partition(".")[2]: values.pop(key) for key in list(values) if "." in key}
    held: dict[str, Any] = {}
    for name in values:
        if _is_model(hints[name]):
            given = _json("settings", values[name])
            held = {key: given.pop(key, None) for key in within - values.keys()} if isinstance(given, dict) else {}
            values[name] = read_settings(hints[name], given, stage, below)
        elif get_origin(hints[name]) is dict:
            values[name] = _json(name, values[name])
    for key, value in held.items():
        if value is None:
            parser.error(f"{flag(key)} is required, or {key!r} in --settings")
        values[key] = hints[key](value)
    return values, executor_input


def _parser(run: Callable[..., Any], stage: str, within: set[str]) -> argparse.ArgumentParser:
    """A flag for each argument of `run`, and for each single setting. within: arguments that the settings may hold."""
    parser = argparse.ArgumentParser(
        prog=f"python -m components.{stage}",
        description=inspect.getdoc(run),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    hints = get_type_hints(run)
    told = dict.fromkeys(within, "as --settings say")
    told |= dict.fromkeys(known_by_others(inputs_of(run)), "what the other inputs were made from")
    for name, parameter in inspect.signature(run).parameters.items():
        kind = hints[name]
        is_json = _is_model(kind) or get_origin(kind) is dict
        default = "{}" if _is_model(kind) else parameter.default
        required = default is inspect.Parameter.empty and name not in told
        parser.add_argument(
            flag(name),
            dest=name,
            metavar="JSON|@FILE" if is_json else kind.__name__.upper(),
            required=required,
            default=argparse.SUPPRESS if name in told else None if required else default,
            help=f"left out: {told[name]}" if name in told else None,
            type=str if is_json else path_or_uri if kind is Path else kind,
        )
        for field in plain_fields(kind) if _is_model(kind) else ():
            if field not in hints:
                parser.add_argument(
                    flag(field),
                    dest=f"{name}.{field}",
                    metavar="VALUE",
                    default=argparse.SUPPRESS,
                    help=(kind.model_fields[field].description or "").replace("%", "%%"),
                )
    parser.add_argument(
        "--executor-input", default="", metavar="JSON", help="Kubeflow's {{$}}: where to write what the UI shows"
    )
    return parser


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def plain_fields(model: type[BaseModel]) -> list[str]:
    """Settings of one value each, no models of their own."""
    kinds = {name: field.annotation for name, field in model.model_fields.items()}
    return [name for name, kind in kinds.items() if not (isinstance(kind, type) and issubclass(kind, BaseModel))]


def read_settings(model: type[BaseModel], given: Any, stage: str, below: dict[str, str]) -> BaseModel:
    """Settings from what JSON gave, over single ones from flags of their own."""
    try:
        singles = {name: _value(model, name, value) for name, value in below.items()}
        return model.model_validate({**singles, **given} if isinstance(given, dict) else given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([stage, *(str(part) for part in first["loc"])])
        raise BadInputError(f"{where}: {first['msg']} (got {first.get('input')!r})") from None


def _json(name: str, text: str) -> Any:
    """What JSON, or a file named `@file`, says."""
    if text.startswith("@"):
        text = Path(text[1:]).read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInputError(f"{flag(name)} is not JSON: {error}") from None


def _value(model: type[BaseModel], name: str, text: str) -> Any:
    """`100`, `true` and `null` as JSON reads them, words as they are."""
    if model.model_fields[name].annotation is not str:
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(text)
    return text


def write_executor_output(executor_input: dict[str, Any], metadata: Metadata) -> None:
    """Write the file that tells Kubeflow about the outputs: each artifact's own figures, the digest of its bytes,
    and those of the dataset and the labels that it was made from.
    """
    artifacts = executor_input["outputs"].get("artifacts", {})
    for name, entry in artifacts.items():
        artifact = entry["artifacts"][0]
        path = Path(artifact.get("customPath") or local_path(artifact["uri"]))
        digest = {"digest": sha256_tree(path)} if path.exists() else {}
        artifact["metadata"] = {**artifact.get("metadata", {}), **digest, **origins(path), **metadata.get(name, {})}
    write_json(Path(executor_input["outputs"]["outputFile"]), {"artifacts": artifacts})


def local_path(uri: str) -> str:
    """Where Kubeflow's launcher mounts an object (its `{{$.outputs.artifacts['x'].path}}`)."""
    for scheme in ("gs", "minio", "s3", "oci"):
        if uri.startswith(f"{scheme}://"):
            return f"/{scheme}/" + uri.removeprefix(f"{scheme}://")
    return uri


def progress(items: Iterable[T], total: int, what: str, every: int = 1) -> Iterator[T]:
    """Yield the items; show a bar on a terminal, one JSON line per `every` items elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track

        yield from track(items, total=total, description=what, console=Console(stderr=True))
        return
    report(what, 0, total)
    for done, item in enumerate(items, start=1):
        yield item
        if done % every == 0 or done == total:
            report(what, done, total)


def report(what: str, done: int, total: int, **figures: float) -> None:
    """One JSON line that a log collector, and `gleaner run`, can read."""
    rounded = {name: round(float(value), 5) for name, value in figures.items()}
    print(json.dumps({"progress": what, "done": done, "total": total, **rounded}), flush=True)
