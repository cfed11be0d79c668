from collections.abc import Iterator

import pytest

from components.monitor import training
from tests.monitor.decisions import PINNED, PIPELINE
from tests.pipelines.kubeflow.kfp_server import serve
from tests.pipelines.kubeflow.kfp_state import KfpServer


@pytest.fixture
def kubeflow(monkeypatch: pytest.MonkeyPatch, kfp_hurry: None) -> Iterator[KfpServer]:
    """A server that has the training pipeline, the one of the environment; nothing waits long but for who is killed."""
    for name, seconds in (("POLL", 0.01), ("PATIENCE", 0.1)):
        monkeypatch.setattr(training, name, seconds)
    for name in ("KF_PIPELINES_NAMESPACE", "KF_PIPELINES_SA_TOKEN_PATH", "KF_PIPELINES_UI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with serve() as server:
        server.add_version(PIPELINE, PINNED)
        monkeypatch.setenv("KF_PIPELINES_ENDPOINT", server.url)
        yield server
