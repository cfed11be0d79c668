"""provenance.json: what a release is made of, as an in-toto statement (v1) with SLSA's provenance (v1).

    subject                the files of the release but this one, by sha256
    externalParameters     `model`, its name, and `settings` of the whole run, as a run configuration has them
    internalParameters     seed, threads, and the Python and the processor that the model was trained with
    resolvedDependencies   `dataset`, `labels` and `gleaner` (the code) by digest, Python packages by version, images

A dataset's digest is the id that its contents give (components/common/data/identity.py), the code's is
components/common/code.py's; the labels are the release's own labels.parquet. `gleaner release reproduce` runs again
from what stands here. Times and the number of the run are left out, so that equal runs write equal bytes; it is what
the builder says of itself (SLSA build level 1).
"""

from typing import Any
from urllib.parse import quote

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
HOME = "https://github.com/gleaner-ml/gleaner"
BUILD_TYPE = f"{HOME}/blob/main/components/releases/provenance.py"
BUILDER = f"{HOME}/blob/main/components/release/stage.py"
FILE = "provenance.json"


def statement(
    release: dict[str, Any], files: dict[str, str], made_with: dict[str, Any], images: dict[str, str]
) -> dict[str, Any]:
    """The statement. release: release.json as far as it is known (model, run, seed, threads, digests, dataset_name);
    files: sha256 by name; made_with: of classifier.json; images: references by role, where the run knows them.
    """
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(files.items())],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"model": release["model"], "settings": release["run"]["settings"]},
                "internalParameters": {
                    "seed": release["seed"],
                    "threads": release["threads"],
                    **{key: made_with[key] for key in ("python", "processor") if key in made_with},
                },
                "resolvedDependencies": [
                    *dependencies(release),
                    *_packages(made_with.get("packages", {})),
                    *_images(images),
                ],
            },
            "runDetails": {"builder": {"id": BUILDER, "version": {"gleaner": release["digests"]["code"]}}},
        },
    }


def dependencies(release: dict[str, Any]) -> list[dict[str, Any]]:
    """What release.json says that it is made of, as resource descriptors."""
    digests, name = release["digests"], release["dataset_name"]
    return [
        {
            "name": "dataset",
            "uri": f"gleaner:datasets/{quote(name)}/{digests['dataset']}",
            "digest": {"gleanerDataset": digests["dataset"]},
        },
        {"name": "labels", "uri": "gleaner:labels.parquet", "digest": {"sha256": digests["labels"]}},
        {"name": "gleaner", "uri": f"git+{HOME}", "digest": {"gleanerCode": digests["code"]}},
    ]


def problems(said: Any, release: dict[str, Any]) -> list[str]:
    """How a statement differs from release.json, a line each; what other builders add to one is passed over."""
    wrong: list[str] = []
    for path, expected in (
        (("_type",), STATEMENT),
        (("predicateType",), PREDICATE),
        (("predicate", "buildDefinition", "buildType"), BUILD_TYPE),
        (("predicate", "buildDefinition", "externalParameters", "model"), release["model"]),
        (("predicate", "buildDefinition", "externalParameters", "settings"), release["run"]["settings"]),
        (("predicate", "buildDefinition", "internalParameters", "seed"), release["seed"]),
        (("predicate", "buildDefinition", "internalParameters", "threads"), release["threads"]),
        (("predicate", "runDetails", "builder", "id"), BUILDER),
    ):
        if (found := _at(said, path)) != expected:
            wrong.append(f"{FILE}: {'.'.join(path)} is {_short(found)}, release.json says {_short(expected)}")
    subjects = {each.get("name"): _at(each, ("digest", "sha256")) for each in _list(said, ("subject",))}
    listed = {name: about["sha256"] for name, about in release["files"].items() if name != FILE}
    for name in sorted({*subjects, *listed}, key=str):
        if subjects.get(name) != listed.get(name):
            wrong.append(
                f"{FILE}: subject {name} has sha256 {_short(subjects.get(name))}, release.json says "
                f"{_short(listed.get(name))}"
            )
    named = {each.get("name"): each for each in _list(said, ("predicate", "buildDefinition", "resolvedDependencies"))}
    for expected in dependencies(release):
        found = named.get(expected["name"], {})
        for key in ("uri", "digest"):
            if found.get(key) != expected[key]:
                wrong.append(
                    f"{FILE}: dependency {expected['name']} has {key} {_short(found.get(key))}, release.json says "
                    f"{_short(expected[key])}"
                )
    return wrong


def made_with(said: dict[str, Any]) -> dict[str, str]:
    """What a statement records of the machine and the libraries that trained: by name, for a comparison."""
    definition = said["predicate"]["buildDefinition"]
    told = {key: definition["internalParameters"][key] for key in ("python", "processor")}
    for each in definition["resolvedDependencies"]:
        if each.get("uri", "").startswith("pkg:pypi/"):
            told[each["name"]] = each["annotations"]["version"]
    return told


def _packages(versions: dict[str, str]) -> list[dict[str, Any]]:
    """By package URL: https://github.com/package-url/purl-spec."""
    return [
        {"name": name, "uri": f"pkg:pypi/{name}@{quote(version, safe='')}", "annotations": {"version": version}}
        for name, version in sorted(versions.items())
    ]


def _images(images: dict[str, str]) -> list[dict[str, Any]]:
    """Container images by role; those that are named by digest have it as such."""
    found = []
    for role, reference in sorted(images.items()):
        digest = reference.partition("@")[2].partition(":")[2]
        found.append(
            {"name": f"image {role}", "uri": f"oci://{reference}", **({"digest": {"sha256": digest}} if digest else {})}
        )
    return found


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _list(value: Any, path: tuple[str, ...]) -> list[dict[str, Any]]:
    found = _at(value, path)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _short(value: Any) -> str:
    text = "missing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
