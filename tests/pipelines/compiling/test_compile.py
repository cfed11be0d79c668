"""The compiled pipeline and its picture are what the code says."""

import xml.etree.ElementTree as ElementTree

import pytest

from components.common.component import images
from components.common.errors import BadInputError
from components.monitor.settings import MonitorSettings
from components.plan.form import FIELDS, fill
from components.plan.settings import STAGES
from components.predict.settings import PredictSettings
from components.sample.settings import SampleSettings
from pipelines.compiling.compile import (
    FOLDER,
    OBJECTS,
    compile_batch,
    compile_config,
    compile_monitoring,
    generated,
    versions,
    write,
    write_version,
)
from pipelines.compiling.form_picture import form_picture
from pipelines.compiling.picture import picture
from pipelines.compiling.variants import CONFIGS, compiled_for, own_or_plain, variants
from pipelines.configuration.config import load_config
from pipelines.configuration.version import COMPILED, PIPELINE, parse
from tests.pipelines.compiling.test_order import ORDER

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def ir():
    return parse(compile_config(load_config(CONFIGS / "cluster.yaml")))[0]


def test_generated_files_are_fresh():
    files = generated()
    stale = [
        str(path) for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run: gleaner compile"
    assert {*FOLDER.glob("*.yaml"), *OBJECTS.glob("*")} <= files.keys(), "left over; run: gleaner compile"


def test_compiling_renders_a_version_for_each_configuration_that_a_cluster_can_run(tmp_path, monkeypatch):
    configs = tmp_path / "configs"
    objects = tmp_path / "objects"
    compiled = tmp_path / "compiled"
    for name, value in {
        "CONFIGS": configs,
        "OBJECTS": objects,
        "FOLDER": compiled,
        "MOUNTED": tmp_path / "mounted.yaml",
    }.items():
        monkeypatch.setattr(f"pipelines.compiling.compile.{name}", value)
    monkeypatch.setattr("pipelines.compiling.variants.CONFIGS", configs)
    configs.mkdir()
    least = "version: 2\nname: a\nsource: s3://b/images\nstore: s3://b/store\n"
    for name, more in {
        "cluster": "",
        "same": "seed: 3\n",
        "big": "resources: {pretrain: {cpu: 8}}\n",
        "laptop": "object_store: here\n",
    }.items():
        (configs / f"{name}.yaml").write_text(least + more, encoding="utf-8")
    write()
    written = {"training.yaml", "same.yaml", "big.yaml", "batch.yaml", "monitoring.yaml"}
    assert {path.name for path in compiled.iterdir()} == {*written, "training.svg", "form.svg"}
    assert {path.name for path in objects.iterdir()} == {*written, "kustomization.yaml"}
    config = load_config(configs / "same.yaml", ["resources.pretrain.cpu=8"])
    assert compiled_for(config, "elsewhere", compiled, configs) == compiled / "big.yaml"
    (configs / "big.yaml").unlink()
    (configs / "same.yaml").unlink()
    write()
    assert {path.name for path in [*compiled.iterdir(), *objects.iterdir()]} == {
        "training.yaml",
        "batch.yaml",
        "monitoring.yaml",
        "training.svg",
        "form.svg",
        "kustomization.yaml",
    }
    (configs / "cluster.yaml").unlink()
    with pytest.raises(BadInputError, match=r"cluster\.yaml: expected the configuration of the plain version"):
        write()


def test_one_configuration_gets_a_version_of_its_own(tmp_path):
    config = load_config(CONFIGS / "mnist.yaml", ["resources.pretrain.cpu=7"])
    ir, objects = write_version(config, "mine", tmp_path / "new")
    name = objects.stem
    assert ir.name == f"{name}.ir.yaml"
    assert name.startswith(f"{PIPELINE}-mine-")
    pipeline, version = parse(objects.read_text(encoding="utf-8"))
    assert pipeline["metadata"]["name"] == version["spec"]["pipelineName"] == f"{PIPELINE}-mine"
    with pytest.raises(BadInputError, match=r"My Birds\.yaml: its pipeline is named after it"):
        write_version(config, "My Birds", tmp_path / "new")


def test_a_configuration_finds_the_version_with_its_pods():
    assert compiled_for(load_config(CONFIGS / "mnist.yaml"), "mnist") == COMPILED
    gpu = load_config(CONFIGS / "gpu.yaml", ["seed=7", "pretrain.epochs=1"])
    assert compiled_for(gpu, "gpu") == compiled_for(gpu, "a-copy") == FOLDER / "gpu.yaml"
    for override, expected in [
        ("resources.pretrain.cpu=7", "resources: no version of "),
        ("threads=4", "resources.pretrain.cpu_limit: got 2"),
        ("resources.warmup.cpu=1", "resources.warmup.cpu: got 1"),
    ]:
        with pytest.raises(BadInputError) as error:
            compiled_for(load_config(CONFIGS / "mnist.yaml", [override]), "mnist")
        assert str(error.value).startswith(expected)


@pytest.mark.parametrize("name", ["kustomization", "training", "batch", "monitoring"])
def test_a_version_takes_no_other_file_s_name(tmp_path, monkeypatch, name):
    monkeypatch.setattr("pipelines.compiling.variants.CONFIGS", tmp_path)
    (tmp_path / f"{name}.yaml").write_text(
        "version: 2\nname: a\nsource: s3://b/images\nstore: s3://b/store\n", encoding="utf-8"
    )
    with pytest.raises(BadInputError, match="expected a file name other than"):
        generated()


def test_more_threads_than_cores_are_refused(tmp_path):
    config = load_config(CONFIGS / "mnist.yaml", ["threads=4"])
    with pytest.raises(BadInputError) as error:
        write_version(config, "mine", tmp_path / "new")
    assert str(error.value) == "resources.pretrain.cpu_limit: got 2, expected at least as many cores as threads (4)"
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    config = load_config(CONFIGS / "gpu.yaml")
    with pytest.raises(
        BadInputError, match=r"file: cannot be written: File exists; expected a folder for the compiled version$"
    ):
        write_version(config, "gpu", tmp_path / "file")


def test_the_form_can_be_filled_in_without_reading_code(ir):
    inputs = ir["root"]["inputDefinitions"]["parameters"]
    assert [
        name for name, about in inputs.items() if len(about.get("description", "")) < 20 or "defaultValue" not in about
    ] == []
    assert sorted(inputs) == sorted([*FIELDS, "settings"])
    assert len(inputs) <= 10
    strategies = SampleSettings.model_json_schema()["properties"]["strategy"]["enum"]
    offered = {name: about["literals"] for name, about in inputs.items() if "literals" in about}
    assert offered == {
        "sample_strategy": strategies,
        "sample_label_access": ["oracle", "source", "file", "store"],
        "release_promote": ["auto", "approval"],
    }
    for name, words in offered.items():
        assert inputs[name]["defaultValue"] in words
        assert all(f"`{word}`" in inputs[name]["description"] for word in words)


def test_every_version_s_form_does_what_submit_does():
    for name, text in versions().items():
        stem, config = variants()[name]
        info = parse(text)[0]["pipelineInfo"]
        shown = parse(text)[0]["root"]["inputDefinitions"]["parameters"]
        assert {key: about["defaultValue"] for key, about in shown.items()} == fill(config)
        assert "" not in fill(config).values(), "the UI takes an empty field for a missing one"
        assert info["displayName"].startswith(f"{stem}: ")
        assert f"{stem}.yaml" in info["description"]


def test_what_the_ui_offers_first_is_the_plain_version():
    """It preselects the newest version of the pipeline that is chosen, so each configuration has a pipeline."""
    pipelines = {name: parse(text)[0]["pipelineInfo"]["name"] for name, text in versions().items()}
    assert pipelines["training"] == PIPELINE
    assert len(set(pipelines.values())) == len(pipelines)
    assert pipelines["gpu"] == f"{PIPELINE}-gpu"


def test_the_pipeline_of_batch_prediction_has_a_form_that_tells_itself_and_pods_without_torch():
    spec = parse(compile_batch())[0]
    fields = spec["root"]["inputDefinitions"]["parameters"]
    assert sorted(fields) == ["images", "output", "release", "settings", "workers"]
    assert [name for name, about in fields.items() if len(about.get("description", "")) < 20] == []
    assert all(name in fields["settings"]["description"] for name in PredictSettings.model_fields)
    assert spec["pipelineInfo"]["name"] == "gleaner-batch"
    executors = spec["deploymentSpec"]["executors"]
    assert {each["container"]["image"] for each in executors.values()} == {images()["serve"]}
    assert executors["exec-answer"]["container"]["resources"]["resourceMemoryLimit"] == "3Gi"
    dags = [each["dag"]["tasks"] for each in (spec["root"], *spec["components"].values()) if "dag" in each]
    cached = [
        name for tasks in dags for name, task in tasks.items() if task.get("cachingOptions", {}).get("enableCache")
    ]
    assert cached == [], "what is done stands beside the output"


def test_the_pipeline_of_the_watch_is_three_small_tasks_with_a_form_that_tells_itself():
    spec, platform = parse(compile_monitoring())
    fields = spec["root"]["inputDefinitions"]["parameters"]
    assert sorted(fields) == ["release", "settings", "source", "training"]
    assert [name for name, about in fields.items() if len(about.get("description", "")) < 20] == []
    assert all(name in fields["settings"]["description"] for name in MonitorSettings.model_fields)
    assert [name for name, about in fields.items() if "defaultValue" not in about] == ["release"]
    assert spec["pipelineInfo"]["name"] == "gleaner-monitoring"
    tasks = spec["root"]["dag"]["tasks"]
    assert list(tasks) == ["collect", "compare", "decide"]
    assert all(task["cachingOptions"] == {} for task in tasks.values()), "each look is another one"
    used = {name: each["container"]["image"] for name, each in spec["deploymentSpec"]["executors"].items()}
    assert used == {"exec-collect": images()["serve"]} | dict.fromkeys(
        ("exec-compare", "exec-decide"), images()["data"]
    )
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {name for name, pod in pods.items() if "fieldPathAsEnv" in pod} == {"exec-decide"}, "it alone asks Kubeflow"


@pytest.mark.parametrize("name", ["batch", "monitoring"])
def test_a_configuration_of_another_pipeline_s_name_never_gets_that_one(tmp_path, name):
    """Whatever its file is called, and wherever it lies."""
    (tmp_path / f"{name}.yaml").write_text("version: 2\nname: a\nsource: s3://b/i\nstore: s3://b/s\n", encoding="utf-8")
    config = load_config(tmp_path / f"{name}.yaml")
    assert own_or_plain(name) == compiled_for(config, name, configs=tmp_path) == COMPILED
    assert write_version(config, name, tmp_path)[1].stem.startswith(f"{PIPELINE}-{name}-")


def test_compiling_is_repeatable_and_names_no_patch_release():
    config = load_config(CONFIGS / "gpu.yaml")
    text = compile_config(config, "gpu")
    assert text == compile_config(config, "gpu")
    assert text.count("\nsdkVersion: kfp-2.17.0\n") == 1


def test_the_stages_run_in_order(ir):
    order: list[str] = []
    tasks = ir["root"]["dag"]["tasks"]
    for stage in ORDER:
        assert set(tasks[stage].get("dependentTasks", [])) <= set(order)
        order.append(stage)


def test_the_picture_shows_every_stage_and_artifact(ir):
    root = ElementTree.fromstring(picture(ir))
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "stage"] == STAGES
    read = {
        (source["taskOutputArtifact"]["producerTask"], source["taskOutputArtifact"]["outputArtifactKey"])
        for task in ir["root"]["dag"]["tasks"].values()
        for source in task["inputs"].get("artifacts", {}).values()
    }
    assert {name for _, name in read} <= set(texts)
    tasks = ir["root"]["dag"]["tasks"]
    readers = sum(len(tasks[stage]["inputs"].get("artifacts", {})) for stage in STAGES)
    assert len([dot for dot in root.iter(f"{SVG}circle") if dot.get("class") == "read"]) == readers
    assert len([dot for dot in root.iter(f"{SVG}circle") if dot.get("class") == "written"]) == len(read)
    assert "contact sheet" in texts  # read by people, not by a stage


def test_the_picture_of_the_form_shows_every_field_with_its_value(ir):
    root = ElementTree.fromstring(form_picture(ir))
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    inputs = ir["root"]["inputDefinitions"]["parameters"]
    labels = [text for text in texts if " - " in text]
    assert labels == [f"{name} - {about['parameterType']}" for name, about in sorted(inputs.items())]
    assert {"digits", "s3://gleaner/store", "30", "typiclust"} <= set(texts)
    assert texts.count("▾") == 3


@pytest.mark.parametrize("drawn", [picture, form_picture])
def test_the_picture_stays_inside_its_frame(ir, drawn):
    root = ElementTree.fromstring(drawn(ir))
    width = float(root.attrib["width"])
    height = float(root.attrib["height"])
    for element in (*root.iter(f"{SVG}text"), *root.iter(f"{SVG}circle")):
        x = float(element.get("x") or element.get("cx") or -1)
        y = float(element.get("y") or element.get("cy") or -1)
        assert 0 < x < width
        assert 0 < y < height
