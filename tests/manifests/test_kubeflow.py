"""What Kubeflow and Argo Workflows look for in a namespace that runs pipelines, where no profile controller puts it
there.
"""

from typing import Any

import pytest
import yaml

from tests.manifests.kubectl import OVERLAYS, ROOT, build, named, pod_specs

CLUSTER = ".svc.cluster.local"


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return build(ROOT / "manifests" / "overlays" / request.param)


def data(objects: list[dict[str, Any]], name: str) -> dict[str, str]:
    return named(objects, "ConfigMap", name)["data"]


def test_logs_are_kept_where_artifacts_are(objects):
    config = named(objects, "ConfigMap", "artifact-repositories")
    default = config["metadata"]["annotations"]["workflows.argoproj.io/default-artifact-repository"]
    logs = yaml.safe_load(config["data"][default])["s3"]
    launcher = yaml.safe_load(data(objects, "kfp-launcher")["providers"])["s3"]["default"]
    secret = launcher["credentials"]["secretRef"]
    assert [logs["endpoint"], logs["region"]] == [launcher["endpoint"], launcher["region"]]
    assert logs.get("insecure", False) == launcher["disableSSL"]
    assert logs["accessKeySecret"] == {"name": secret["secretName"], "key": secret["accessKeyKey"]}
    assert logs["secretKeySecret"] == {"name": secret["secretName"], "key": secret["secretKeyKey"]}
    assert data(objects, "kfp-launcher")["defaultPipelineRoot"].startswith(f"s3://{logs['bucket']}/")


def test_stages_and_kubeflow_use_one_object_store(objects):
    launcher = yaml.safe_load(data(objects, "kfp-launcher")["providers"])["s3"]["default"]
    address = ("http://" if launcher["disableSSL"] else "https://") + launcher["endpoint"]
    assert data(objects, "gleaner-storage") == {"AWS_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": launcher["region"]}
    if launcher["endpoint"].partition(":")[0].endswith(CLUSTER):
        service, _, port = launcher["endpoint"].partition(f".gleaner{CLUSTER}:")
        assert [int(port)] == [each["port"] for each in named(objects, "Service", service)["spec"]["ports"]]


def test_the_namespace_is_let_in_by_kubeflow_and_left_alone_by_its_controllers(objects):
    labels = named(objects, "Namespace", "gleaner")["metadata"]["labels"]
    assert labels["app.kubernetes.io/part-of"] == "kubeflow-profile"
    assert (labels["pipelines.kubeflow.org/enabled"], labels["istio-injection"]) == ("false", "disabled")


def test_a_profile_is_of_the_namespace_and_a_step_of_the_readme():
    profile = yaml.safe_load((ROOT / "manifests" / "profile.yaml").read_text(encoding="utf-8"))
    assert (profile["apiVersion"], profile["kind"], profile["metadata"]["name"]) == (
        "kubeflow.org/v1",
        "Profile",
        "gleaner",
    )
    assert f"owner={profile['spec']['owner']['name']}" in (ROOT / "manifests" / "README.md").read_text(encoding="utf-8")


def test_the_quota_has_room_for_two_runs_beside_what_always_runs(objects):
    """Of each run four packing pods, or one of the largest stage; beside a stage Argo's container, with the limit
    range's default.
    """
    hard = named(objects, "ResourceQuota", "gleaner")["spec"]["hard"]
    (limits,) = named(objects, "LimitRange", "gleaner")["spec"]["limits"]
    assert not {"max", "min", "maxLimitRequestRatio"} & limits.keys()
    stages = _stages()
    for key, stage in (("cpu", "resourceCpuLimit"), ("memory", "resourceMemoryLimit")):
        beside = _number(limits["default"][key])
        packing = 4 * (_number(stages["exec-pack"][stage]) + beside)
        largest = max(_number(each[stage]) for each in stages.values()) + beside
        assert 2 * max(packing, largest) + _always(objects, "limits", key) <= _number(hard[f"limits.{key}"])


def test_every_stage_fits_a_laptop_of_two_cores():
    """Beside Kubeflow's own pods, which ask for one core, and all of ours: a stage with Argo's container, which asks
    for the limit range's default, and the pod of a Kubeflow driver, which asks for 0.1 cores and Argo's container.
    """
    objects = build(ROOT / "manifests" / "overlays" / "kind")
    (limits,) = named(objects, "LimitRange", "gleaner")["spec"]["limits"]
    argo = _number(limits["defaultRequest"]["cpu"])
    largest = max(_number(each["resourceCpuRequest"]) for each in _stages().values()) + argo
    assert 1 + _always(objects, "requests", "cpu") + largest + 0.1 + argo <= 2


def _stages() -> dict[str, dict[str, str]]:
    """What each stage's container asks for and may use, by its name in the compiled pipeline at the defaults."""
    compiled = next(yaml.safe_load_all((ROOT / "pipelines" / "compiled" / "training.yaml").read_text(encoding="utf-8")))
    return {name: each["container"]["resources"] for name, each in compiled["deploymentSpec"]["executors"].items()}


def _always(objects: list[dict[str, Any]], bound: str, key: str) -> float:
    """What our pods beside runs take at most, both reconcilers at once included. bound: requests or limits."""
    kinds = ("Deployment", "StatefulSet", "Job", "CronJob")
    specs = pod_specs([each for each in objects if each["kind"] in kinds])
    return sum(_number(container["resources"][bound][key]) for spec in specs for container in spec["containers"])


def _number(quantity: str) -> float:
    """Cores, or gibibytes."""
    unit = next((unit for unit in ("m", "Mi", "Gi") if quantity.endswith(unit)), "")
    return float(quantity.removesuffix(unit)) * {"m": 1e-3, "Mi": 1 / 1024}.get(unit, 1)
