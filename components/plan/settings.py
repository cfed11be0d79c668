"""Settings of a whole run: where its images are, where results are kept, and what each stage is told."""

from typing import Annotated

from pydantic import BaseModel, Field

from components.calibrate.settings import CalibrateSettings
from components.common.settings import Count, Settings
from components.evaluate.settings import EvaluateSettings
from components.ingest.settings import IngestSettings
from components.pretrain.settings import PretrainSettings
from components.pseudolabel.settings import PseudolabelSettings
from components.release.settings import ReleaseSettings
from components.sample.settings import SampleSettings
from components.warmup.settings import WarmupSettings


class RunSettings(Settings):
    """What a run learns, from what, and how; the same on a laptop and on a cluster."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    """Name of the dataset and of the model: lower-case letters, digits and dashes, since it becomes part of object
    names.
    """
    source: Annotated[str, Field(min_length=1)]
    """Folder of images (relative to where gleaner is started), s3:// prefix, archive or table of URIs; class
    sub-folders are labels.
    """
    store: Annotated[str, Field(min_length=1)]
    """Folder or s3:// prefix under which everything that outlives the run is kept: datasets, labels, checkpoints,
    releases.
    """
    source_version: str = ""
    """Names the state of the source, for the cache of `gleaner run`; empty: a fingerprint of names, sizes and times. A
    cluster lists the source in each run.
    """
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of every random choice."""
    threads: Count = 2
    """CPU threads of each training stage; results repeat to the bit for one number of threads."""
    ingest: IngestSettings = IngestSettings()
    pretrain: PretrainSettings = PretrainSettings()
    sample: SampleSettings = SampleSettings()
    warmup: WarmupSettings = WarmupSettings()
    pseudolabel: PseudolabelSettings = PseudolabelSettings()
    calibrate: CalibrateSettings = CalibrateSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    release: ReleaseSettings = ReleaseSettings()


STAGES = [name for name, field in RunSettings.model_fields.items() if isinstance(field.default, BaseModel)]
"""The stages, in the order in which they run."""
TRAINING = ("pretrain", "sample", "warmup", "pseudolabel", "evaluate")
SHARED = {"seed": TRAINING, "threads": (*TRAINING, "calibrate")}
"""What several stages are told alike, beside their own settings."""
