"""The commands `gleaner images build|push|pin`."""

import argparse
from typing import Any

from components.common.errors import BadInputError

EXAMPLES = """examples:
  gleaner images build                                     data, train, report and serve, from the last commit
  gleaner images build train --torch cpu                   for machines without a GPU
  gleaner images build --registry registry.example.org/ml  under other names than those in docker/images.json
  gleaner images push && gleaner images pin                then commit what changed
  gleaner images pin base=docker.io/library/python:3.11-slim-bookworm@sha256:…
"""


def add_commands(commands: Any) -> None:
    """Add them to the sub-parsers of `gleaner`."""
    plain = argparse.RawDescriptionHelpFormatter
    images = commands.add_parser(
        "images", help="build, push and pin the container images", formatter_class=plain, epilog=EXAMPLES
    )
    actions = images.add_subparsers(metavar="COMMAND")

    build = actions.add_parser("build", help="build images of the last commit", formatter_class=plain, epilog=EXAMPLES)
    _add_roles(build, "the first that works")
    build.add_argument(
        "--torch", choices=("cuda", "cpu"), default="cuda", help="which build of torch (default: %(default)s)"
    )
    build.add_argument(
        "--registry",
        metavar="PREFIX",
        default="",
        help="where images will be pushed (default: as in docker/images.json)",
    )
    build.add_argument(
        "--base",
        metavar="IMAGE",
        default="",
        help="a Python image, such as a mirror's (default: as in docker/images.json)",
    )
    build.add_argument(
        "--extra-index",
        metavar="URL",
        default="",
        help="package index beside pip's, such as that of torch's CPU wheels",
    )
    build.set_defaults(run=_build)

    push = actions.add_parser("push", help="push what was built", formatter_class=plain, epilog=EXAMPLES)
    _add_roles(push, "the one that built the image")
    push.set_defaults(run=_push)

    pin = actions.add_parser(
        "pin",
        help="write digests into docker/images.json, and refresh what is made from it",
        formatter_class=plain,
        epilog=EXAMPLES,
    )
    pin.add_argument(
        "references",
        metavar="ROLE[=IMAGE]",
        nargs="*",
        help="a role that was pushed from here, or one with its image and digest (default: all four)",
    )
    pin.set_defaults(run=_pin)


def _add_roles(parser: argparse.ArgumentParser, engine: str) -> None:
    """Which images, and with which engine. engine: the default, in words."""
    parser.add_argument("roles", metavar="ROLE", nargs="*", help="data, train, report or serve (default: all)")
    parser.add_argument("--engine", choices=("docker", "podman"), default="", help=f"default: {engine}")


def _roles(words: list[str]) -> list[str]:
    from pipelines.images.registry import ROLES

    for word in words:
        if word not in ROLES:
            raise BadInputError(f"image {word}: not built here; expected one of {', '.join(ROLES)}")
    return list(words) or list(ROLES)


def _build(options: argparse.Namespace) -> int:
    from pipelines.images.builds import build

    return _show(
        build(_roles(options.roles), options.engine, options.torch, options.registry, options.base, options.extra_index)
    )


def _push(options: argparse.Namespace) -> int:
    from pipelines.images.builds import push

    return _show(push(_roles(options.roles), options.engine))


def _pin(options: argparse.Namespace) -> int:
    from pipelines.images.builds import pushed
    from pipelines.images.registry import pin

    given = dict(word.split("=", 1) for word in options.references if "=" in word)
    plain = [word for word in options.references if "=" not in word]
    changed = pin({**(pushed(_roles(plain)) if plain or not given else {}), **given})
    from pipelines.compiling.compile import write  # only now: stages take their images when they are imported

    write()
    print(
        f"docker/images.json: {', '.join(changed)} changed; commit it with what was refreshed"
        if changed
        else "nothing changed"
    )
    return 0


def _show(references: dict[str, str]) -> int:
    for role, reference in references.items():
        print(f"{role:8}{reference}")
    return 0
