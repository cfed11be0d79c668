"""All eight stages and the page in the real images: three rounds of labelling, each pod read-only and without root,
everything on S3.
"""

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

from pipelines.configuration.config import load_config
from pipelines.configuration.version import COMPILED, parse
from pipelines.local.process import StageProcess
from pipelines.local.progress import Lines
from pipelines.local.run import run_config
from tests.images.conftest import Built
from tests.images.podman import locked_down
from tests.images.test_images import role
from tests.labelling.world import started
from tests.test_end_to_end import TASKS
from tests.test_labelling_rounds import READS_LABELS, ROUND, ROUNDS, configuration, label_all, photos

pytestmark = pytest.mark.images
HOST = (
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)


def in_pods(built: Built, folder: Path) -> type[StageProcess]:
    """The local runner's process of a stage, as `podman run` of the stage's image."""

    class Pod(StageProcess):
        def __init__(self, *arguments, **more) -> None:
            super().__init__(*arguments, **more)
            task = self.name.split("-")[0]
            variables = {key: self.environment[key] for key in HOST if key in self.environment}
            flags = locked_down(f"{folder}:{folder}", network="host", variables=variables)
            self.command = ["podman", *flags, built.references[role(task)], "python", *self.command[1:]]
            self.environment = built.environment

        def run(self):
            self.output.parent.mkdir(parents=True, exist_ok=True)
            for path in [folder, *folder.rglob("*")]:  # in a pod, Kubeflow's launcher is the same user as the stage
                if path.stat().st_uid == 0:
                    path.chmod(0o777 if path.is_dir() else 0o666)
            return super().run()

    return Pod


@contextmanager
def page(built: Built, store: str, folder: Path) -> Iterator[str]:
    """The link of the page, served by the image `data` for the block."""
    variables = {key: os.environ[key] for key in HOST if key in os.environ}
    flags = locked_down(f"{folder}:{folder}", network="host", variables=variables)
    command = ["-m", "components.labelling", "--name", "tiny", "--store", store]
    with started(
        *flags, built.references["data"], "python", *command, program="podman", variables=built.environment
    ) as it:
        yield it.link


@pytest.mark.timeout(900)  # four runs of the whole pipeline, a container for each stage
def test_three_rounds_of_labelling_in_the_images(built, s3_server, s3_bucket, tmp_path, monkeypatch):
    truth = photos(tmp_path)
    client = boto3.client("s3")
    for image in sorted((tmp_path / "photos").glob("*/*")):
        client.upload_file(str(image), s3_bucket.removeprefix("s3://"), image.relative_to(tmp_path).as_posix())
    for name in ("all", "photos"):
        shutil.rmtree(tmp_path / name)
    store = f"{s3_bucket}/store"
    (tmp_path / "tiny.yaml").write_text(
        configuration()
        .replace("source: photos", f"source: {s3_bucket}/photos")
        .replace("store: store", f"store: {store}")
    )
    place = tmp_path / "pods"
    place.mkdir()
    for parent in [place, *place.parents][:3]:
        parent.chmod(0o755)  # pytest's folders are root's alone
    monkeypatch.setattr("pipelines.local.run.StageProcess", in_pods(built, place))
    screen = io.StringIO()
    config = load_config(tmp_path / "tiny.yaml")
    run = run_config(config, place, Lines(screen))
    assert [stage.name for stage in run.stages] == TASKS, screen.getvalue()
    asked: list[str] = []
    for _ in range(ROUNDS):
        with page(built, store, place) as link:
            asked += label_all(link, truth.__getitem__)
        run = run_config(config, place, Lines(screen))
        assert [stage.name for stage in run.stages if stage.seconds is not None] == READS_LABELS, screen.getvalue()
    assert len(asked) == len(set(asked))
    outputs = {stage.name: stage.outputs for stage in run.stages}
    assert outputs["sample"]["labels"]["metadata"]["train"] == ROUND * ROUNDS
    assert outputs["release"]["release"]["metadata"]["promoted"] is True
    report = Path(outputs["evaluate"]["report"]["uri"]).read_text(encoding="utf-8")
    assert "What changed since the round before" in report
    assert len(parse(COMPILED.read_text(encoding="utf-8"))[0]["root"]["dag"]["tasks"]) >= 8
