"""Who may do what, and who may talk to whom: exactly what is needed."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.configuration.version import PIPELINE, version_name
from tests.manifests.kubectl import OVERLAYS, ROOT, build, named, pod_specs
from tests.pipelines.kubeflow.gitops import live_through
from tests.pipelines.kubeflow.kfp_server import serve

STAGE = {"app.kubernetes.io/part-of": "gleaner", "pipelines.kubeflow.org/v2_component": "true"}
RECONCILER = {"app.kubernetes.io/name": "gleaner-reconciler", "app.kubernetes.io/part-of": "gleaner"}
TRAINJOB = {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
PROXY = {"app.kubernetes.io/name": "ml-pipeline-ui-artifact", "app.kubernetes.io/part-of": "gleaner"}
SERVING = {"app.kubernetes.io/name": "gleaner-serving", "app.kubernetes.io/part-of": "gleaner"}
WATCH = {"app.kubernetes.io/name": "gleaner-watch", "app.kubernetes.io/part-of": "gleaner"}
PAGE = {"app.kubernetes.io/name": "gleaner-labelling", "app.kubernetes.io/part-of": "gleaner"}
API, METADATA = ("kubeflow", "app", "ml-pipeline"), ("kubeflow", "component", "metadata-grpc-server")
UI = ("kubeflow", "app", "ml-pipeline-ui")
DNS = ("kube-system", "k8s-app", "kube-dns")
SEAWEEDFS = ("gleaner", "app.kubernetes.io/name", "seaweedfs")
KUBERNETES = {(block, port) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16") for port in (443, 6443)}
OUTSIDE = ("0.0.0.0/0", 443)


def overlay(name: str) -> list[dict[str, Any]]:
    return build(ROOT / "manifests" / "overlays" / name)


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return overlay(request.param)


def rights(objects: list[dict[str, Any]], account: str, namespace: str = "gleaner") -> list[dict[str, Any]]:
    """The rules that bindings give to a service account."""
    roles = [
        each["roleRef"]["name"]
        for each in objects
        if each["kind"] == "RoleBinding"
        if {"kind": "ServiceAccount", "name": account, "namespace": namespace} in each["subjects"]
    ]
    return [rule for role in roles for rule in named(objects, "Role", role)["rules"]]


def asked_of_kubeflow(folder: Path, store: str) -> set[str]:
    """What a server asks Kubernetes about the reconciler through the life of a schedule: `resource: verb`."""
    with serve(store=store, multi_user=True) as server:
        if store == "kubernetes":
            server.add_version(PIPELINE, version_name(), "team")
        live_through(server, folder)
        assert server.recurring == []
        return server.rights()


@pytest.mark.parametrize(("name", "store"), [("kind", "database"), ("dev", "kubernetes"), ("prod", "kubernetes")])
def test_the_reconciler_may_do_exactly_what_it_does(name, store, tmp_path):
    rules = rights(overlay(name), "gleaner-reconciler")
    assert {group for rule in rules for group in rule["apiGroups"]} == {"pipelines.kubeflow.org"}
    allowed = {f"{resource}: {verb}" for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    assert allowed == asked_of_kubeflow(tmp_path, store)


def test_stages_read_what_they_name_and_nothing_else(objects):
    rules = [
        rule
        for rule in rights(objects, "gleaner-pipeline")
        if rule["apiGroups"] == [""] and "pods" not in rule["resources"][0]
    ]
    assert {(rule["resources"][0], *rule["resourceNames"], *rule["verbs"]) for rule in rules} == {
        ("configmaps", "kfp-launcher", "get"),
        ("secrets", "gleaner-storage", "get"),
    }


def test_the_watch_may_do_what_stages_may_and_start_runs(objects):
    rules = rights(objects, "gleaner-monitor")
    starts = [rule for rule in rules if rule["apiGroups"] == ["pipelines.kubeflow.org"]]
    assert [rule for rule in rules if rule not in starts] == named(objects, "Role", "gleaner-pipeline")["rules"]
    assert "pipelines.kubeflow.org" not in {each["apiGroups"][0] for each in rights(objects, "gleaner-pipeline")}
    assert {f"{rule['resources'][0]}: {verb}" for rule in starts for verb in rule["verbs"]} == {
        "runs: create", "runs: list", "runs: terminate",
        "experiments: create", "experiments: list", "pipelines: get", "pipelines: list",
    }  # fmt: skip


def test_the_artifact_proxy_reads_the_secret_of_the_object_store_and_nothing_else(objects):
    launcher = yaml.safe_load(named(objects, "ConfigMap", "kfp-launcher")["data"]["providers"])["s3"]["default"]
    secret = launcher["credentials"]["secretRef"]["secretName"]
    assert rights(objects, "ml-pipeline-ui-artifact") == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": ["get"]}
    ]


def test_no_account_of_another_namespace_has_a_right_here(objects):
    subjects = [subject for each in objects if each["kind"] == "RoleBinding" for subject in each["subjects"]]
    assert {(subject["kind"], subject["namespace"]) for subject in subjects} == {("ServiceAccount", "gleaner")}


def test_only_those_who_talk_to_kubernetes_get_a_token_for_it(objects):
    """The pods of runs are Kubeflow's to make, so they are not here."""
    accounts = {
        each["metadata"]["name"]
        for each in objects
        if each["kind"] == "ServiceAccount" and each["automountServiceAccountToken"]
    }
    assert accounts == {"gleaner-pipeline", "gleaner-monitor", "ml-pipeline-ui-artifact"}
    assert {
        spec["serviceAccountName"] for spec in pod_specs(objects) if spec["automountServiceAccountToken"] is not False
    } == {"ml-pipeline-ui-artifact"}


def test_rights_end_at_the_namespace_and_say_no_star(objects):
    assert not {"ClusterRole", "ClusterRoleBinding"} & {each["kind"] for each in objects}
    for each in objects:
        if each["kind"] == "Role":
            for rule in each["rules"]:
                assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
                assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])
        if each["kind"] == "RoleBinding":
            assert each["roleRef"]["kind"] == "Role"


def test_every_pod_has_an_account_of_its_own(objects):
    accounts = {each["metadata"]["name"] for each in objects if each["kind"] == "ServiceAccount"}
    assert {spec["serviceAccountName"] for spec in pod_specs(objects)} <= accounts
    (token,) = [
        source["serviceAccountToken"]
        for volume in reconciler(objects)["volumes"]
        if "projected" in volume
        for source in volume["projected"]["sources"]
        if "serviceAccountToken" in source
    ]
    assert token["audience"] == "pipelines.kubeflow.org"


def reconciler(objects: list[dict[str, Any]]) -> dict[str, Any]:
    return named(objects, "Job", "gleaner-reconciler")["spec"]["template"]["spec"]


def test_the_job_and_the_cron_job_run_one_pod(objects):
    job = named(objects, "Job", "gleaner-reconciler")["spec"]["template"]
    assert job == named(objects, "CronJob", "gleaner-reconciler")["spec"]["jobTemplate"]["spec"]["template"]


def test_the_reconciler_reads_the_schedules_of_git(objects):
    (sources,) = [
        volume["projected"]["sources"] for volume in reconciler(objects)["volumes"] if volume["name"] == "configs"
    ]
    files: dict[str, str] = {}
    for source in (each["configMap"] for each in sources):
        data = named(objects, "ConfigMap", source["name"])["data"]
        files |= {item["path"]: data[item["key"]] for item in source["items"]} if "items" in source else data
    configs = ROOT / "pipelines" / "configs"
    assert files == {path: (configs / path).read_text(encoding="utf-8") for path in files}
    assert files.keys() == {path.relative_to(configs).as_posix() for path in configs.rglob("*.yaml")}


def test_the_reconciler_knows_the_pipelines_of_git(objects):
    (source,) = [volume["configMap"] for volume in reconciler(objects)["volumes"] if volume["name"] == "compiled"]
    compiled = {
        path.name: path.read_text(encoding="utf-8") for path in (ROOT / "pipelines" / "compiled").glob("*.yaml")
    }
    assert named(objects, "ConfigMap", source["name"])["data"] == compiled
    assert sum(map(len, compiled.values())) < 900_000, "a ConfigMap holds 1 MiB"
    places = {mount["name"]: mount["mountPath"] for mount in reconciler(objects)["containers"][0]["volumeMounts"]}
    assert places["compiled"] == str(Path(places["configs"]).parent / "compiled"), "as `compiled: ../compiled` says"


def test_scheduled_runs_have_an_account_that_exists(objects):
    schedules = yaml.safe_load((ROOT / "pipelines" / "configs" / "schedules.yaml").read_text(encoding="utf-8"))
    accounts = {each.get("service_account") for each in schedules["schedules"].values()} - {None}
    assert accounts == {"gleaner-monitor"}
    for account in {*accounts, schedules["service_account"]}:
        assert named(objects, "ServiceAccount", account)


def reached(objects: list[dict[str, Any]], labels: dict[str, str], direction: str) -> set[tuple[Any, int]]:
    """Where pods with these labels may send (egress), or from whom they may receive (ingress): (peer, port); port 0 is
    any.
    """
    found = set()
    for policy in (each["spec"] for each in objects if each["kind"] == "NetworkPolicy"):
        selector = policy["podSelector"].get("matchLabels", {})
        if direction.capitalize() in policy["policyTypes"] and selector.items() <= labels.items():
            for rule in policy.get(direction, []):
                for peer in rule["to" if direction == "egress" else "from"]:
                    found |= {(_peer(peer), port["port"]) for port in rule.get("ports", [{"port": 0}])}
    return found


def _peer(peer: dict[str, Any]) -> Any:
    if "ipBlock" in peer:
        return peer["ipBlock"]["cidr"]
    if "podSelector" not in peer:  # whoever is in such a namespace
        ((key, value),) = peer["namespaceSelector"]["matchLabels"].items()
        return (key, value)
    namespace = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name", "gleaner")
    ((key, value),) = peer["podSelector"]["matchLabels"].items()
    return namespace, key, value


def test_nothing_is_open_by_default(objects):
    spec = named(objects, "NetworkPolicy", "default-deny")["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert reached(objects, {"any": "pod"}, "egress") == {(DNS, 53)}
    assert reached(objects, {"any": "pod"}, "ingress") == set()


def store(objects: list[dict[str, Any]]) -> set[tuple[Any, int]]:
    """Where the object store is: a pod here, or outside."""
    return {(SEAWEEDFS, 8333)} if "StatefulSet" in {each["kind"] for each in objects} else {OUTSIDE}


def test_who_talks_to_whom(objects):
    assert reached(objects, STAGE, "egress") == {
        (DNS, 53),
        (API, 8887),
        (API, 8888),
        (METADATA, 8080),
    } | KUBERNETES | store(objects)
    assert reached(objects, RECONCILER, "egress") == {(DNS, 53), (API, 8888)}
    assert reached(objects, STAGE, "ingress") == reached(objects, RECONCILER, "ingress") == set()


def test_the_artifact_proxy_answers_kubeflows_ui_and_asks_the_store_and_kubernetes(objects):
    labels = named(objects, "Deployment", "ml-pipeline-ui-artifact")["spec"]["template"]["metadata"]["labels"]
    assert labels == PROXY
    assert reached(objects, PROXY, "ingress") == {(UI, 3000)}
    assert reached(objects, PROXY, "egress") == {(DNS, 53)} | KUBERNETES | store(objects)


def test_the_object_store_answers_stages_train_jobs_the_artifact_proxy_the_page_servers_and_their_watch():
    for name in ("kind", "dev"):
        labels = dict([SEAWEEDFS[1:]])
        assert reached(overlay(name), labels, "egress") == {(DNS, 53)}
        assert reached(overlay(name), labels, "ingress") == {
            (("gleaner", "pipelines.kubeflow.org/v2_component", "true"), 8333),
            (("gleaner", *next(iter(TRAINJOB.items()))), 8333),
            (("gleaner", *next(iter(PROXY.items()))), 8333),
            (("gleaner", *next(iter(PAGE.items()))), 8333),
            (("gleaner", *next(iter(SERVING.items()))), 8333),
            (("gleaner", *next(iter(WATCH.items()))), 8333),
        }


def test_machines_of_a_train_job_talk_to_each_other_and_the_store():
    node = ("gleaner", *next(iter(TRAINJOB.items())))
    assert reached(overlay("prod"), TRAINJOB, "ingress") == {(node, 0)}
    assert reached(overlay("prod"), TRAINJOB, "egress") == {(DNS, 53), (node, 0), (SEAWEEDFS, 8333), OUTSIDE}


def test_quota_has_room_for_what_runs(objects):
    hard = named(objects, "ResourceQuota", "gleaner")["spec"]["hard"]
    gpus = sum(int(each["spec"]["limits"]["nvidia.com/gpu"]) for each in objects if each["kind"] == "NodePool")
    assert int(hard["requests.nvidia.com/gpu"]) == gpus
    queues = [
        flavor
        for each in objects
        if each["kind"] == "ClusterQueue"
        for flavor in each["spec"]["resourceGroups"][0]["flavors"]
    ]
    assert sum(int(flavor["resources"][2]["nominalQuota"]) for flavor in queues) == gpus
