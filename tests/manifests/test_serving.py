"""A release behind KServe: off by default, reached by those who may ask, moved by a commit."""

from typing import Any

import kubernetes_validate
import pytest
import yaml

from components.release.settings import GitOps
from pipelines.configuration.config import load_config
from tests.manifests.kubectl import OVERLAYS, ROOT, build, combined, named, unlisted
from tests.manifests.test_access import DNS, SERVING, reached, store
from tests.manifests.test_overlays import SERVED, STORAGE, faults_of_restricted

KINDS = {"InferenceService", "ServingRuntime"}
NAMES = ("gleaner", "gleaner-serving", "serving", "object-store-serving")


@pytest.fixture(scope="module", params=STORAGE)
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return build(combined(tmp_path_factory.mktemp("serving"), request.param, "serving"))


def runtime(objects: list[dict[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = named(objects, "ServingRuntime", "gleaner")["spec"]
    return spec


def service(objects: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [each for each in objects if each["kind"] == "InferenceService"]
    return found


@pytest.mark.parametrize("name", OVERLAYS)
def test_it_is_off_by_default(name):
    assert not KINDS & {each["kind"] for each in build(ROOT / "manifests" / "overlays" / name)}


def test_its_core_objects_are_valid(objects):
    ours = [each for each in objects if each["metadata"]["name"] in NAMES]
    served = [each for each in ours if (each["apiVersion"].rpartition("/")[0] or "core") in SERVED]
    assert {"NetworkPolicy", "ServiceAccount"} <= {each["kind"] for each in served}
    for each in served:
        kubernetes_validate.validate(each, "1.34", strict=True)


def test_its_pod_is_restricted_and_has_no_token(objects):
    spec = runtime(objects)
    assert faults_of_restricted(spec) == []
    (container,) = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["name"] == "kserve-container"  # the one that KServe takes for the server
    predictor = service(objects)["spec"]["predictor"]
    assert predictor["automountServiceAccountToken"] is False
    assert named(objects, "ServiceAccount", predictor["serviceAccountName"])["automountServiceAccountToken"] is False
    assert {*container["resources"]["requests"], *container["resources"]["limits"]} == {"cpu", "memory"}


def test_those_who_may_ask_reach_it_and_it_reaches_only_the_store(objects):
    assert runtime(objects)["labels"] == SERVING
    asking = {peer for peer, _ in reached(objects, SERVING, "ingress")}
    knative = {("knative-serving", "app", "activator"), ("knative-serving", "app", "autoscaler")}
    assert asking == {("istio-system", "app", "istio-ingressgateway"), *knative, ("gleaner.dev/asks", "true")}
    assert reached(objects, SERVING, "egress") == {(DNS, 53)} | store(objects)


def test_its_command_serves_what_kserve_brings_on_the_port_that_is_named(objects):
    (container,) = runtime(objects)["containers"]
    words = container["command"]
    assert words[:4] == ["python", "-m", "components.serve", "/mnt/models"]
    port = int(words[words.index("--port") + 1])
    assert [each["containerPort"] for each in container["ports"]] == [port]
    assert {container[probe]["httpGet"]["port"] for probe in container if probe.endswith("Probe")} == {port}
    assert runtime(objects)["annotations"]["prometheus.kserve.io/port"] == str(port)


def test_the_service_is_of_the_runtime_and_of_the_model_that_the_cluster_runs(objects):
    about = service(objects)
    model = about["spec"]["predictor"]["model"]
    config = load_config(ROOT / "pipelines" / "configs" / "cluster.yaml")
    assert about["metadata"]["name"] == config.name
    assert model["runtime"] == "gleaner"
    assert model["modelFormat"]["name"] in {each["name"] for each in runtime(objects)["supportedModelFormats"]}
    assert model["protocolVersion"] in runtime(objects)["protocolVersions"]
    assert model["storageUri"].startswith(f"{config.store}/releases/{config.name}/")


def test_a_promotion_finds_the_file_and_what_it_changes(objects):
    file = ROOT / GitOps().path
    about = yaml.safe_load(file.read_text(encoding="utf-8"))
    digest = "gleaner.dev/release-digest"
    assert about["spec"]["predictor"]["model"]["storageUri"]
    (seen,) = [each for each in runtime(objects)["containers"][0]["env"] if "valueFrom" in each]
    assert seen["valueFrom"]["fieldRef"]["fieldPath"] == f"metadata.annotations['{digest}']"
    assert digest in about["metadata"]["annotations"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_argo_cd_may_apply_it_where_it_is_switched_on(name, tmp_path, objects):
    assert unlisted(tmp_path, name, "serving", objects) == set()
