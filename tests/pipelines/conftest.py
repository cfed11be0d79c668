import pytest

from pipelines import kubeflow, kubeflow_pipeline, submit


@pytest.fixture
def kfp_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same number of attempts, without the pauses between them."""
    monkeypatch.setattr(kubeflow, "PAUSES", (0.001,) * len(kubeflow.PAUSES))
    monkeypatch.setattr(kubeflow_pipeline, "POLL", 0.01)
    monkeypatch.setattr(submit, "POLL", 0.01)
