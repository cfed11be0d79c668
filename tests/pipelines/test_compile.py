"""The compiled pipeline and its picture are what the code says."""

import xml.etree.ElementTree as ElementTree

import pytest

from pipelines.compile import FOLDER, compile_training, generated, parse
from pipelines.config import STAGES
from pipelines.picture import picture

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def ir():
    return parse(compile_training())


@pytest.mark.parametrize("name", ["training.yaml", "training.svg", "schema.json"])
def test_generated_files_are_fresh(name):
    path, text = next((path, text) for path, text in generated().items() if path.name == name)
    assert path.read_text(encoding="utf-8") == text, "stale; run: gleaner compile"


def test_compiling_is_repeatable_and_names_no_patch_release():
    text = compile_training()
    assert text == compile_training()
    assert text.splitlines()[-1] == "sdkVersion: kfp-2.17.0"
    assert (FOLDER / "training.yaml").is_file()


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
    read = {(source["taskOutputArtifact"]["producerTask"], source["taskOutputArtifact"]["outputArtifactKey"])
            for task in ir["root"]["dag"]["tasks"].values() for source in task["inputs"].get("artifacts", {}).values()}
    assert texts.count("classifier") == 2
    assert {name for _, name in read} <= set(texts)
    readers = sum(len(task["inputs"].get("artifacts", {})) for task in ir["root"]["dag"]["tasks"].values())
    assert len([dot for dot in root.iter(f"{SVG}circle") if dot.get("class") == "read"]) == readers
    assert len([dot for dot in root.iter(f"{SVG}circle") if dot.get("class") == "written"]) == len(read)
    assert "contact sheet" in texts  # read by people, not by a stage


def test_the_picture_stays_inside_its_frame(ir):
    root = ElementTree.fromstring(picture(ir))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for element in (*root.iter(f"{SVG}text"), *root.iter(f"{SVG}circle")):
        x, y = float(element.get("x") or element.get("cx") or -1), float(element.get("y") or element.get("cy") or -1)
        assert 0 < x < width
        assert 0 < y < height
