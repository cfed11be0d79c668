"""Every environment and every combination of options builds, and what it builds is what the house allows."""

import itertools
import json
from typing import Any

import kubernetes_validate
import pytest

from tests.manifests.kubectl import OVERLAYS, ROOT, build, combined, named, pod_specs

MANIFESTS = ROOT / "manifests"
STORAGE = ("seaweedfs", "external-s3")
STORES = ("kubernetes-store", "database-store")
OPTIONS = ("artifact-proxy", "gpu", "labelling", "monitoring", "serving", "training-runtime")
CHOICES = [  # each pair meets, alone and among all
    *(chosen for count in range(3) for chosen in itertools.combinations(OPTIONS, count)),
    OPTIONS,
]
SERVED = ("core", "apps", "batch", "networking.k8s.io", "rbac.authorization.k8s.io")
PLATFORM = "kube-system"


def overlay(name: str) -> list[dict[str, Any]]:
    return build(MANIFESTS / "overlays" / name)


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return overlay(request.param)


@pytest.mark.parametrize(
    "components",
    [(storage, store, *options) for storage, store, options in itertools.product(STORAGE, STORES, CHOICES)],
    ids="+".join,
)
def test_every_combination_of_components_builds(components, tmp_path):
    built = build(combined(tmp_path, *components))
    keys = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in built]
    assert len(keys) == len(set(keys))
    assert ("ExternalSecret" in {key[0] for key in keys}) == ("external-s3" in components)
    assert ("Pipeline" in {key[0] for key in keys}) == ("kubernetes-store" in components)
    assert ("TrainingRuntime" in {key[0] for key in keys}) == ("training-runtime" in components)
    deployments = {name for kind, _, name in keys if kind == "Deployment"}
    assert ("ml-pipeline-ui-artifact" in deployments) == ("artifact-proxy" in components)
    assert ("gleaner-labelling" in deployments) == ("labelling" in components)
    assert ("PrometheusRule" in {key[0] for key in keys}) == ("monitoring" in components)
    assert ("InferenceService" in {key[0] for key in keys}) == ("serving" in components)


def test_every_component_is_in_a_combination():
    names = {path.name for path in (MANIFESTS / "components").iterdir()}
    assert names == {*STORAGE, *STORES, *OPTIONS, "images"}


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_parts_are_the_whole(name):
    whole = overlay(name)
    parts = [
        each
        for folder in sorted((MANIFESTS / "overlays" / name).iterdir())
        if folder.is_dir()
        for each in build(folder)
    ]
    order = lambda each: (each["kind"], each["metadata"]["name"])  # noqa: E731
    assert sorted(parts, key=order) == sorted(whole, key=order)


def test_core_kinds_are_valid(objects):
    checked = 0
    for each in objects:
        group = each["apiVersion"].rpartition("/")[0] or "core"
        if group in SERVED:
            kubernetes_validate.validate(each, "1.34", strict=True)
            checked += 1
    assert checked >= 20


def test_objects_stay_small(objects):
    """etcd takes 1.5 MiB and a ConfigMap 1 MiB; there is room for as many configurations again."""
    assert max(len(json.dumps(each)) for each in objects) < (1 << 20) / 2


def test_everything_says_where_it_is(objects):
    cluster = {"Namespace", "NodePool", "ClusterQueue", "ResourceFlavor", "WorkloadPriorityClass"}
    for each in objects:
        assert (each["metadata"].get("namespace") in (None,)) == (each["kind"] in cluster), each["metadata"]["name"]
        assert each["metadata"].get("namespace", "gleaner") in ("gleaner", PLATFORM)


def test_images_are_those_of_images_json(objects):
    known = json.loads((ROOT / "docker" / "images.json").read_text(encoding="utf-8"))
    ours = {known[role] for role in ("data", "train", "report", "serve")}
    used = {container["image"] for spec in pod_specs(objects) for container in containers(spec)}
    assert used
    assert used <= set(known.values())
    kubeflow = {known["kubeflow-frontend"]}  # by tag, as the Kubeflow that is installed names it
    assert [image for image in used - ours - kubeflow if "@sha256:" not in image] == []
    assert [image for image in used if "@" not in image and image.rpartition(":")[2] in (image, "latest")] == []


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*spec.get("initContainers", []), *spec["containers"]]


def faults_of_restricted(spec: dict[str, Any]) -> list[str]:
    """What Pod Security `restricted` refuses (kubernetes.io/docs/concepts/security/pod-security-standards)."""
    pod = spec.get("securityContext", {})
    found = []
    found += [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    kinds = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    found += [f"volume {volume['name']}" for volume in spec.get("volumes", []) if not kinds & volume.keys()]
    for container in containers(spec):
        own = {**pod, **container.get("securityContext", {})}
        found += ["not runAsNonRoot"] * (own.get("runAsNonRoot") is not True)
        found += ["root"] * (own.get("runAsUser") == 0)
        found += ["seccomp"] * (own.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"))
        found += ["privileged"] * bool(own.get("privileged"))
        found += ["escalation"] * (own.get("allowPrivilegeEscalation") is not False)
        found += ["capabilities"] * ("ALL" not in own.get("capabilities", {}).get("drop", []))
        found += ["added capabilities"] * bool(set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"})
        found += ["host port"] * any(port.get("hostPort") for port in container.get("ports", []))
    return found


def test_our_pods_satisfy_restricted(objects):
    ours = [each for each in objects if each["metadata"].get("namespace") == "gleaner"]
    specs = pod_specs(ours)
    assert len(specs) >= 2
    for spec in specs:
        assert faults_of_restricted(spec) == []
        assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in containers(spec))
    labels = named(objects, "Namespace", "gleaner")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_check_of_restricted_can_fail():
    assert faults_of_restricted({"containers": [{"name": "a"}]}) == [
        "not runAsNonRoot",
        "seccomp",
        "escalation",
        "capabilities",
    ]
    (plugin,) = [spec for spec in pod_specs(overlay("prod")) if spec.get("priorityClassName") == "system-node-critical"]
    assert "volume kubelet" in faults_of_restricted(plugin)


def test_the_only_pods_outside_our_namespace_are_the_device_plugins(objects):
    outside = [each for each in objects if pod_specs(each) and each["metadata"]["namespace"] != "gleaner"]
    assert [each["metadata"]["name"] for each in outside] in ([], ["nvidia-device-plugin"])


def test_no_secret_value_is_in_git(objects):
    assert "Secret" not in {each["kind"] for each in objects}
    named_only = {"name", "optional"}
    for spec in pod_specs(objects):
        for container in containers(spec):
            assert all(
                source["secretRef"].keys() <= named_only
                for source in container.get("envFrom", [])
                if "secretRef" in source
            )
            assert not [entry for entry in container.get("env", []) if "SECRET" in entry["name"] and "value" in entry]
    assert "AKIA" not in json.dumps(objects)


def test_the_runtime_starts_valid_jobs_whose_pods_keep_their_logs():
    (node,) = named(overlay("prod"), "TrainingRuntime", "gleaner-torch")["spec"]["template"]["spec"]["replicatedJobs"]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "node"}, "spec": node["template"]["spec"]}
    kubernetes_validate.validate(job, "1.34", strict=True)
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"  # else podFailurePolicy is refused
