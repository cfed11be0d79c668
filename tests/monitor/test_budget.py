"""How often alarms start training runs, and for how many labels: once a look, the cool-down, the month, and clocks."""

from typing import Any

from tests.monitor.decisions import at, decided, look, mistake, store_in


def test_a_look_starts_one_run(tmp_path, kubeflow):
    drift = look(store_in(tmp_path), 7)
    first = decided(tmp_path, drift)
    again = decided(tmp_path, drift, cool_down_days=0)
    assert (again["train"], again["started"]) == (False, first["started"])
    assert "was started before: http" in again["why"]
    assert len(kubeflow.runs) == 1


def test_it_cools_down(tmp_path, kubeflow, monkeypatch):
    store = store_in(tmp_path)
    at(monkeypatch, "2026-03-07")
    decided(tmp_path, look(store, 7))
    at(monkeypatch, "2026-03-14")
    found = decided(tmp_path, look(store, 8))
    assert (found["train"], found["cool_down_until"]) == (False, "2026-03-21T06:00:00+00:00")
    assert found["why"] == (
        "an alarm, and no training run before 2026-03-21T06:00:00+00:00, "
        "14 days after that of 2026-03-07T06:00:00+00:00"
    )
    assert decided(tmp_path, look(store, 9, alarm=False))["cool_down_until"] == "2026-03-21T06:00:00+00:00"
    assert len(kubeflow.runs) == 1
    at(monkeypatch, "2026-03-21")
    assert decided(tmp_path, look(store, 10))["train"] is True
    assert len(kubeflow.runs) == 2


def test_labels_of_a_month(tmp_path, kubeflow, monkeypatch):
    store = store_in(tmp_path)
    budget: dict[str, Any] = {"cool_down_days": 0, "labels_per_alarm": 50, "labels_per_month": 120}
    asked = []
    for day in (1, 8, 15, 22):
        at(monkeypatch, f"2026-03-{day:02d}")
        found = decided(tmp_path, look(store, day, candidates=100), **budget)
        asked.append(found["labels"])
    assert asked == [50, 50, 20, 0]
    assert "the 120 labels of 30 days are asked for; some are free again at 2026-03-31T06:00:00+00:00" in found["why"]
    assert (found["train"], found["claim"], len(kubeflow.runs)) == (False, None, 3)
    at(monkeypatch, "2026-03-31T06:00:01+00:00")
    assert decided(tmp_path, look(store, 30, candidates=100), **budget)["labels"] == 50


def test_without_candidates_the_strategy_picks_among_all(tmp_path, kubeflow):
    found = decided(tmp_path, look(store_in(tmp_path), 7, candidates=0))
    assert found["overrides"] == ["sample.train_budget=50"]


def test_a_claim_in_the_future(tmp_path, kubeflow, monkeypatch):
    store = store_in(tmp_path)
    at(monkeypatch, "2027-03-07")
    decided(tmp_path, look(store, 7))
    at(monkeypatch, "2026-03-14")
    told = mistake(tmp_path, look(store, 8))
    assert told.startswith(
        "training 1 of digits was claimed at 2027-03-07T06:00:00+00:00, which is after now (2026-03-14T06:00:00+00:00)"
    )
    assert told.endswith(f"remove {store.uri}/monitor/digits/trainings/000001.json")
    (tmp_path / "store/monitor/digits/trainings/000001.json").unlink()
    assert decided(tmp_path, look(store, 9))["train"] is True
    at(monkeypatch, "2026-03-14T05:58:00+00:00")  # the clocks of two machines
    assert "14 days after that of 2026-03-14T06:00:00+00:00" in decided(tmp_path, look(store, 10))["why"]
    assert len(kubeflow.runs) == 2
