"""`gleaner label` and `gleaner labels …`: commands of components, which a run configuration tells where labels are."""

import argparse
from pathlib import Path

MODULES = {"label": "components.labelling", "labels": "components.labels"}


def command(name: str, words: list[str]) -> tuple[str, list[str]]:
    """The module to become, and its words: what `-c CONFIG` says stands there as flags, before those of the user, which
    win. The `object_store` of the configuration, or of `--object-store`, is served from here on.

    Raises BadInputError where the configuration is wrong, or its object store is not there.
    """
    parser = argparse.ArgumentParser(prog=f"gleaner {name}", add_help=False, allow_abbrev=False)
    parser.add_argument("-c", "--config", type=Path)
    parser.add_argument("--object-store", type=Path)
    found, rest = parser.parse_known_args(words)
    if {"-h", "--help"} & {*rest}:
        return MODULES[name], rest
    folder: Path | None = found.object_store
    flags: list[str] = []
    if found.config:
        from pipelines.configuration.config import load_config

        config = load_config(found.config)
        flags = ["--name", config.name, "--store", config.store]
        if name == "labels":
            flags += ["--rule", config.sample.contradictions]
        else:  # what the page says once all is labelled
            flags += ["--then", f"gleaner run {found.config}"]
        if config.object_store and config.store.startswith("s3://"):
            folder = folder or Path(config.object_store).expanduser()
    if folder:
        from pipelines.local.objectstore import reachable

        flags, rest = (reachable(folder, some, "an object store, which `gleaner run` makes") for some in (flags, rest))
    verbs = 1 if name == "labels" else 0  # the flags belong to the command below this one
    return MODULES[name], [*rest[:verbs], *(flags if len(rest) >= verbs else []), *rest[verbs:]]
