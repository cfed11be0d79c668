"""The engines that build and push images: which of docker and podman works here, and how each pushes."""

import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from ipaddress import IPv4Address
from typing import NamedTuple

from components.common.errors import BadInputError, FailedError

ENGINES = ("docker", "podman")
ANSWER = 5.0  # seconds in which an engine says that it works


class Engine(NamedTuple):
    name: str  # docker or podman
    program: str  # its path


def find_engine(asked: str) -> Engine:
    """docker or podman: the one asked for, else the first that works; BadInputError where none does."""
    faults = []
    for name in [asked] if asked else ENGINES:
        program = shutil.which(name)
        fault = _fault(name, program) if program else "not found on the PATH"
        if program and not fault:
            return Engine(name, program)
        faults.append(f"{name}: {fault}")
    raise BadInputError(f"no engine for images ({'; '.join(faults)}); expected docker with its daemon, or podman")


def flags_for(engine: Engine, reference: str) -> list[str]:
    """What lets podman speak http to the registry of an image where that is on this machine, as docker does unasked."""
    return ["--tls-verify=false"] if engine.name == "podman" and is_on_loopback(reference) else []


def is_on_loopback(reference: str) -> bool:
    """Whether an image's registry is localhost, 127.0.0.0/8 or [::1] with a port; without one, localhost is what podman
    calls images that come from no registry.
    """
    registry, slash, _ = reference.partition("/")
    host, _, port = registry.rpartition(":")
    if not slash or not port.isdecimal():
        return False
    with suppress(ValueError):
        return host in ("localhost", "[::1]") or IPv4Address(host).is_loopback
    return False


def push_image(engine: Engine, reference: str) -> str:
    """Push one image; returns its digest. Layers are compressed on the way, so that only who sends them knows it:
    podman writes it, docker says it.
    """
    if engine.name == "podman":
        with tempfile.NamedTemporaryFile("r") as file:
            run_engine(engine, "push", *flags_for(engine, reference), "--digestfile", file.name, reference)
            return file.read().strip()
    digest = ""
    with subprocess.Popen(
        [engine.program, "push", reference], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", file=sys.stderr, flush=True)
            if match := re.search(r"digest: (sha256:[0-9a-f]{64})", line):
                digest = match[1]
    if process.returncode or not digest:
        raise FailedError(f"docker push failed (exit code {process.returncode}); its reason stands above")
    return digest


def run_engine(engine: Engine, *words: str) -> None:
    """Run the engine with its words on stderr: our own results stay alone on stdout."""
    if code := subprocess.run([engine.program, *words], stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode:
        raise FailedError(f"{engine.name} {words[0]} failed (exit code {code}); its reason stands above")


def _fault(name: str, program: str) -> str:
    """Why an engine does not work, in words; empty where it does. docker answers only where its daemon runs."""
    # no pipe, which a process that the engine has started could hold open
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        try:
            ended = subprocess.run(
                [program, "version"], stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=ANSWER
            )
        except subprocess.TimeoutExpired:
            return f"no answer within {ANSWER:g} s (`{program} version`)"
        except OSError as error:
            return f"{program}: {error.strerror}"
        said.seek(0)
        lines = [line.strip() for line in said if line.strip()]
    if ended.returncode:
        return lines[-1] if lines else f"`{program} version` ended with exit code {ended.returncode}"
    is_podman = any(line.startswith("Client:") and "Podman" in line for line in lines)  # as podman-docker installs it
    return "is podman by another name" if is_podman and name != "podman" else ""
