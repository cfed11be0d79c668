"""Flags that the commands about releases share, and what they open."""

import argparse
import getpass
from typing import Any, NamedTuple

from components.common.errors import BadInputError
from components.common.storage import Store, open_store
from components.releases.deciding.outside import Outside
from components.releases.gitops.repository import Target

WHERE = "give -c my.yaml, a run configuration, or a place such as s3://bucket/prefix/releases/mnist"
PATH = "manifests/components/serving/inferenceservice.yaml"
SHORTEST = 4  # digits of a version that may stand for all


class Which(NamedTuple):
    """The releases of one model."""

    store: Store
    model: str

    @property
    def root(self) -> str:
        return f"releases/{self.model}/"


def shared() -> argparse.ArgumentParser:
    """Parent of every command's parser: which releases are meant."""
    made = argparse.ArgumentParser(add_help=False)
    which = made.add_argument_group("which releases")
    which.add_argument("-c", "--config", metavar="CONFIG", help="run configuration that says name, store and the like")
    which.add_argument("--name", metavar="NAME", help="the `name` of a run configuration")
    which.add_argument("--store", metavar="STORE", help="its `store`: s3://bucket/prefix or a folder")
    which.add_argument("--object-store", metavar="DIR", help="the folder that its `object_store` names")
    return made


def deciding() -> argparse.ArgumentParser:
    """Parent of the commands that decide: who, why, and who is told."""
    made = argparse.ArgumentParser(add_help=False)
    made.add_argument("--who", metavar="NAME", help="who decides (default: the user's name)")
    made.add_argument("--why", metavar="TEXT", default="", help="why, for the history")
    told = made.add_argument_group("who is told (the `release` section of the configuration)")
    told.add_argument("--git-repository", metavar="ADDRESS", help="repository that the cluster follows")
    told.add_argument("--git-branch", metavar="BRANCH", default="main", help="its branch (default: main)")
    told.add_argument("--git-path", metavar="FILE", default=PATH, help=f"its InferenceService (default: {PATH})")
    told.add_argument("--git-review", action="store_true", help="push a branch to be merged by a person")
    told.add_argument("--no-commit", action="store_true", help="decide in the store alone, whatever is configured")
    told.add_argument("--registry", metavar="ADDRESS", help="Kubeflow Model Registry")
    return made


def add_command(
    commands: Any, parents: list[argparse.ArgumentParser], name: str, about: str, details: str, examples: str
) -> argparse.ArgumentParser:
    """A sub-parser with shared flags. about: a line; details: what the command's own help says on top."""
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=details,
        epilog=f"examples:\n{examples}",
        parents=parents,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return made


def add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="default: table")


def opened(options: argparse.Namespace) -> tuple[Which, list[str]]:
    """The releases that flags or the first word name, and the words that are left."""
    if options.config is not None or options.object_store is not None:
        raise BadInputError("-c and --object-store are understood by `gleaner`; here give --name and --store")
    words = list(options.words)
    if options.name or options.store:
        if not options.name or not options.store:
            raise BadInputError(f"--name and --store go together; {WHERE}")
        return Which(open_store(options.store), options.name), words
    if not words:
        raise BadInputError(f"which releases? {WHERE}")
    place = words.pop(0)
    base, found, rest = f"/{place.rstrip('/')}".rpartition("/releases/")
    model, _, version = rest.partition("/")
    if not found or not model or "/" in version:
        raise BadInputError(f"{place}: names no releases; {WHERE}")
    root = base[1:] or ("/" if place.startswith("/") else ".")
    return Which(open_store(root), model), [*([version] if version else []), *words]


def one_version(which: Which, words: list[str]) -> str:
    """The version that the only word left names, by its first digits too."""
    if len(words) != 1:
        raise BadInputError(f"expected one VERSION, got {' '.join(words) or 'none'}; `gleaner release list` has them")
    there = versions(which)
    found = [version for version in there if version.startswith(words[0]) and len(words[0]) >= SHORTEST]
    if words[0] in there:
        return words[0]
    if len(found) != 1:
        what = "no" if not found else "more than one"
        raise BadInputError(
            f"{which.store.uri}/{which.root}: {what} release {words[0]}; there "
            + (f"are {', '.join(sorted(found or there)[:10])}" if found or there else "is none")
        )
    return found[0]


def versions(which: Which) -> dict[str, float]:
    """Versions that are published, with the time of release.json in seconds since 1970."""
    found = {}
    for stat in which.store.list(which.root):
        version, _, name = stat.key.removeprefix(which.root).partition("/")
        if name == "release.json":
            found[version] = stat.modified
    return found


def outside(options: argparse.Namespace) -> Outside:
    """Who is told of a decision."""
    if options.no_commit or not options.git_repository:
        return Outside(None, options.registry)
    target = Target(options.git_repository, options.git_branch, options.git_path, options.git_review)
    return Outside(target, options.registry)


def person(options: argparse.Namespace) -> str:
    """Who decides."""
    try:
        name = options.who or getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        name = ""
    if not name.strip():
        raise BadInputError("who decides? this user has no name; give --who NAME")
    return " ".join(name.split())
