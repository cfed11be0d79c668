import pytest

from pipelines.kubeflow import pipeline, server, submit


@pytest.fixture
def kfp_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same number of attempts, without the pauses between them."""
    monkeypatch.setattr(server, "PAUSES", (0.001,) * len(server.PAUSES))
    monkeypatch.setattr(pipeline, "POLL", 0.01)
    monkeypatch.setattr(submit, "POLL", 0.01)
