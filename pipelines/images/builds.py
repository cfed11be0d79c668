"""Build and push the images of this commit, with docker or podman.

The context is what Git has of the commit, not the working tree, so that the commit in an image's labels is what is in
it. What was built and pushed, and with which engine, is noted in .gleaner/images.json, from where `gleaner images push`
and `pin` take it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from components.common.component import IMAGES, images
from components.common.errors import BadInputError
from components.common.files import write_json
from pipelines.compiling.images import BASE, parts
from pipelines.images.engines import find_engine, flags_for, push_image, run_engine
from pipelines.images.registry import ROOT

CONTEXT = ("pyproject.toml", "README.md", "LICENSE", "components", "pipelines", "docker")
NOTES = ROOT / ".gleaner" / "images.json"
Notes = dict[str, dict[str, str]]
"""By role: commit, reference, engine that built it (older notes have none) and, once pushed, digest."""


def build(roles: list[str], engine: str, torch: str, registry: str, base: str, extra_index: str) -> dict[str, str]:
    """Build images of HEAD; returns the reference of each role.

    engine: docker or podman, empty for the first that works. torch: cuda or cpu. registry: where their names begin,
    empty for that of docker/images.json. base, extra_index: instead of the base of docker/images.json, and beside pip's
    index; either may be empty.
    """
    builder = find_engine(engine)
    base = base or images()[BASE]
    commit = head()
    names = {role: name(role, registry) for role in roles}
    notes = read_notes()
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        archive = subprocess.run(
            ["git", "-C", str(ROOT), "archive", commit, *CONTEXT], check=True, stdout=subprocess.PIPE
        ).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        arguments = ["--build-arg", f"BASE={base}", "--build-arg", f"TORCH={torch}"]
        arguments += ["--build-arg", f"PIP_EXTRA_INDEX_URL={extra_index}"] if extra_index else []
        for role, repository in names.items():
            reference = f"{repository}:{version()}-{commit[:12]}"
            run_engine(
                builder,
                "build",
                *flags_for(builder, base),
                "--file",
                str(context / "docker" / "Dockerfile"),
                "--target",
                role,
                *arguments,
                "--build-arg",
                f"REVISION={commit}",
                *labels(role, commit, base),
                "--tag",
                reference,
                folder,
            )
            notes[role] = {"commit": commit, "reference": reference, "engine": builder.name, "digest": ""}
            _note(notes)
    return {role: notes[role]["reference"] for role in roles}


def push(roles: list[str], engine: str) -> dict[str, str]:
    """Push what `build` made, with the engine that has it; returns the reference of each role with the digest that the
    registry has it by.

    engine: docker or podman, empty for the one that built the image, or the first that works where no note says which.
    """
    notes = read_notes()
    for role in roles:
        if role not in notes:
            raise BadInputError(f"image {role}: nothing was built here; run: gleaner images build {role}")
        builder = notes[role].get("engine", "")
        if engine and builder and engine != builder:
            raise BadInputError(
                f"image {role}: {builder} built it, so {engine} does not have it; push it with --engine {builder}, "
                f"or run: gleaner images build {role} --engine {engine}"
            )
    names = {role: engine or notes[role].get("engine", "") for role in roles}
    engines = {each: find_engine(each) for each in sorted(set(names.values()))}
    for role in roles:
        notes[role]["digest"] = push_image(engines[names[role]], notes[role]["reference"])
        _note(notes)
    return pushed(roles)


def pushed(roles: list[str]) -> dict[str, str]:
    """The reference of each role with its digest, as `push` noted them."""
    notes = read_notes()
    for role in roles:
        if not notes.get(role, {}).get("digest"):
            raise BadInputError(
                f"image {role}: nothing was pushed from here; run: gleaner images push {role}, or name it: "
                f"gleaner images pin {role}=NAME:TAG@sha256:…"
            )
    return {role: f"{notes[role]['reference']}@{notes[role]['digest']}" for role in roles}


def labels(role: str, commit: str, base: str) -> list[str]:
    """OCI annotations (opencontainers/image-spec, annotations.md) as flags."""
    words = {
        "title": f"gleaner-{role}",
        "licenses": "Apache-2.0",
        "revision": commit,
        "version": version(),
        "base.name": base,
    }
    return [word for key, value in words.items() for word in ("--label", f"org.opencontainers.image.{key}={value}")]


def name(role: str, registry: str) -> str:
    """Where an image goes: its name in docker/images.json, or the last part of that in another registry."""
    known = parts(images()[role])["newName"]
    return f"{registry.rstrip('/')}/{known.rpartition('/')[2]}" if registry else known


def head() -> str:
    """The commit that is built; BadInputError where there is none."""
    asked = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--verify", "HEAD"], capture_output=True, text=True)
    if asked.returncode or not IMAGES.is_file():
        raise BadInputError(f"{ROOT}: not a Git clone of gleaner; images are built from a commit")
    changed = subprocess.run(
        ["git", "-C", str(ROOT), "status", "--porcelain", "--", *CONTEXT], capture_output=True, text=True
    ).stdout
    for line in changed.splitlines()[:1]:
        more = f" and {count} more" if (count := len(changed.splitlines()) - 1) else ""
        print(f"note: not committed, so not in the images: {line[3:]}{more}", file=sys.stderr)
    return asked.stdout.strip()


def version() -> str:
    from importlib.metadata import version as installed

    return installed("gleaner")


def read_notes() -> Notes:
    try:
        return json.loads(NOTES.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def _note(notes: Notes) -> None:
    NOTES.parent.mkdir(exist_ok=True)
    write_json(NOTES, notes)
