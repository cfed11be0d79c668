"""All eight stages in the real images: the compiled pipeline, each pod read-only and without root, everything on S3."""

import io
import shutil
from pathlib import Path

import boto3
import pytest

from components.ingest.example import write_example
from pipelines.configuration.config import load_config
from pipelines.configuration.version import COMPILED, parse
from pipelines.local.process import StageProcess
from pipelines.local.progress import Lines
from pipelines.local.run import run_config
from tests.images.conftest import Built
from tests.images.podman import locked_down
from tests.images.test_images import role
from tests.test_end_to_end import CONFIG, TASKS

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


def test_the_pipeline_runs_in_the_images(built, s3_server, s3_bucket, tmp_path, monkeypatch):
    write_example("digits", tmp_path / "all")
    client = boto3.client("s3")
    for number in range(10):
        for image in sorted((tmp_path / "all" / str(number)).iterdir())[:40]:
            client.upload_file(str(image), s3_bucket.removeprefix("s3://"), f"photos/{number}/{image.name}")
    shutil.rmtree(tmp_path / "all")
    (tmp_path / "tiny.yaml").write_text(
        CONFIG.replace("source: photos", f"source: {s3_bucket}/photos").replace(
            "store: store", f"store: {s3_bucket}/store"
        )
    )
    place = tmp_path / "pods"
    place.mkdir()
    for parent in [place, *place.parents][:3]:
        parent.chmod(0o755)  # pytest's folders are root's alone
    monkeypatch.setattr("pipelines.local.run.StageProcess", in_pods(built, place))
    screen = io.StringIO()
    run = run_config(load_config(tmp_path / "tiny.yaml"), place, Lines(screen))
    assert [stage.name for stage in run.stages] == TASKS, screen.getvalue()
    digests = {stage.name: stage.outputs for stage in run.stages}
    assert digests["release"]["release"]["metadata"]["promoted"] is True
    report = (Path(digests["evaluate"]["report"]["uri"])).read_text(encoding="utf-8")
    assert "<html" in report[:2000].lower()
    assert len(parse(COMPILED.read_text(encoding="utf-8"))[0]["root"]["dag"]["tasks"]) >= 8
