import pytest

from pipelines.kubeflow import following, pipeline


@pytest.fixture
def kfp_hurry(kfp_hurry: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pauses between looks either."""
    monkeypatch.setattr(pipeline, "POLL", 0.01)
    monkeypatch.setattr(following, "POLL", 0.01)
