import pytest

from pipelines.kubeflow import following, pipeline, server


@pytest.fixture
def kfp_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same number of attempts, without the pauses between them."""
    monkeypatch.setattr(server, "PAUSES", (0.001,) * len(server.PAUSES))
    monkeypatch.setattr(pipeline, "POLL", 0.01)
    monkeypatch.setattr(following, "POLL", 0.01)
