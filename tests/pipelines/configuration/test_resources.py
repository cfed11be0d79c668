"""What pods ask for is checked against what the pools have, before anything is written."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.common.errors import BadInputError
from pipelines.configuration.config import load_config, show
from pipelines.configuration.resources import (
    TASKS,
    TRAINING,
    Pool,
    Resources,
    TaskResources,
    misfits,
    pool_of,
    size_bytes,
    starved,
)

CONFIG = """version: 2
name: cats
source: in
store: out
pools:
  cpu: {cpu: 8, memory: 30Gi}
  gpu: {gpu: nvidia-l4, gpus: 4, cpu: 16, memory: 60Gi, tolerations: [{key: nvidia.com/gpu}]}
  cheap: {gpu: nvidia-l4, gpus: 1, spot: true}
resources:
  pretrain: {cpu: 8, gpu: nvidia-l4}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(CONFIG, encoding="utf-8")
    return Path("c.yaml")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "resources.pretrain.gpu=h100",
            "resources.pretrain.gpu: got 'h100', which no pool has; expected one of ['nvidia-l4']",
        ),
        (
            "resources.warmup.gpus=2",
            "resources.warmup.gpus: got 2 without a type of GPU; expected `gpu`: one of ['nvidia-l4']",
        ),
        (
            "resources.warmup={gpu: nvidia-l4, gpus: 2}",
            "resources.warmup.gpus: got 2, expected 1: only pretrain trains on many",
        ),
        ("resources.ingest.nodes=2", "resources.ingest.nodes: got 2, expected 1: only pretrain trains on many"),
        ("resources.pretrain.nodes=0", "resources.pretrain.nodes: got 0, expected greater than or equal to 1"),
        ("resources.pretrain.nodes=65", "resources.pretrain.nodes: got 65, expected less than or equal to 64"),
        (
            "resources.pretrain.nodes=2",
            "resources.pretrain.nodes: got 2, but the pool names no `queue`; "
            "expected a LocalQueue, by which many machines get to a pool",
        ),
        (
            "resources.pretrain.priority=batch",
            "resources.pretrain.priority: got 'batch', but the pool names no `queue`; expected null",
        ),
        (
            "resources.warmup.priority=batch",
            "resources.warmup.priority: got 'batch', but no pool is asked for; expected null",
        ),
        (
            "resources.pretrain.priority=Batch!",
            "resources.pretrain.priority: got 'Batch!', "
            "expected text that matches ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        ),
        (
            "resources.pretrain.gpus=8",
            "resources.pretrain.gpus: got 8, but a node of pool 'gpu' has 4, and no other pool fits",
        ),
        (
            "resources.pretrain.cpu=32",
            "resources.pretrain.cpu: got 32, but a node of pool 'gpu' has 16, and no other pool fits",
        ),
        (
            "resources.pretrain.memory=1Ti",
            "resources.pretrain.memory: got 1Ti, but a node of pool 'gpu' has 60Gi, and no other pool fits",
        ),
        ("resources.pretrain.pool=cheap", "resources.pretrain.spot: got false, but the nodes of pool 'cheap' are spot"),
        ("resources.pretrain.pool=gpus", "resources.pretrain.pool: got 'gpus', which is no pool; did you mean 'gpu'?"),
        (
            "resources.pretrain.pool=x",
            "resources.pretrain.pool: got 'x', which is no pool; expected one of ['cpu', 'gpu', 'cheap']",
        ),
        (
            "resources.warmup.spot=true",
            "resources.warmup.spot: got true, but the nodes of pool 'cpu' are not spot, and no other pool fits",
        ),
        (
            "resources.pretrain.shm=7Gi",
            "resources.pretrain.shm: got 7Gi, expected less than memory (7Gi), which /dev/shm is part of",
        ),
        ("resources.pretrain.memory=4GB", "resources.pretrain.memory: got '4GB', expected a size such as 512Mi or 4Gi"),
        ("resources.pretrain.memory=4", "resources.pretrain.memory: got '4', expected a size such as 512Mi or 4Gi"),
        (
            "resources.pretrain.memory=1Mi",
            "resources.pretrain.memory: got '1Mi', expected from 256Mi (less does not start Python) to 16Ti",
        ),
        ("resources.pretrain.cpu=0", "resources.pretrain.cpu: got 0, expected greater than or equal to 0.1"),
        (
            "resources.pretrain.cpu_limit=0",
            "resources.pretrain.cpu_limit: got 0, expected greater than or equal to 0.1",
        ),
        (
            "resources.pretrain.cpu_limit=4",
            "resources.pretrain.cpu_limit: got 4, expected at least cpu (8), or null for as much",
        ),
        (
            "resources.warmup.cpu_limit=0.25",
            "resources.warmup.cpu_limit: got 0.25, expected at least cpu (0.5), or null for as much",
        ),
        ("resources.pretrain.cpu=two", "resources.pretrain.cpu: got 'two', expected a valid number"),
        ("resources.pretrain.retries=-1", "resources.pretrain.retries: got -1, expected greater than or equal to 0"),
        ("resources.pretrain.timeout_hours=0", "resources.pretrain.timeout_hours: got 0, expected greater than 0"),
        ("resources.pretrian.cpu=1", "unknown key 'resources.pretrian'; did you mean 'resources.pretrain'?"),
        ("resources.pretrain.cpus=1", "unknown key 'resources.pretrain.cpus'; did you mean 'resources.pretrain.cpu'?"),
        ("pools.gpu.gpu_count=4", "unknown key 'pools.gpu.gpu_count'"),
        ("pools.gpu.spot=maybe", "pools.gpu.spot: got 'maybe', expected a valid boolean"),
        ("pools.gpu=4", "pools.gpu: got 4, expected a section of `key: value` lines"),
        ('pools.gpu.tolerations=[{"kee": "a"}]', "lacks 'pools.gpu.tolerations.0.key' (and 1 more)"),
    ],
)
def test_a_mistake_is_one_line(config, override, line):
    with pytest.raises(BadInputError) as error:
        load_config(config, [override])
    assert str(error.value) == f"override {override!r}: {line}"


def test_a_mistake_in_the_file_has_its_line(config):
    with pytest.raises(BadInputError) as error:
        load_config(config, ["resources.pretrain.pool=cpu"])
    assert str(error.value) == "c.yaml:10: resources.pretrain.gpu: got nvidia-l4, but the nodes of pool 'cpu' have none"
    config.write_text(
        CONFIG.replace("nvidia-l4}", "nvidia-h100}", 1).replace("gpu: nvidia-l4,", "gpu: nvidia-t4,"), encoding="utf-8"
    )
    with pytest.raises(BadInputError) as error:
        load_config(config)
    assert (
        str(error.value)
        == "c.yaml:10: resources.pretrain.gpu: got 'nvidia-h100', which no pool has; expected one of ['nvidia-t4']"
    )


def test_without_pools_the_remedy_is_to_name_one():
    gpu = Resources(pretrain=TaskResources(gpu="nvidia-l4"))
    assert list(misfits(gpu, {})) == [
        ("pretrain", "gpu", "got 'nvidia-l4', which no pool has; expected a pool with GPUs in `pools` first")
    ]
    spot = Resources(pack=TaskResources(spot=True))
    assert list(misfits(spot, {})) == [("pack", "spot", "got true, but `pools` names no pool of spot nodes")]
    named = Resources(pack=TaskResources(pool="gpu"))
    assert list(misfits(named, {})) == [("pack", "pool", "got 'gpu', which is no pool; `pools` is empty")]


def test_the_first_pool_that_fits_is_taken(config):
    given_pools = load_config(config).pools
    assert pool_of(TaskResources(gpu="nvidia-l4"), given_pools) == given_pools["gpu"]
    assert pool_of(TaskResources(gpu="nvidia-l4", spot=True), given_pools) == given_pools["cheap"]
    assert pool_of(TaskResources(pool="cpu"), given_pools) == given_pools["cpu"]
    assert pool_of(TaskResources(), given_pools) is None


def test_the_defaults_fit_anywhere_and_a_small_node():
    assert list(misfits(Resources(), {})) == []
    small = Pool(cpu=2, memory="8Gi")
    everywhere = Resources(**{name: getattr(Resources(), name).model_copy(update={"pool": "small"}) for name in TASKS})
    assert list(misfits(everywhere, {"small": small})) == []
    assert starved(Resources(), threads=2) == []
    assert starved(Resources(calibrate=TaskResources(cpu=1)), threads=2) == ["calibrate"]
    assert starved(Resources(calibrate=TaskResources(cpu=1, cpu_limit=2)), threads=2) == []
    assert starved(Resources(calibrate=TaskResources(cpu=4)), threads=4) == [
        name for name in TRAINING if name != "calibrate"
    ]


@pytest.mark.parametrize(
    ("overrides", "cpu", "limit"),
    [
        ([], 0.5, 2),
        (["cpu=4"], 4, None),
        (["cpu=1"], 1, None),
        (["cpu_limit=4"], 0.5, 4),
        (["cpu=4", "cpu_limit=8"], 4, 8),
        (["cpu_limit=8", "cpu=4"], 4, 8),
        (["cpu_limit=null"], 0.5, None),
    ],
)
def test_the_default_limit_belongs_to_the_default_number_of_cores(config, overrides, cpu, limit):
    """Who asks for four cores gets four, and need not know of the limit."""
    asked = load_config(config, [f"resources.sample.{override}" for override in overrides]).resources.sample
    assert (asked.cpu, asked.cpu_limit) == (cpu, limit)
    assert asked.cores == (limit or cpu)


def test_a_limit_of_an_extended_file_stays(config):
    Path("base.yaml").write_text(CONFIG.replace("{cpu: 8, gpu", "{cpu: 2, cpu_limit: 8, gpu"), encoding="utf-8")
    config.write_text("version: 2\nextends: base.yaml\nresources: {pretrain: {cpu: 4}}\n", encoding="utf-8")
    assert load_config(config).resources.pretrain.cores == 8
    config.write_text("version: 2\nextends: base.yaml\nresources: {pretrain: {cpu: 16}}\n", encoding="utf-8")
    with pytest.raises(BadInputError) as error:
        load_config(config)
    assert str(error.value) == (
        "base.yaml:10: resources.pretrain.cpu_limit: got 8, expected at least cpu (16), or null for as much"
    )
    shown = Path("shown.yaml")
    config.write_text("version: 2\nextends: base.yaml\n", encoding="utf-8")
    shown.write_text(show(load_config(config)), encoding="utf-8")
    assert load_config(shown) == load_config(config)


def test_sizes():
    assert [size_bytes(text) for text in ("1Mi", "2Gi", "1Ti")] == [1 << 20, 2 << 30, 1 << 40]
    for text in ("0Gi", "-1Gi", "1.5Gi", "1gi", "1Gi ", "9999999Gi", ""):
        with pytest.raises(ValidationError):
            TaskResources(shm=text)


TYPES = st.sampled_from([None, "a", "b"])
CORES = st.sampled_from([1, 4, 16])
POOLS = st.builds(
    Pool,
    gpu=TYPES,
    gpus=st.integers(0, 4),
    spot=st.booleans(),
    cpu=st.none() | CORES,
    memory=st.sampled_from([None, "8Gi"]),
    queue=st.sampled_from([None, "q"]),
)
ASKED = st.builds(
    TaskResources,
    cpu=CORES,
    nodes=st.sampled_from([1, 1, 2]),
    priority=st.sampled_from([None, None, "batch"]),
    memory=st.sampled_from(["4Gi", "16Gi"]),
    gpu=TYPES,
    gpus=st.integers(1, 4),
    spot=st.booleans(),
    pool=st.sampled_from([None, None, "p", "q", "r"]),
    shm=st.sampled_from([None, "1Gi", "8Gi"]),
)


@given(ASKED, st.dictionaries(st.sampled_from(["p", "q"]), POOLS))
def test_what_passes_the_check_has_a_place_and_what_does_not_has_none(asked, pools):
    complaints = list(misfits(Resources(pretrain=asked), pools))

    def holds(pool: Pool) -> bool:
        fits = pool.gpu == asked.gpu and (asked.gpu is None or pool.gpus >= asked.gpus) and pool.spot == asked.spot
        enough = pool.memory is None or size_bytes(pool.memory) >= size_bytes(asked.memory)
        return fits and enough and (pool.cpu is None or pool.cpu >= asked.cpu)

    sane = (asked.gpu is not None or asked.gpus == 1) and (
        asked.shm is None or size_bytes(asked.shm) < size_bytes(asked.memory)
    )
    anywhere = asked.pool is None and asked.gpu is None and not asked.spot
    candidates = [pool for name, pool in pools.items() if asked.pool in (None, name) and holds(pool)]
    placed = sane and (anywhere or bool(candidates))
    queue = candidates[0].queue if placed and not anywhere else None
    queued = (asked.nodes == 1 or anywhere or queue) and (asked.priority is None or queue)
    assert (not complaints) == bool(placed and queued)
    if not complaints:
        assert pool_of(asked, pools) == (None if anywhere else candidates[0])
