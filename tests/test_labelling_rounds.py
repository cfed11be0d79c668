"""Three rounds of labelling: the commands that people type, and a person at the page in a real browser."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from components.common.files import read_json, sha256_file
from components.common.storage import open_store
from components.ingest.example import write_example
from components.labels.store import LabelStore
from tests.labelling.person import Person, browser
from tests.labelling.world import started
from tests.test_end_to_end import CONFIG, TASKS, closing_table, gleaner, record

DIGITS, EACH = 5, 40  # classes, and photos of each
ROUND, ROUNDS = 10, 3
HELD_OUT = {"validation": 10, "calibration": 10, "test": 20}
pytestmark = pytest.mark.timeout(900)  # four runs of the whole pipeline
READS_LABELS = ["plan", *TASKS[TASKS.index("sample") :]]
OLD = "sample: {train_budget: 40, validation_budget: 20, calibration_budget: 20}"
NEW = (
    f"sample: {{label_access: store, train_budget: {ROUND * ROUNDS}, round_size: {ROUND}, balance: true, "
    "propagate: true, validation_budget: 10, calibration_budget: 10, test_budget: 20}"
)


class Story(NamedTuple):
    """What happened: the class of each image by its id, what each run said at its end, who was asked in each round."""

    folder: Path
    truth: dict[str, str]
    tables: list[dict[str, str]]
    asked: list[list[str]]


def photos(folder: Path) -> dict[str, str]:
    """Write photos of five digits; returns the class of each image by its id."""
    write_example("digits", folder / "all")
    for number in range(DIGITS):
        (folder / "photos" / str(number)).mkdir(parents=True)
        for image in sorted((folder / "all" / str(number)).iterdir())[:EACH]:
            shutil.copyfile(image, folder / "photos" / str(number) / image.name)
    return {sha256_file(path): path.parent.name for path in (folder / "photos").glob("*/*")}


def configuration() -> str:
    assert OLD in CONFIG
    return CONFIG.replace(OLD, NEW).replace("pseudolabel: {steps: 10", "pseudolabel: {steps: 3")


def label_all(link: str, knows: Callable[[str], str | None]) -> list[str]:
    """A person answers all that is asked, and sees that nothing is left; returns the ids in the order of answering."""
    with browser() as chromium:
        person = Person(chromium, link, "Ann", knows)
        done = person.answer(1000)
        assert person.seen() == []
        person.leaves()
    return done


def run(folder: Path) -> dict[str, str]:
    done = gleaner(folder, "run", "tiny.yaml")
    assert done.returncode == 0, done.stderr
    return closing_table(done.stdout)


def ran(folder: Path) -> list[str]:
    """Tasks of the latest run that were not taken from the cache."""
    return [stage["name"] for stage in record(folder)["stages"] if stage["seconds"] is not None]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story")
    truth = photos(folder)
    (folder / "tiny.yaml").write_text(configuration())
    tables, asked = [run(folder)], []
    for _ in range(ROUNDS):
        with started("-m", "pipelines", "label", "-c", "tiny.yaml", folder=folder) as page:
            asked.append(label_all(page.link, truth.__getitem__))
        tables.append(run(folder))
        assert ran(folder) == READS_LABELS
    return Story(folder, truth, tables, asked)


def test_each_round_asks_for_its_share_and_never_again_for_the_same(story):
    first, *later = story.asked
    held_out = read_json(next(story.folder.glob("store/datasets/tiny/*/dataset.json")))["counts"]
    assert len(first) == ROUND + sum(min(HELD_OUT[split], held_out[split]) for split in HELD_OUT)
    assert [len(images) for images in later] == [ROUND] * (ROUNDS - 1)
    everything = [image for images in story.asked for image in images]
    assert len(set(everything)) == len(everything)


def test_the_first_run_waits_and_the_last_one_has_nothing_left_to_ask(story):
    assert story.tables[0]["waiting for labels"].startswith(f"{len(story.asked[0])} images at store/candidates/tiny/")
    for table, asked in zip(story.tables[1:-1], story.asked[1:], strict=True):
        assert f"({len(asked)} of " in table["candidates"]
    assert story.tables[-1]["labels used"].startswith(f"{ROUND * ROUNDS} train")


def test_every_answer_is_in_the_store_under_its_round_and_true(story):
    answers = LabelStore(open_store(str(story.folder / "store")), "tiny").read().answers
    assert {answer.id: answer.label for answer in answers}.items() <= story.truth.items()
    rounds = [[answer.id for answer in answers if answer.round == number] for number in range(1, ROUNDS + 1)]
    assert rounds == story.asked
    assert {answer.annotator for answer in answers} == {"Ann"}


def test_from_the_second_round_on_the_report_says_what_changed(story):
    assert not any(name.startswith("since round") for name in story.tables[1])
    for number, table in enumerate(story.tables[2:], start=1):
        assert f"{ROUND} labels more" in table[f"since round {number + 1}"]
    page = (story.folder / story.tables[-1]["report"]).read_text(encoding="utf-8")
    assert "What changed since the round before" in page
    assert "Would more labels help?" in page


def test_labels_say_whether_more_would_pay_and_propagated_ones_are_counted_apart(story):
    for number, table in enumerate(story.tables[1:], start=1):
        assert table["labels used"].startswith(f"{ROUND * number} train, ")
    assert "propagated)" in story.tables[-1]["labels used"]
    assert story.tables[-1]["more labels"].split(":")[0] in ("go on", "stop", "cannot tell yet")


def test_a_changed_and_a_withdrawn_answer_run_only_what_reads_labels(story):
    folder = story.folder
    changed, withdrawn = story.asked[1][:2]
    other = next(label for label in map(str, range(DIGITS)) if label != story.truth[changed])
    (folder / "mended.csv").write_text(f"id,label\n{changed},{other}\n")
    for words in (
        ("labels", "import", "mended.csv", "-c", "tiny.yaml", "--annotator", "Ann"),
        ("labels", "withdraw", withdrawn, "-c", "tiny.yaml", "--annotator", "Ann"),
    ):
        done = gleaner(folder, *words)
        assert done.returncode == 0, done.stderr
    table = run(folder)
    assert ran(folder) == READS_LABELS
    assert table["labels used"].startswith(f"{ROUND * ROUNDS - 1} train")
    said = next(text for name, text in table.items() if name.startswith("since round"))
    assert "1 label changed" in said
    assert "1 withdrawn" in said
