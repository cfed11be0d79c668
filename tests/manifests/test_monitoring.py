"""What Prometheus and Grafana are told on a cluster: off by default, checked by promtool, about metrics that exist."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from components.common.storage import open_store
from components.monitor.looks import publish
from components.monitor.metrics import Watched, parser
from components.serve.command import parser as serve_parser
from components.serve.metrics import Metrics
from tests.manifests.kubectl import OVERLAYS, ROOT, as_shown, build, combined, named, unlisted
from tests.manifests.test_access import DNS, SERVING, reached, store
from tests.manifests.test_overlays import SERVED, STORAGE, faults_of_restricted
from tests.monitor.look import LOOK

NAMES = ("gleaner-watch", "watch", "serving-metrics", "object-store-watch", "gleaner-dashboard")
KINDS = {"PodMonitor", "PrometheusRule"}
PROMETHEUS = ("monitoring", "app.kubernetes.io/name", "prometheus")
METRIC = re.compile(r"\bgleaner_[a-z_]+")
README = (ROOT / "manifests" / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=STORAGE)
def objects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return build(combined(tmp_path_factory.mktemp("monitoring"), request.param, "monitoring"))


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    assert found, "promtool checks the rules; expected it on the PATH (Debian's package prometheus)"
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of all series that a server and the watch tell of."""
    place = open_store(str(tmp_path_factory.mktemp("looks")))
    assert publish(place, "digits", LOOK, {})
    watched = Watched(place, ["digits"])
    watched.read()
    registry = CollectorRegistry()
    registry.register(watched)
    server = Metrics()
    server.requests.labels("/predict", 200).inc()
    server.seconds.labels("/predict").observe(0.01)
    server.images.labels("7").inc()
    server.answering("digits", "1")
    text = (generate_latest(registry) + server.text()).decode()
    return {re.split(r"[ {]", line)[0] for line in text.splitlines() if not line.startswith("#")}


def rules(objects: list[dict[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = named(objects, "PrometheusRule", "gleaner")["spec"]
    return spec


def board(objects: list[dict[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(named(objects, "ConfigMap", "gleaner-dashboard")["data"]["dashboard.json"])
    return made


def queries(objects: list[dict[str, Any]]) -> list[str]:
    return [target["expr"] for panel in board(objects)["panels"] for target in panel.get("targets", [])]


@pytest.mark.parametrize("name", OVERLAYS)
def test_it_is_off_by_default(name):
    assert not KINDS & {each["kind"] for each in build(ROOT / "manifests" / "overlays" / name)}


def test_its_core_objects_are_valid_and_its_pod_is_restricted(objects):
    ours = [each for each in objects if each["metadata"]["name"] in NAMES]
    served = [each for each in ours if (each["apiVersion"].rpartition("/")[0] or "core") in SERVED]
    assert {each["kind"] for each in served} == {"ConfigMap", "Deployment", "NetworkPolicy", "ServiceAccount"}
    for each in served:
        kubernetes_validate.validate(each, "1.34", strict=True)
    spec = named(objects, "Deployment", "gleaner-watch")["spec"]["template"]["spec"]
    assert faults_of_restricted(spec) == []
    assert spec["automountServiceAccountToken"] is False
    (container,) = spec["containers"]
    assert {*container["resources"]["requests"], *container["resources"]["limits"]} == {"cpu", "memory"}


def test_prometheus_reaches_the_watch_and_the_servers_and_the_watch_only_the_store(objects):
    watch = named(objects, "Deployment", "gleaner-watch")["spec"]["template"]["metadata"]["labels"]
    assert reached(objects, watch, "ingress") == {(PROMETHEUS, 9090)}
    assert reached(objects, watch, "egress") == {(DNS, 53)} | store(objects)
    assert (PROMETHEUS, 8080) in reached(objects, SERVING, "ingress")
    chosen = {
        each["metadata"]["name"]: each["spec"]["selector"]["matchLabels"]
        for each in objects
        if each["kind"] == "PodMonitor"
    }
    assert chosen.keys() == {"gleaner-watch", "gleaner-serving"}
    assert all(labels.items() <= {**watch, **SERVING, **labels}.items() for labels in chosen.values())


def test_its_command_is_one_that_the_module_understands(objects):
    (container,) = named(objects, "Deployment", "gleaner-watch")["spec"]["template"]["spec"]["containers"]
    words = container["command"]
    assert words[:3] == ["python", "-m", "components.monitor.metrics"]
    options = parser().parse_args(words[3:])
    assert [port["containerPort"] for port in container["ports"]] == [options.port]
    config = yaml.safe_load((ROOT / "pipelines" / "configs" / "cluster.yaml").read_text(encoding="utf-8"))
    assert (options.name, options.store) == ([config["name"]], config["store"])


def test_promtool_takes_the_rules_and_every_query_of_the_dashboard(objects, promtool, tmp_path):
    shown = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "5m").replace("$model", ".+")}
        for number, query in enumerate(queries(objects))
    ]
    assert len(shown) >= 20
    for name, content in (("rules", rules(objects)), ("board", {"groups": [{"name": "board", "rules": shown}]})):
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        done = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_dashboard_ask_for_series_that_exist(objects, told):
    asked = [rule["expr"] for group in rules(objects)["groups"] for rule in group["rules"]] + queries(objects)
    named_there = {name for query in asked for name in METRIC.findall(query)}
    assert len(named_there) >= 15
    assert named_there - told == set()


def test_each_alert_says_what_to_do_and_the_runbook_has_it(objects):
    alerts = [rule for group in rules(objects)["groups"] for rule in group["rules"]]
    for alert in alerts:
        assert {"summary", "description", "runbook_url"} == alert["annotations"].keys()
        assert alert["annotations"]["runbook_url"].endswith("manifests/README.md#when-an-alarm-rings")
        assert f"**{alert['alert']}**" in README
    assert "## When an alarm rings" in README


CASES = """
evaluation_interval: 1m
rule_files: [rules.yaml]
tests:
- interval: 1m
  input_series:
  - {series: 'gleaner_watch_alarm{model="digits",version="v1"}', values: '0x5 1x5'}
  - {series: 'gleaner_watch_audited_accuracy{model="digits",version="v1",end="high"}', values: '0.99x5 0.9x5'}
  - {series: 'gleaner_watch_released_accuracy{model="digits",version="v1",end="low"}', values: '0.95x20'}
  - {series: 'gleaner_watch_look_time_seconds{model="digits",version="v1"}', values: '0x20000'}
  - {series: 'gleaner_requests_total{endpoint="/predict",code="200"}', values: '0+60x60'}
  - {series: 'gleaner_requests_total{endpoint="/predict",code="429"}', values: '0+6x60'}
  - {series: 'gleaner_shed_total', values: '0+6x60'}
  alert_rule_test:
  - {eval_time: 4m, alertname: GleanerDrift}
  - eval_time: 7m
    alertname: GleanerDrift
    exp_alerts:
    - exp_labels: {severity: warning, model: digits, version: v1}
      exp_annotations: %(drift)s
  - {eval_time: 4m, alertname: GleanerAccuracyLow}
  - eval_time: 8m
    alertname: GleanerAccuracyLow
    exp_alerts:
    - exp_labels: {severity: critical, model: digits, version: v1}
      exp_annotations: %(low)s
  - {eval_time: 1m, alertname: GleanerWatchStopped}
  - eval_time: 13020m
    alertname: GleanerWatchStopped
    exp_alerts:
    - exp_labels: {severity: warning, model: digits, version: v1}
      exp_annotations: %(stopped)s
  - {eval_time: 5m, alertname: GleanerServerSheds}
  - eval_time: 30m
    alertname: GleanerServerSheds
    exp_alerts:
    - exp_labels: {severity: warning}
      exp_annotations: %(sheds)s
"""
SAID = {
    "drift": ("GleanerDrift", {"$labels.model": "digits"}),
    "low": ("GleanerAccuracyLow", {"$labels.model": "digits", "$labels.version": "v1", "humanizePercentage": "90%"}),
    "stopped": ("GleanerWatchStopped", {"$labels.model": "digits", "humanizeDuration": "9d 1h 0m 0s"}),
    "sheds": ("GleanerServerSheds", {"humanizePercentage": "9.091%"}),
}


def test_the_alerts_ring_when_they_should(objects, promtool, tmp_path):
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules(objects)), encoding="utf-8")
    found = {rule["alert"]: rule for group in rules(objects)["groups"] for rule in group["rules"]}
    expected = {}
    for key, (alert, values) in SAID.items():
        filled = {}
        for name, text in found[alert]["annotations"].items():
            for word, value in values.items():
                text = re.sub(r"\{\{[^}]*" + re.escape(word) + r"[^}]*\}\}", value, text)
            filled[name] = text
        expected[key] = json.dumps(filled)
    (tmp_path / "test.yaml").write_text(CASES % expected, encoding="utf-8")
    done = subprocess.run(
        [promtool, "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_one_that_grafana_takes(objects):
    made = board(objects)
    assert named(objects, "ConfigMap", "gleaner-dashboard")["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
    for panel in made["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] <= 24 - place["w"]
    for one in made["panels"]:  # none lies on another
        for other in made["panels"]:
            assert one is other or not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    return not beside and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_argo_cd_may_apply_it_where_it_is_switched_on(name, tmp_path: Path, objects):
    assert unlisted(tmp_path, name, "monitoring", objects) == set()


def test_a_server_that_keeps_a_log_is_a_patch(tmp_path: Path):
    """As manifests/README.md shows it."""
    names, changed = as_shown(tmp_path, "Watch what is served", "seaweedfs", "serving", "monitoring")
    assert names[1:] == ["serving", "monitoring"]
    (container,) = named(changed, "ServingRuntime", "gleaner")["spec"]["containers"]
    options = serve_parser().parse_args(container["command"][3:])
    assert options.log == "s3://gleaner/store/log"
    assert [*container["envFrom"]] == [
        {"configMapRef": {"name": "gleaner-storage"}},
        {"secretRef": {"name": "gleaner-storage"}},
    ]
