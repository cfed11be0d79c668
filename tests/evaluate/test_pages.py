"""What the cells of the report show: figures of metrics.json, and pictures of the images that these speak of."""

import io
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from components.common.artifacts import load_dataset
from components.common.html import TINY
from components.common.learning.loading import Images
from components.common.learning.models import load_classifier, normalise
from components.common.parquet import save_table
from components.common.storage import open_store
from components.evaluate.pages import accuracy, confidence, data, decision, mistakes, models, pictures, saliency
from components.evaluate.pages.embedding_map import chosen, embedding_map, layout
from components.evaluate.pages.facts import Evaluation, load
from components.evaluate.precise import OPINION
from tests import tiny
from tests.evaluate import told

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def facts(
    tiny_world: tiny.World, tiny_evaluated: tiny.Evaluated, tmp_path_factory: pytest.TempPathFactory
) -> Evaluation:
    folder = told.complete(tiny_evaluated.evaluation, tmp_path_factory.mktemp("told") / "evaluation")
    return facts_of(tiny_world, folder)


def facts_of(world: tiny.World, evaluation: Path) -> Evaluation:
    dataset, embeddings, labels = map(str, (world.dataset, world.embeddings, world.labels))
    return load(dataset, embeddings, labels, str(world.classifier), str(evaluation), world.store)


def shown(part: Any) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", part.data)))


def ids(part: Any) -> list[str]:
    """Beginnings of the ids of the images whose pictures are shown, in order."""
    return re.findall(r'<figure title="([0-9a-f]{16})">', part.data)


def test_the_box_says_ship_or_not_why_and_against_what(facts):
    said = shown(decision.box(facts))
    about, verdict = facts.about, facts.verdict["decision"]
    assert verdict["title"] in said
    assert verdict["why"][1:] in said
    assert f"Compared with {verdict['against']}." in said
    against = about["against"]["champion"]
    assert f"{100 * against['difference']:+.1f} points over the champion" in said
    assert f"{100 * about['forgotten']['share']:.1f} % forgotten" in said
    word = "yes" if verdict["ship"] else "no"
    assert f'class="verdict {word}"' in decision.box(facts).data
    refused = {**facts.verdict, "decision": {**verdict, "ship": False, "why": HOSTILE}}
    box = decision.box(replace(facts, verdict=refused)).data
    assert 'class="verdict no"' in box
    assert HOSTILE not in box


def test_without_a_champion_the_box_compares_with_the_warm_up_model(facts):
    about = {**facts.about, "against": {**facts.about["against"], "champion": None}, "forgotten": None}
    names = [name for name, _ in decision.headline_figures(about, facts.verdict["gates"])]
    assert any(name.startswith("points over warm-up") for name in names)
    assert not any("forgotten" in name for name in names)
    alone = replace(facts, about=about)
    assert "There is no champion yet" in shown(accuracy.differences(alone))
    assert "champion" not in shown(accuracy.side_by_side(alone))


def test_failed_gates_come_first(facts):
    rows = [
        {"rule": "a >= 1", "shown": "2", "passed": True, "why": "it is"},
        {"rule": HOSTILE, "shown": "0", "passed": False, "why": "it is not"},
    ]
    said = decision.gates(replace(facts, verdict={"gates": rows})).data
    assert said.index("failed: it is not") < said.index("passed: it is")
    assert HOSTILE not in said
    assert "No gate is set" in shown(decision.gates(replace(facts, verdict={"gates": []})))


def test_labels_are_counted_by_split_and_source(facts, tiny_world):
    said = shown(data.version(facts))
    counts = tiny_world.data.counts()
    assert tiny_world.data.id[:12] in said
    for split, images in counts.items():
        labels = len(tiny_world.rows[split])
        assert f"{split} {images:,} {labels:,} {images - labels:,}" in said
    assert data.rounds(facts) is None
    assert data.annotators(facts) is None


def test_the_models_stand_side_by_side(facts):
    said = shown(accuracy.side_by_side(facts))
    about = facts.about
    for value in (about["accuracy"], about["warmup_accuracy"], about["against"]["champion"]["accuracy_there"]):
        assert f"{100 * value:.1f} %" in said
    assert told.VERSION in said
    apart = shown(accuracy.differences(facts))
    for other in about["against"].values():
        assert other["why"] in apart
        assert f"{100 * other['low']:+.2f} to {100 * other['high']:+.2f}" in apart
    assert f"{about['against']['champion']['mended']}" in apart


def test_classes_and_slices_of_few_images_are_marked(facts):
    lines = [{**line, "small": line["class"] == "3"} for line in facts.about["per_class"]]
    slices = [{**line, "small": place == 0} for place, line in enumerate(facts.about["slices"])]
    marked = replace(facts, about={**facts.about, "per_class": lines, "slices": slices})
    assert len(slices) >= 8
    for part in (accuracy.classes(marked), accuracy.class_table(marked), accuracy.slices(marked)):
        assert shown(part).count(accuracy.SMALL) == 1
    said = shown(accuracy.slices(marked))
    for line in slices:
        assert f"{line['images']:,} images" in said
        assert f"{100 * line['accuracy']:.1f} %" in said
    assert "the champion's recall" in shown(accuracy.classes(facts))


def test_of_many_slices_the_weakest_are_shown(facts):
    line = {**facts.about["slices"][0], "by": "camera"}
    many = [{**line, "name": f"camera {k}", "accuracy": 0.5 + k / 100, "forgotten": k} for k in range(20)]
    said = shown(accuracy.slices(replace(facts, about={**facts.about, "slices": many})))
    assert f"the {accuracy.MOST_SLICES} weakest of 20" in said
    assert "camera 0" in said
    assert said.count("forgotten") == accuracy.MOST_SLICES - 1
    assert "11 forgotten" in said
    assert "camera 19" not in said


def test_pairs_show_the_images_that_were_taken_for_another(facts):
    columns = facts.predictions
    wanted = []
    for pair in facts.about["confused"][: mistakes.PAIRS]:
        places = np.flatnonzero((columns["label"] == pair["label"]) & (columns["predicted"] == pair["predicted"]))
        order = places[np.argsort(-columns["confidence"][places], kind="stable")]
        wanted += [str(image)[:16] for image in columns["id"][order[: mistakes.OF_PAIR]]]
    assert wanted == ids(mistakes.pairs(facts))


def test_what_was_forgotten_is_right_then_and_wrong_now(facts):
    columns = facts.predictions
    lost = (columns["champion_predicted"] == columns["label"]) & (columns["predicted"] != columns["label"])
    part = mistakes.forgotten(facts)
    assert facts.about["forgotten"]["images"] == lost.sum() > 0
    assert set(ids(part)) <= {str(image)[:16] for image in columns["id"][lost]}
    assert len(ids(part)) == min(lost.sum(), mistakes.LISTED)
    apart = np.where(lost, False, columns["champion_compared"].astype(bool))
    left_out = replace(facts, predictions={**columns, "champion_compared": apart})
    assert ids(mistakes.forgotten(left_out)) == []  # of images that the champion learned from nothing is said


def test_every_cluster_has_its_sheet(facts):
    part = mistakes.clusters(facts)
    assert ids(part) == [image[:16] for cluster in facts.about["clusters"] for image in cluster["ids"]]
    none = replace(facts, about={**facts.about, "clusters": []})
    assert "Too few mistakes" in shown(mistakes.clusters(none))


def test_suspects_are_shown_and_listed(facts):
    columns = facts.predictions
    found = [
        {"id": columns["id"][0], "label": HOSTILE, "suggested": "4", "confidence": 0.97, "purpose": "test"},
        {"id": columns["id"][1], "label": "1", "suggested": "7", "confidence": 0.9, "purpose": "train"},
    ]
    part = mistakes.suspects(replace(facts, about={**facts.about, "suspects": found, "suspects_found": 5}))
    assert ids(part) == [str(image)[:16] for image in columns["id"][:2]]
    assert str(columns["id"][1]) in part.data
    assert HOSTILE not in part.data
    assert "5 labels look wrong; the 2 likeliest are shown" in shown(part)


def test_thresholds_with_and_without_one(facts):
    said = shown(confidence.thresholds(facts))
    for figure in ("0.970", "13.1 %", "99.3 %", "0.420", "91.0 %", "1.10"):
        assert figure in said
    few = {
        name: {**about, "threshold": None, "quantile": None, "why": "too few labels"}
        for name, about in told.THRESHOLDS.items()
    }
    assert (
        shown(confidence.thresholds(replace(facts, about={**facts.about, "thresholds": few}))).count("Too few labels.")
        == 2
    )


def test_health_and_second_opinion(facts):
    said = shown(models.pseudolabels(facts))
    assert "88.0 % of the guesses were sure enough to teach" in said
    assert "on 91.0 % of the unlabelled images both models agree" in said
    bare = {
        key: value
        for key, value in facts.about["pseudolabels"].items()
        if key in ("mask_rate", "curve", "handed_on", "why")
    }
    assert "88.0 %" in shown(models.pseudolabels(replace(facts, about={**facts.about, "pseudolabels": bare})))
    said = shown(models.second_opinion(facts))
    assert "96.4 % agreement on 2,000 images" in said
    assert told.PRECISE["why"] in said
    assert ids(models.second_opinion(facts)) == []


def test_the_sure_disagreements_of_a_second_opinion_are_shown(facts, tmp_path):
    images = [str(image) for image in facts.dataset.column("id")[:3]]
    figures = {
        name: [0.97, 0.95, 0.5] for name in OPINION.names if name not in ("id", "predicted", "opinion", "disagrees")
    }
    rows = {"id": images, "predicted": list("123"), "opinion": list("722"), "disagrees": [True, True, False], **figures}
    save_table(tmp_path / "opinion.parquet", pa.table(rows).select(OPINION.names), OPINION)
    part = models.second_opinion(replace(facts, folder=tmp_path))
    assert ids(part) == [image[:16] for image in images[:2]]
    assert "7 not 1 (97" in shown(part)


def test_pictures_keep_their_bounds_whatever_they_show():
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    for image in (Image.fromarray(noise), Image.fromarray(noise[:60, :60]), Image.fromarray(noise[..., 0])):
        for most in (12_000, 3_000, 1_200):
            assert len(pictures.small(image, most)) <= most
    tiny_one = Image.fromarray(noise[:8, :8])
    assert pictures.small(tiny_one, 12_000).startswith(b"\x89PNG")
    assert max(tiny_one.size) <= TINY


def test_the_atlas_holds_each_picture_at_its_place(facts):
    rows = [5, 0, 17, 3, 8]
    found = pictures.atlas(facts, rows)
    whole = np.asarray(Image.open(io.BytesIO(found.data)).convert("L"), dtype=int)
    assert whole.shape == (found.rows * found.side, found.columns * found.side)
    for place, picture in enumerate(pictures.pixels(facts, rows)):
        y, x = (found.side * at for at in divmod(place, found.columns))
        there = whole[y : y + found.side, x : x + found.side]
        assert np.abs(there - np.asarray(picture, dtype=int)).mean() < 12  # WebP is lossy


def test_the_map_shows_picks_and_test_images_first_and_is_the_same_again(facts):
    label = np.array([-1, 0, -1, 1, 2, 0, 1])
    picked = np.array([False, True, False, True, False, False, True])
    tested = np.array([False, False, False, False, True, False, False])
    some = chosen(label, picked, tested, 2, 0)
    assert 4 in some  # half of the points are for the picks
    assert picked[some].sum() == 1
    assert list(chosen(label, picked, tested, 4, 0)) == [1, 3, 4, 6]
    assert list(chosen(label, picked, tested, 5, 0)) == [1, 3, 4, 5, 6]
    assert len(chosen(label, picked, tested, 99, 0)) == 7
    places = layout(facts.embeddings[:60], 0, 1)
    assert np.array_equal(places, layout(facts.embeddings[:60], 0, 1))
    assert places.min() >= 0
    assert places.max() <= 1000
    part = embedding_map(facts, 60, 0)
    assert part.data.count("<circle data-k=") == 60
    assert "evaluate.map_points asks for 5" in shown(embedding_map(facts, 5, 0))


def test_a_class_name_cannot_break_out_of_the_map(facts):
    names = [HOSTILE.replace("<script>", "</script><script>"), *facts.names[1:]]
    renamed = np.where(facts.predictions["predicted"] == facts.names[0], names[0], facts.predictions["predicted"])
    predictions = {**facts.predictions, "predicted": renamed}
    other = replace(facts, about={**facts.about, "classes": names}, predictions=predictions)
    part = embedding_map(other, 40, 0).data
    assert part.count("<script") == 2
    assert part.count("</script>") == 2
    assert "alert(1)" in part


def test_attributions_add_up_to_the_difference_of_the_logits(facts):
    model, spec, _ = load_classifier(facts.classifier)
    images = Images(facts.dataset, open_store(facts.store), spec.mode, spec.image_size)
    pixels = normalise(images.batch(np.arange(20)), spec)
    answers = torch.arange(20) % 10
    with torch.no_grad():
        change = model.eval()(pixels) - model(saliency.blurred(pixels, spec.image_size // 3))
    wanted = change[torch.arange(20), answers]
    added = saliency.attributions(model, pixels, answers, steps=200).sum(dim=(1, 2, 3))
    assert (added - wanted).abs().mean() < 0.05 * wanted.abs().mean()


def test_saliency_shows_as_many_as_are_asked_for_and_the_same_again(facts):
    part = saliency.saliency(facts, 4)
    assert part.data.count("<img") == 8
    assert part.data == saliency.saliency(facts, 4).data
    assert "evaluate.saliency asks for none" in shown(saliency.saliency(facts, 0))


def test_the_dataset_of_the_facts_is_that_of_the_world(facts, tiny_world):
    assert load_dataset(tiny_world.dataset).id == facts.dataset.id
    assert facts.row_of[str(facts.dataset.column("id")[7])] == 7
