"""podman as the tests use it: storage of its own beside pip's cache, this machine's package index, and a stand-in for
the base image.

The real base, python:3.11-slim-bookworm, is on Docker Hub. The stand-in is the same release of Debian with its own
Python 3.11, made once by debootstrap and kept, so that the images are built where no hub can be reached; what differs
is Python's patch release.
"""

import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CACHE = Path(os.environ.get("GLEANER_TEST_CACHE", Path.home() / ".cache" / "gleaner-tests"))
BASE = "localhost/python:3.11-slim-bookworm"
PROGRAMS = ("podman", "runc", "debootstrap", "docker-registry")  # Debian's packages have their names
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
NOBODY = 10001  # the images' user


def missing() -> str:
    """What this machine lacks to build images, in words; empty where it lacks nothing."""
    if os.geteuid() != 0:
        return "images are built here as root only: debootstrap must be"
    packages = [program for program in PROGRAMS if shutil.which(program, path=f"{PATH}:{os.environ['PATH']}") is None]
    return f"apt-get install {' '.join(packages)}" if packages else ""


def configure(folder: Path) -> dict[str, str]:
    """Write podman's configuration into a folder; returns the environment that makes podman read it."""
    storage = CACHE / "podman"
    (folder / "pip.conf").write_text(
        "[global]\n" + "".join(f"{key} = {value}\n" for key, value in pip_settings().items())
    )
    mounts = [f"{folder / 'pip.conf'}:/etc/pip.conf:ro", *(f"{place}:{place}:ro" for place in local_wheels())]
    if authorities := ssl.get_default_verify_paths().cafile or os.environ.get("SSL_CERT_FILE"):
        mounts.append(f"{authorities}:/etc/ssl/certs/ca-certificates.crt:ro")
    (folder / "containers.conf").write_text(
        f'[containers]\ndefault_ulimits=["nofile=16384:16384","nproc=16384:16384"]\nvolumes={json.dumps(mounts)}\n'
        '[engine]\nruntime="runc"\ncgroup_manager="cgroupfs"\nevents_logger="file"\n'
    )
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver="overlay"\ngraphroot="{storage}"\nrunroot="{CACHE / "podman-run"}"\n'
    )
    (folder / "registries.conf").write_text("unqualified-search-registries=[]\n")
    return {
        **os.environ,
        "PATH": f"{os.environ['PATH']}:{PATH}",
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
    }


def pip_settings() -> dict[str, str]:
    """How pip reaches packages on this machine."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    settings = [line.partition("=") for line in listed.splitlines()]
    found = {key.rpartition(".")[2]: value.strip("'") for key, _, value in settings}
    kept = {key: found[key] for key in ("index-url", "extra-index-url", "find-links") if key in found}
    kept["extra-index-url"] = " ".join(
        word for word in kept.get("extra-index-url", "").split() if not word.startswith("file:")
    )
    return {
        "cert": "/etc/ssl/certs/ca-certificates.crt",
        "timeout": "180",
        **{key: value for key, value in kept.items() if value},
    }


def local_wheels() -> list[str]:
    """Folders of wheels that pip looks into."""
    return [word for word in pip_settings().get("find-links", "").split() if Path(word).is_dir()]


def podman(environment: dict[str, str], *words: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["podman", *words], env=environment, capture_output=True, text=True, timeout=1200, **options)


def stand_in(environment: dict[str, str]) -> None:
    """Make the base image, unless it is there."""
    if podman(environment, "image", "exists", BASE).returncode == 0:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        subprocess.run(
            [
                "debootstrap",
                "--variant=minbase",
                "--include=python3,python3-venv,python3-pip,ca-certificates",
                "bookworm",
                str(root),
            ],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=900,
        )
        (root / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()
        (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        shutil.rmtree(root / "var/cache/apt")
        shutil.rmtree(root / "var/lib/apt/lists")
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
            made = podman(
                environment,
                "import",
                "--change",
                f"ENV PATH={PATH}",
                "--change",
                'CMD ["python3"]',
                "-",
                BASE,
                stdin=tar.stdout,
            )
        assert made.returncode == 0, made.stderr


def locked_down(*mounts: str, network: str = "none", variables: dict[str, str] | None = None) -> list[str]:
    """`podman run` as a pod of ours: read-only but /tmp, no rights, a user who is not root."""
    words = [
        "run",
        "--rm",
        "--read-only",
        "--read-only-tmpfs=false",
        "--tmpfs",
        "/tmp",
        "--network",
        network,
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        "--shm-size",
        "256m",
    ]
    words += [word for mount in mounts for word in ("--volume", mount)]
    return words + [word for key, value in (variables or {}).items() for word in ("--env", f"{key}={value}")]
