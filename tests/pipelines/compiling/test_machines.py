"""Many machines that train together, and what makes the pods of two versions differ."""

import pytest

from components.common.trainjob.spec import VARIABLE, Spec, read_spec
from pipelines.compiling.compile import OBJECTS, versions
from pipelines.compiling.variants import CONFIGS, _pods
from pipelines.configuration.config import load_config
from pipelines.configuration.resources import Pool, Resources, TaskResources, misfits
from pipelines.configuration.version import parse
from tests.manifests.kubectl import build
from tests.pipelines.compiling.test_pods import compiled_with, pod

MANIFESTS = OBJECTS.parents[1]


def test_many_machines_are_a_small_pod_that_knows_what_to_start():
    compiled = versions()
    documents = parse(compiled["many-gpus"])
    made = pod(documents, "pretrain")
    config = load_config(CONFIGS / "many-gpus.yaml")
    assert made["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "1", "memory": "2Gi"}
    assert (made["spec"]["nodeSelector"], made["spec"]["tolerations"], made["spec"]["volumes"]) == ({}, [], [])
    assert made["spec"]["activeDeadlineSeconds"] == round(config.resources.pretrain.timeout_hours * 3600)
    (variable,) = documents[0]["deploymentSpec"]["executors"]["exec-pretrain"]["container"]["env"]
    assert variable["name"] == VARIABLE
    image = made["spec"]["containers"][0]["image"]
    assert read_spec(variable["value"]) == Spec(
        image, nodes=2, cpu="40", memory="160Gi", gpus=4, queue="gpu", priority="gleaner-batch"
    )
    fields = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-pretrain"]["fieldPathAsEnv"]
    assert fields == [
        {"name": "POD_NAME", "fieldPath": "metadata.name"},
        {"name": "POD_NAMESPACE", "fieldPath": "metadata.namespace"},
    ]
    assert pod(documents, "pseudolabel") == pod(parse(compiled["gpu"]), "pseudolabel")


def test_machines_that_train_together_are_kept_all_their_cores():
    """The slowest of them sets the pace, so none borrows from a neighbour."""
    asked = TaskResources(gpu="nvidia-l4", nodes=2, cpu=4, cpu_limit=16)
    pool = Pool(gpu="nvidia-l4", gpus=4, cpu=16, queue="gpu")
    documents = compiled_with({"gpu": pool}, pretrain=asked)
    (variable,) = documents[0]["deploymentSpec"]["executors"]["exec-pretrain"]["container"]["env"]
    assert read_spec(variable["value"]).cpu == "16"
    resources = Resources(pretrain=asked)
    assert list(misfits(resources, {"gpu": pool})) == []
    assert [key for _, key, _ in misfits(resources, {"gpu": pool.model_copy(update={"cpu": 8})})] == ["cpu"]


def test_queues_and_priorities_are_those_of_the_manifests():
    objects = build(MANIFESTS / "overlays" / "prod")
    queues, priorities = (
        {each["metadata"]["name"]: each.get("value", 0) for each in objects if each["kind"] == kind}
        for kind in ("LocalQueue", "WorkloadPriorityClass")
    )
    config = load_config(CONFIGS / "many-gpus.yaml")
    assert {pool.queue for pool in config.pools.values()} == set(queues)
    assert config.resources.pretrain.priority in priorities
    queued = [pod for _, pod in load_config(CONFIGS / "gpu.yaml").resources if pod.gpu]
    assert [priorities[pod.priority] for pod in queued] == [max(priorities.values())] * 2, "they give way to nobody"


@pytest.mark.parametrize(
    "change", [{"nodes": 3}, {"priority": "gleaner-batch"}, {"queue": "other"}, {"cpu_limit": 4}, {"cpu": 1}]
)
def test_other_pods_are_another_version(change):
    pool = Pool(gpu="nvidia-l4", gpus=4, queue="gpu")
    asked = TaskResources(gpu="nvidia-l4", nodes=1 if "cpu" in change else 2)
    other = (asked, pool.model_copy(update=change)) if "queue" in change else (asked.model_copy(update=change), pool)
    config = load_config(CONFIGS / "cluster.yaml")
    first, second = (
        _pods(config.model_copy(update={"resources": Resources(pretrain=task), "pools": {"gpu": where}}))
        for task, where in ((asked, pool), other)
    )
    assert first != second
