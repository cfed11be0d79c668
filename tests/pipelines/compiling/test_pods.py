"""The pods that Kubeflow makes of the compiled pipeline, as far as its SDK can set them."""

import copy
import json
from typing import Any

import pytest
from kubernetes.utils.quantity import parse_quantity

from pipelines.compiling.compile import compile_config, generated, versions
from pipelines.compiling.pods import PRIORITY, QUEUE
from pipelines.compiling.variants import CONFIGS
from pipelines.configuration.config import load_config
from pipelines.configuration.resources import TASKS, Pool, Resources, TaskResources, Toleration
from pipelines.configuration.version import content_name, parse
from pipelines.training import training

KUBEFLOW = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What Kubeflow 2.17 sets on the container of every task (backend/src/v2/compiler/argocompiler/security_context.go)."""


def compiled_with(pools: dict[str, Pool] | None = None, **tasks: TaskResources) -> list[dict[str, Any]]:
    config = load_config(CONFIGS / "cluster.yaml", ["threads=1"])
    return parse(compile_config(config.model_copy(update={"resources": Resources(**tasks), "pools": pools or {}})))


def pod(documents: list[dict[str, Any]], task: str) -> dict[str, Any]:
    """The pod of a task as Kubeflow's driver puts it together (backend/src/v2/driver/k8s.go), without its own init
    containers.
    """
    ir, platform = documents
    container = ir["deploymentSpec"]["executors"][f"exec-{task}"]["container"]
    extra = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"][f"exec-{task}"]
    asked = container["resources"]
    limits = {"cpu": asked["resourceCpuLimit"], "memory": asked["resourceMemoryLimit"]}
    requests = {"cpu": asked["resourceCpuRequest"], "memory": asked["resourceMemoryRequest"]}
    if "accelerator" in asked:
        limits[asked["accelerator"]["resourceType"]] = asked["accelerator"]["resourceCount"]
    volumes = [
        {"name": each["volumeName"], "emptyDir": {"medium": each["medium"], "sizeLimit": each["sizeLimit"]}}
        for each in extra.get("emptyDirMounts", [])
    ]
    volumes += [
        {"name": each["secretName"], "secret": {"secretName": each["secretName"], "optional": each["optional"]}}
        for each in extra.get("secretAsVolume", [])
    ]
    known = {
        "activeDeadlineSeconds",
        "configMapAsEnv",
        "emptyDirMounts",
        "fieldPathAsEnv",
        "nodeSelector",
        "podMetadata",
        "secretAsEnv",
        "secretAsVolume",
        "securityContext",
        "tolerations",
    }
    assert extra.keys() <= known, "a pod field that this test does not know"
    return {
        "metadata": extra["podMetadata"],
        "spec": {
            "activeDeadlineSeconds": int(extra["activeDeadlineSeconds"]),
            "nodeSelector": extra.get("nodeSelector", {}).get("labels", {}),
            "tolerations": extra.get("tolerations", []),
            "volumes": volumes,
            "containers": [
                {
                    "image": container["image"],
                    "resources": {"limits": limits, "requests": requests},
                    "securityContext": {**KUBEFLOW, **extra["securityContext"]},
                }
            ],
        },
    }


def violations(spec: dict[str, Any]) -> list[str]:
    """Breaches of Pod Security `restricted` (kubernetes.io/docs/concepts/security/pod-security-standards)."""
    found = [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    found += [f"volume {volume['name']}" for volume in spec["volumes"] if not volume.keys() - {"name"} <= allowed]
    for container in spec["containers"]:
        security = container["securityContext"]
        found += [
            key
            for key, wanted in (("allowPrivilegeEscalation", False), ("runAsNonRoot", True))
            if security.get(key) is not wanted
        ]
        found += ["privileged"] if security.get("privileged") else []
        found += ["runAsUser"] if security.get("runAsUser") == 0 else []
        found += ["capabilities"] if security["capabilities"] != {"drop": ["ALL"]} else []
        found += ["seccompProfile"] if security["seccompProfile"]["type"] not in ("RuntimeDefault", "Localhost") else []
    return found


@pytest.fixture(scope="module")
def compiled() -> dict[str, list[dict[str, Any]]]:
    return {name: parse(ir) for name, ir in versions().items()}


@pytest.mark.parametrize("task", TASKS)
def test_every_pod_is_restricted_bounded_and_labelled(compiled, task):
    for documents in compiled.values():
        made = pod(documents, task)
        assert violations(made["spec"]) == []
        resources = made["spec"]["containers"][0]["resources"]
        kept, bound = resources["requests"], resources["limits"]
        assert kept["memory"] == bound["memory"], "else a pod is evicted for a neighbour's memory"
        assert 0 < parse_quantity(kept["cpu"]) <= parse_quantity(bound["cpu"])
        assert all(parse_quantity(amount) > 0 for amount in resources["limits"].values())
        assert made["spec"]["activeDeadlineSeconds"] > 0
        labels = {key: value for key, value in made["metadata"]["labels"].items() if key not in (QUEUE, PRIORITY)}
        assert labels == {"app.kubernetes.io/part-of": "gleaner", "app.kubernetes.io/component": task}
        assert (QUEUE in made["metadata"]["labels"]) == ("nvidia.com/gpu" in resources["limits"])


def test_violations_are_seen(compiled):
    spec = pod(compiled["training"], "pretrain")["spec"]
    security = spec["containers"][0]["securityContext"]
    for change in (
        {"runAsNonRoot": False},
        {"runAsUser": 0},
        {"privileged": True},
        {"allowPrivilegeEscalation": True},
        {"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}},
        {"seccompProfile": {"type": "Unconfined"}},
    ):
        assert violations({**spec, "containers": [{"securityContext": {**security, **change}}]}) == list(change)
    assert violations({**spec, "volumes": [{"name": "docker", "hostPath": {"path": "/"}}], "hostPID": True}) == [
        "hostPID",
        "volume docker",
    ]


def test_no_secret_stands_in_the_objects(compiled):
    for documents in compiled.values():
        for name, extra in documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"].items():
            ours = {"gleaner-storage", "gleaner-git"} if name == "exec-release" else {"gleaner-storage"}
            assert {(each["secretName"], each["optional"]) for each in extra["secretAsEnv"]} == {
                (secret, True) for secret in ours
            }


def test_the_release_knows_the_images_of_the_run(compiled):
    for ir, _ in compiled.values():
        executors = ir["deploymentSpec"]["executors"]
        (told,) = [each for each in executors["exec-release"]["container"]["env"] if each["name"] == "GLEANER_IMAGES"]
        assert {*json.loads(told["value"]).values()} == {each["container"]["image"] for each in executors.values()}


def test_the_release_alone_has_the_key_that_signs(compiled):
    for documents in compiled.values():
        for name, extra in documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"].items():
            mounted = [(each["secretName"], each["optional"]) for each in extra.get("secretAsVolume", [])]
            assert mounted == ([("gleaner-signing", True)] if name == "exec-release" else [])


def test_a_task_gets_what_it_asks_for():
    asked = TaskResources(
        cpu=1.5, memory="16Gi", gpu="nvidia-l4", gpus=2, shm="8Gi", timeout_hours=1.5, retries=3, cache=False
    )
    pool = Pool(
        gpu="nvidia-l4",
        gpus=4,
        selector={"pool": "gpu", "zone": "a"},
        tolerations=[Toleration(key="nvidia.com/gpu"), Toleration(key="team", value="vision", effect=None)],
    )
    documents = compiled_with({"gpu": pool}, pretrain=asked, pack=TaskResources(retries=0))
    spec = pod(documents, "pretrain")["spec"]
    assert spec["containers"][0]["resources"] == {
        "limits": {"cpu": "1.5", "memory": "16Gi", "nvidia.com/gpu": "2"},
        "requests": {"cpu": "1.5", "memory": "16Gi"},
    }
    assert spec["activeDeadlineSeconds"] == 5400
    assert spec["volumes"] == [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}}]
    assert spec["nodeSelector"] == {"pool": "gpu", "zone": "a"}
    assert spec["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "team", "operator": "Equal", "value": "vision"},
    ]
    tasks = documents[0]["root"]["dag"]["tasks"]
    assert tasks["pretrain"]["retryPolicy"] == {
        "maxRetryCount": 3,
        "backoffDuration": "60s",
        "backoffFactor": 2.0,
        "backoffMaxDuration": "3600s",
    }
    assert tasks["pretrain"]["cachingOptions"] == {}
    assert tasks["warmup"]["cachingOptions"] == {"enableCache": True}
    loop = documents[0]["components"]["comp-for-loop-1"]["dag"]["tasks"]["pack"]
    assert "retryPolicy" not in loop
    assert pod(documents, "warmup")["spec"]["nodeSelector"] == {}


def test_a_task_waits_for_its_turn_where_its_pool_has_a_queue():
    asked = TaskResources(gpu="nvidia-l4", priority="gleaner-batch")
    documents = compiled_with({"gpu": Pool(gpu="nvidia-l4", gpus=4, queue="gpu")}, pretrain=asked)
    labels = pod(documents, "pretrain")["metadata"]["labels"]
    assert (labels[QUEUE], labels[PRIORITY]) == ("gpu", "gleaner-batch")
    assert QUEUE not in pod(documents, "sample")["metadata"]["labels"]


def test_a_node_keeps_what_is_asked_for_and_lends_up_to_the_limit():
    documents = compiled_with(sample=TaskResources(cpu=1, cpu_limit=8))
    resources = pod(documents, "sample")["spec"]["containers"][0]["resources"]
    assert (resources["requests"]["cpu"], resources["limits"]["cpu"]) == ("1", "8")


def test_pods_change_nothing_else(compiled):
    from google.protobuf.json_format import MessageToDict

    plain = MessageToDict(training.pipeline_spec)
    with_them = copy.deepcopy(compiled["training"][0])
    for ir in (plain, with_them):
        for dag in [ir["root"], *(each for each in ir["components"].values() if "dag" in each)]:
            for task in dag["dag"]["tasks"].values():
                task.pop("retryPolicy", None)
                task.pop("dependentTasks", None)  # see test_order.py
    for executor in with_them["deploymentSpec"]["executors"].values():
        del executor["container"]["resources"]
    (images,) = with_them["deploymentSpec"]["executors"]["exec-release"]["container"].pop("env")
    assert images["name"] == "GLEANER_IMAGES", "a release says which images made it"
    listing = with_them["root"]["dag"]["tasks"]["plan"]
    assert listing["cachingOptions"] == {}, "a scheduled run looks at its source each time"
    listing["cachingOptions"] = {"enableCache": True}
    for each in (plain, with_them):  # the form is another's matter
        del each["pipelineInfo"], each["root"]["inputDefinitions"]
    assert {**with_them, "sdkVersion": ""} == {**plain, "sdkVersion": ""}


def test_objects_are_named_by_content_and_small():
    files = generated()
    irs = {path.name: text for path, text in files.items() if path.parent.name == "compiled" and path.suffix == ".yaml"}
    objects = {path.name: parse(text) for path, text in files.items() if path.parent.name == "pipeline"}
    listed = objects["kustomization.yaml"][0]["resources"]
    assert sorted([*listed, "kustomization.yaml"]) == sorted(objects)
    names = set()
    for name, ir in irs.items():
        owner, version = objects[name]
        assert owner["metadata"]["annotations"] == {
            "argocd.argoproj.io/sync-wave": "-1",
            "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
        }
        assert version["metadata"]["name"] == content_name(owner["metadata"]["name"], ir.encode())
        assert (
            version["spec"]["pipelineName"]
            == owner["metadata"]["name"]
            == version["spec"]["pipelineSpec"]["pipelineInfo"]["name"]
        )
        assert [version["spec"]["pipelineSpec"], version["spec"]["platformSpec"]] == parse(ir)
        assert version["spec"]["codeSourceURL"].endswith(
            ("pipelines/training.py", "pipelines/batch.py", "pipelines/monitoring.py")
        )
        # an annotation holds 256 KiB, an object 1.5 MiB, an Argo workflow 1 MiB
        assert len(json.dumps(version)) < 200 << 10
        names.add(version["metadata"]["name"])
    assert len(names) == len(listed)
