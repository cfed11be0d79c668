"""The labelling page on a cluster: off by default, reached by the gateway alone, and no more than it needs."""

from typing import Any

import kubernetes_validate
import pytest
import urllib3

from pipelines.configuration.config import load_config
from tests.labelling import world
from tests.manifests.kubectl import OVERLAYS, ROOT, as_shown, build, combined, named, unlisted
from tests.manifests.test_access import DNS, PAGE, reached, store
from tests.manifests.test_overlays import SERVED, STORAGE, containers, faults_of_restricted

GATEWAY = ("istio-system", "app", "istio-ingressgateway")
NAME = "gleaner-labelling"


@pytest.fixture(scope="module", params=STORAGE)
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return build(combined(tmp_path_factory.mktemp("labelling"), request.param, "labelling"))


def page(objects: list[dict[str, Any]]) -> dict[str, Any]:
    pod: dict[str, Any] = named(objects, "Deployment", NAME)["spec"]["template"]
    return pod


def command(objects: list[dict[str, Any]]) -> list[str]:
    (container,) = page(objects)["spec"]["containers"]
    words: list[str] = container["command"]
    return words


def flag(objects: list[dict[str, Any]], name: str) -> str:
    words = command(objects)
    return words[words.index(name) + 1]


@pytest.mark.parametrize("name", OVERLAYS)
def test_it_is_off_by_default(name):
    assert NAME not in {each["metadata"]["name"] for each in build(ROOT / "manifests" / "overlays" / name)}


def test_its_objects_are_valid(objects):
    ours = [each for each in objects if each["metadata"]["name"] in (NAME, "labelling", "object-store-labelling")]
    served = [each for each in ours if (each["apiVersion"].rpartition("/")[0] or "core") in SERVED]
    assert {each["kind"] for each in served} == {"Deployment", "NetworkPolicy", "Service", "ServiceAccount"}
    for each in served:
        kubernetes_validate.validate(each, "1.34", strict=True)


def test_its_pod_is_restricted_and_has_no_token(objects):
    spec = page(objects)["spec"]
    assert faults_of_restricted(spec) == []
    assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in containers(spec))
    assert spec["automountServiceAccountToken"] is False
    assert named(objects, "ServiceAccount", spec["serviceAccountName"])["automountServiceAccountToken"] is False
    bound = [each for each in objects if each["kind"] == "RoleBinding" and NAME in str(each["subjects"])]
    assert bound == []


def test_only_the_gateway_reaches_it_and_it_reaches_only_the_store(objects):
    assert page(objects)["metadata"]["labels"] == PAGE
    assert reached(objects, PAGE, "ingress") == {(GATEWAY, 8080)}
    assert reached(objects, PAGE, "egress") == {(DNS, 53)} | store(objects)


def test_the_mesh_lets_in_the_gateway_for_those_who_signed_in(objects):
    spec = named(objects, "AuthorizationPolicy", NAME)["spec"]
    assert (spec["action"], spec["selector"]["matchLabels"].items() <= PAGE.items()) == ("ALLOW", True)
    (rule,) = spec["rules"]
    assert rule["from"] == [
        {"source": {"principals": ["cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"]}}
    ]
    assert rule["when"] == [{"key": f"request.headers[{flag(objects, '--behind-login')}]", "values": ["*"]}]


def test_the_gateway_leads_to_the_port_and_path_that_it_serves(objects):
    (redirect, served) = named(objects, "VirtualService", NAME)["spec"]["http"]
    prefix = flag(objects, "--prefix")
    assert redirect == {"match": [{"uri": {"exact": prefix.rstrip("/")}}], "redirect": {"uri": prefix}}
    assert served["match"] == [{"uri": {"prefix": prefix}}]
    ((destination,),) = ([each["destination"]] for each in served["route"])
    service = named(objects, "Service", NAME)
    assert destination["host"] == f"{NAME}.gleaner.svc.cluster.local"
    assert destination["port"]["number"] == service["spec"]["ports"][0]["port"]
    assert service["spec"]["selector"].items() <= PAGE.items()
    (container,) = page(objects)["spec"]["containers"]
    (port,) = container["ports"]
    assert (port["name"], str(port["containerPort"])) == (
        service["spec"]["ports"][0]["targetPort"],
        flag(objects, "--port"),
    )


def test_its_command_serves_whoever_signed_in_and_answers_the_probes(objects, tmp_path):
    (container,) = page(objects)["spec"]["containers"]
    words = command(objects)
    flags = words[words.index("--port") + 2 :]
    probes = {container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
    made = world.build(tmp_path)
    assert words[:3] == ["python", "-m", "components.labelling"]
    with world.serve(made.store, "--host", "127.0.0.1", "--port", "0", *flags) as server:
        url = urllib3.util.parse_url(server.link)
        root = f"http://{url.netloc}"
        assert url.request_uri == flag(objects, "--prefix")
        for path in probes:
            assert urllib3.request("GET", root + path).status == 200
        for header, status in (({}, 401), ({flag(objects, "--behind-login"): "ann@example.com"}, 200)):
            assert urllib3.request("POST", f"{server.link}api/next", json={"tab": "1"}, headers=header).status == status


def test_it_asks_about_what_the_cluster_runs(objects):
    config = load_config(ROOT / "pipelines" / "configs" / "cluster.yaml")
    assert (flag(objects, "--name"), flag(objects, "--store")) == (config.name, config.store)


def test_another_name_is_a_patch(tmp_path):
    """As manifests/README.md shows it."""
    names, changed = as_shown(tmp_path, "People label on the cluster", "seaweedfs", "labelling")
    assert names[-1] == "labelling"
    assert (flag(changed, "--name"), flag(changed, "--store")) == ("flowers", "s3://gleaner/store")
    assert command(changed)[:3] == ["python", "-m", "components.labelling"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_argo_cd_may_apply_it_where_it_is_switched_on(name, tmp_path, objects):
    assert unlisted(tmp_path, name, "labelling", objects) == set()


def test_its_pod_is_counted_by_the_quota(objects):
    (container,) = page(objects)["spec"]["containers"]
    assert {*container["resources"]["requests"], *container["resources"]["limits"]} == {"cpu", "memory"}
