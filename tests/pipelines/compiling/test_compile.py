"""The compiled pipeline and its picture are what the code says."""

import xml.etree.ElementTree as ElementTree

import pytest

from components.common.errors import BadInputError
from components.pretrain.settings import PretrainSettings
from components.release.settings import ReleaseSettings
from components.sample.settings import SampleSettings
from pipelines.compiling.compile import FOLDER, OBJECTS, compile_training, generated, parse, write, write_version
from pipelines.compiling.picture import picture
from pipelines.compiling.variants import CONFIGS, compiled_for
from pipelines.configuration.config import FORM, STAGES, load_config
from pipelines.configuration.version import COMPILED, version_name

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def ir():
    return parse(compile_training())[0]


def test_generated_files_are_fresh():
    files = generated()
    stale = [
        str(path) for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run: gleaner compile"
    assert {*FOLDER.glob("*.yaml"), *OBJECTS.glob("*")} <= files.keys(), "left over; run: gleaner compile"


def test_compiling_renders_a_version_for_each_configuration_that_asks_for_other_pods(tmp_path, monkeypatch):
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
    least = "version: 1\nname: a\nsource: b\nstore: c\n"
    for name, more in {
        "same": "",
        "big": "resources: {pretrain: {cpu: 8}}\n",
        "other": "resources: {pretrain: {cpu: 8.0}}\n",
    }.items():
        (configs / f"{name}.yaml").write_text(least + more, encoding="utf-8")
    write()
    assert {path.name for path in compiled.iterdir()} == {"training.yaml", "big.yaml", "training.svg"}
    assert {path.name for path in objects.iterdir()} == {
        "training.yaml",
        "big.yaml",
        "pipeline.yaml",
        "kustomization.yaml",
    }
    assert compiled_for(load_config(configs / "other.yaml"), compiled, configs) == compiled / "big.yaml"
    (configs / "big.yaml").unlink()
    (configs / "other.yaml").unlink()
    write()
    assert {path.name for path in [*compiled.iterdir(), *objects.iterdir()]} == {
        "training.yaml",
        "training.svg",
        "pipeline.yaml",
        "kustomization.yaml",
    }


def test_one_configuration_gets_a_version_of_its_own(tmp_path):
    config = load_config(CONFIGS / "mnist.yaml", ["resources.pretrain.cpu=7"])
    ir, version = write_version(config, tmp_path / "new")
    name = version_name(ir)
    assert [ir.name, version.name] == [f"{name}.ir.yaml", f"{name}.yaml"]
    assert parse(version.read_text(encoding="utf-8"))[0]["spec"]["displayName"] == f"mnist {name.rpartition('-')[2]}"


def test_a_configuration_finds_the_version_with_its_pods():
    assert compiled_for(load_config(CONFIGS / "mnist.yaml")) == COMPILED
    assert compiled_for(load_config(CONFIGS / "gpu.yaml", ["seed=7", "pretrain.epochs=1"])) == FOLDER / "gpu.yaml"
    for override, expected in [
        ("resources.pretrain.cpu=7", "resources: no version of "),
        ("threads=4", "resources.pretrain.cpu_limit: got 2"),
        ("resources.warmup.cpu=1", "resources.warmup.cpu: got 1"),
    ]:
        with pytest.raises(BadInputError) as error:
            compiled_for(load_config(CONFIGS / "mnist.yaml", [override]))
        assert str(error.value).startswith(expected)


@pytest.mark.parametrize("name", ["kustomization", "pipeline", "training"])
def test_a_version_takes_no_other_file_s_name(tmp_path, monkeypatch, name):
    monkeypatch.setattr("pipelines.compiling.variants.CONFIGS", tmp_path)
    (tmp_path / f"{name}.yaml").write_text(
        "version: 1\nname: a\nsource: b\nstore: c\nresources: {pretrain: {cpu: 8}}\n", encoding="utf-8"
    )
    with pytest.raises(BadInputError, match="expected a file name other than"):
        generated()


def test_more_threads_than_cores_are_refused(tmp_path):
    config = load_config(CONFIGS / "mnist.yaml", ["threads=4"])
    with pytest.raises(BadInputError) as error:
        write_version(config, tmp_path / "new")
    assert str(error.value) == "resources.pretrain.cpu_limit: got 2, expected at least as many cores as threads (4)"
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    config = load_config(CONFIGS / "gpu.yaml")
    with pytest.raises(
        BadInputError, match=r"file: cannot be written: File exists; expected a folder for the compiled version$"
    ):
        write_version(config, tmp_path / "file")


def test_the_form_can_be_filled_in_without_reading_code(ir):
    inputs = ir["root"]["inputDefinitions"]["parameters"]
    assert [
        name for name, about in inputs.items() if len(about.get("description", "")) < 20 or "defaultValue" not in about
    ] == []
    assert {
        name.removesuffix("_settings") for name, about in inputs.items() if about["parameterType"] == "STRUCT"
    } == set(STAGES)
    settings = {"pretrain": PretrainSettings(), "sample": SampleSettings(), "release": ReleaseSettings()}
    for stage, keys in FORM.items():
        assert {key: inputs[key]["defaultValue"] for key in keys} == {
            key: getattr(settings[stage], key) for key in keys
        }
        assert all(f"`{key}`" in inputs[f"{stage}_settings"]["description"] for key in keys)  # which of the two counts
    strategies = SampleSettings.model_json_schema()["properties"]["strategy"]["enum"]
    assert all(f"`{strategy}`" in inputs["strategy"]["description"] for strategy in strategies)


def test_compiling_is_repeatable_and_names_no_patch_release():
    text = compile_training()
    assert text == compile_training()
    assert text.count("\nsdkVersion: kfp-2.17.0\n") == 1


def test_the_stages_run_in_order(ir):
    order: list[str] = []
    tasks = ir["root"]["dag"]["tasks"]
    for stage in ["plan", "for-loop-1", *STAGES]:
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
    assert texts.count("classifier") == 2
    assert {name for _, name in read} <= set(texts)
    readers = sum(len(task["inputs"].get("artifacts", {})) for task in ir["root"]["dag"]["tasks"].values())
    assert len([dot for dot in root.iter(f"{SVG}circle") if dot.get("class") == "read"]) == readers
    assert len([dot for dot in root.iter(f"{SVG}circle") if dot.get("class") == "written"]) == len(read)
    assert "contact sheet" in texts  # read by people, not by a stage


def test_the_picture_stays_inside_its_frame(ir):
    root = ElementTree.fromstring(picture(ir))
    width = float(root.attrib["width"])
    height = float(root.attrib["height"])
    for element in (*root.iter(f"{SVG}text"), *root.iter(f"{SVG}circle")):
        x = float(element.get("x") or element.get("cx") or -1)
        y = float(element.get("y") or element.get("cy") or -1)
        assert 0 < x < width
        assert 0 < y < height
