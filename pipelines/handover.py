"""Commands that components have, such as `gleaner label` and `gleaner release …`: a run configuration, and the object
store on this machine, are made known to them in their own flags.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from components.common.errors import BadInputError

if TYPE_CHECKING:
    from pipelines.configuration.config import RunConfig

MODULES = {
    "example": "components.ingest.example",
    "forget": "components.forget",
    "label": "components.labelling",
    "labels": "components.labels",
    "lineage": "components.lineage",
    "monitor": "components.monitor",
    "predict": "components.predict.command",
    "release": "components.releases",
    "serve": "components.serve",
}
WITH_VERBS = ("labels", "monitor", "release")  # their first word is a command of its own
DECIDING = ("approve", "reject", "rollback", "sync")  # commands of release that tell the repository and the registry
TRAINING = {"--train": "run", "--submit": "submit"}  # flags of forget, and the command that they ask for
MADE = "an object store, which `gleaner run` makes"
RELEASED = "the `object_store` of the run that made the release"


def is_component_s(words: list[str]) -> bool:
    """Whether a component has the command; `monitor` itself is the run of a pipeline, and ours."""
    return bool(words) and words[0] in MODULES and (words[0] != "monitor" or words[1:2] == ["history"])


def command(name: str, words: list[str]) -> tuple[str, list[str]]:
    """The module to become, and its words: what `-c CONFIG` says stands there first, before what the user gave, which
    wins. The `object_store` of the configuration, or of `--object-store`, is served from here on.

    Raises BadInputError where the configuration is wrong, or its object store is not there.
    """
    module = MODULES[name]
    if name == "example" or {"-h", "--help"} & {*words}:
        return module, words
    found, rest = _which(name, words)
    verb = rest[:1] if name in WITH_VERBS else []
    rest = rest[len(verb) :]
    folder: Path | None = found.object_store
    flags: list[str] = []
    if found.config:
        from pipelines.configuration.config import load_config

        config = load_config(found.config)
        flags, rest = _told(name, verb, found.config, config, rest)
        if config.object_store and config.store.startswith("s3://"):
            folder = folder or Path(config.object_store).expanduser()
    return module, [*verb, *_reached(name, folder, [*flags, *rest])]


def then_train(words: list[str]) -> tuple[list[str], list[str]]:
    """Words of `gleaner forget` without the flag that asks for a training, and the command that trains."""
    flags = [word for word in words if word in TRAINING]
    config = _which("forget", words)[0].config
    if len({*flags}) > 1 or config is None:
        raise BadInputError(
            "forget: say --train (gleaner run) or --submit (gleaner submit), and -c CONFIG, of which it is a run"
        )
    return [word for word in words if word not in TRAINING], [TRAINING[flags[0]], str(config)]


def reached(name: str, words: list[str]) -> list[str]:
    """Words of a command of ours, without `--object-store DIR`, which is served from here on."""
    found, rest = _which(name, words)
    return words if found.object_store is None else _reached(name, found.object_store, rest)


def _reached(name: str, folder: Path | None, words: list[str]) -> list[str]:
    """Words of a command, for which the object store in `folder`, if there is one, is served from here on."""
    if folder is None:
        return words
    from pipelines.local.objectstore import reachable

    try:
        return reachable(folder, words, MADE if name.startswith(("label", "forget")) else RELEASED)
    except BadInputError as error:
        raise BadInputError(f"{name}: {error}") from None


def _which(name: str, words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog=f"gleaner {name}", add_help=False, allow_abbrev=False)
    parser.add_argument("-c", "--config", type=Path)
    parser.add_argument("--object-store", type=Path)
    return parser.parse_known_args(words)


def _told(name: str, verb: list[str], file: Path, config: "RunConfig", rest: list[str]) -> tuple[list[str], list[str]]:
    """What a configuration says to a command, as its first words, and the words of the user."""
    which = ["--name", config.name, "--store", config.store]
    place = f"{config.store.rstrip('/')}/releases/{config.name}"
    if name == "label":  # what the page says once all is labelled
        return [*which, "--then", f"gleaner run {file}"], rest
    if name == "labels":
        return ([*which, "--rule", config.sample.contradictions] if verb else []), rest
    if name in ("predict", "serve"):
        return [place], rest
    if name == "lineage":
        return [*which, *(["--log", config.monitor.log] if config.monitor.log else [])], rest
    if name == "forget":
        logs = [word for place in filter(None, [config.monitor.log]) for word in ("--also", place)]
        return ["--store", config.store, "--from", config.source, *logs], rest
    if verb == ["verify"]:
        version = [word for word in rest[:1] if not word.startswith("-")]
        return ["/".join([place, *version])], rest[len(version) :]
    return ([*which, *(_outside(config) if verb[0] in DECIDING else [])] if verb else []), rest


def _outside(config: "RunConfig") -> list[str]:
    """Who is told of a decision, as flags."""
    gitops, registry = config.release.gitops, config.release.registry
    flags = ["--registry", registry] if registry else []
    if gitops.repository:
        flags += ["--git-repository", gitops.repository, "--git-branch", gitops.branch, "--git-path", gitops.path]
        flags += ["--git-review"] if gitops.review else []
    return flags
