"""Join the embeddings, pick the images to label, and collect the labels."""

from pathlib import Path
from typing import Any

from components.common.artifacts import Dataset, Waiting, load_dataset, load_labels, save_labels, save_waiting
from components.common.cli import Metadata
from components.common.data.reader import ShardReader
from components.common.files import new_folder, sha256_tree, write_json, write_text
from components.common.learning.training import set_threads
from components.common.storage import Store, announce, open_store
from components.common.waiting import sentence
from components.sample.answers import Answer, Answers, labels_table, purposes_of, source_answers
from components.sample.clusters import clusters_of
from components.sample.embed.joining import join
from components.sample.known import known_answers
from components.sample.lessons import Lessons, lessons
from components.sample.newer import all_held_out
from components.sample.picks import Pick, nearest_labelled, with_conflicts
from components.sample.pools import pool_of
from components.sample.publish import BESIDE, Asked, Shape, write_candidates
from components.sample.rounds import Round, guide, lacking, round_of, waiting_for
from components.sample.settings import SampleSettings
from components.sample.shape import neighbours_of
from components.sample.training import taught_by, training_picks


def run(
    dataset: Path,
    encoder: Path,
    name: str,
    store: str,
    seed: int,
    threads: int,
    settings: SampleSettings,
    embeddings: Path,
    candidates: Path,
    labels: Path,
    contact_sheet: Path,
    embedded: str = "",
) -> Metadata:
    """Join the embeddings and pick the few images whose labels teach most.

    `embedded` names the slices that `python -m components.sample.embed` has kept in the store; without it, or where
    they are gone, the images are embedded here.
    """
    set_threads(threads)
    data = load_dataset(dataset)
    place = open_store(store)
    with new_folder(embeddings) as folder:
        vectors = join(folder, embedded, data, encoder, place, threads)

    known = known_answers(data, place, settings)
    pool = pool_of(data, vectors, known, seed, threads)
    names = list(known.classes or data.classes)
    taught = taught_by({row: answer.label for row, answer in known.given.items()}, pool, names, settings.neighbours)
    picks = training_picks(data, taught, known, settings, place)
    picks += all_held_out(data, settings, seed, known.passed.keys(), place)
    picks = with_conflicts(picks, known.conflicts, pool.rows)
    answers = known.given | bought(data, picks, settings)
    answered = pool.rows[pool.labelled]
    table = labels_table(data, answers, purposes_of(picks, answered), settings.label_access)
    now = round_of(data, to_label(picks, settings), answers, table, known, settings)
    why = lacking(now)
    clusters = clusters_of(pool, len(now.classes.names))
    learned = Lessons(table, {}, None, {}) if why else lessons(data, taught, clusters, known, table, now, settings)
    shape = Shape(pool, clusters, neighbours_of(pool, clusters.of))
    near = nearest_labelled(vectors, now.picks, answered)
    asked = Asked(data, ShardReader(data, place), now, near, len(known.given), shape)
    with new_folder(candidates) as folder:
        write_candidates(folder, asked, guide(now, why, BESIDE))
    published = publish(place, candidates, f"candidates/{name}", unnamed=True)
    write_text(contact_sheet, asked.page(guide(now, why, f"{store.rstrip('/')}/{published}/candidates.csv")))
    waiting = waiting_for(now, why, published) if why else None
    with new_folder(labels) as folder:
        facts = {"round": now.number, "neighbours": shape.neighbours.about(), **learned.facts}
        save_labels(folder, learned.table, now.classes.names, published, **facts)
        if learned.advice:
            write_json(folder / "label_advice.json", learned.advice)
        if waiting:
            save_waiting(folder, waiting)
    publish(place, labels, f"labels/{name}")
    return {
        "labels": {**figures(labels, known, settings), **learned.metadata, **state(now, waiting, store)},
        "candidates": {"picks": len(now.picks), "unanswered": len(now.unanswered), "published": published},
        "embeddings": {"images": len(vectors), "features": vectors.shape[1]},
    }


def figures(labels: Path, known: Answers, settings: SampleSettings) -> dict[str, Any]:
    """Labels by purpose, who gave them, and what has none though people saw it."""
    about = load_labels(labels)[1]
    told = {**about["counts"], "source": settings.label_access}
    if settings.label_access == "store":
        told["round"] = about["round"]
    for what, count in (("conflicts", len(known.conflicts)), ("passed", len(known.passed))):
        if count:
            told[what] = count
    return told


def state(now: Round, waiting: Waiting | None, store: str) -> dict[str, str]:
    """What the labels lack, for the log and Kubeflow's UI."""
    told = {}
    for note in now.notes:
        print(note, flush=True)
    if now.to_look_for:
        told["unlabelled_classes"] = now.to_look_for
        print(f"classes without a training label: {now.to_look_for}", flush=True)
    if waiting:
        told["waiting"] = sentence(waiting, store)
        print(told["waiting"], flush=True)
    return told


def bought(dataset: Dataset, picks: list[Pick], settings: SampleSettings) -> dict[int, Answer]:
    """What an oracle answers about the picks, by row."""
    return source_answers(dataset, [pick.row for pick in picks]) if settings.label_access == "oracle" else {}


def to_label(picks: list[Pick], settings: SampleSettings) -> list[Pick]:
    """The picks that people are asked about: all, but for a test split that is taken whole because its labels cost
    nothing.
    """
    free = settings.test_budget is None and settings.label_access in ("oracle", "source")
    return [pick for pick in picks if not (free and pick.purpose == "test")]


def publish(store: Store, folder: Path, prefix: str, unnamed: bool = False) -> str:
    """Copy an artifact to the store under the digest of its bytes, and return where; what is there already stays.

    unnamed: nothing names it yet, so what a killed run left of it is announced to be in use.
    """
    key = f"{prefix}/{sha256_tree(folder)[:12]}"
    files = sorted(folder.iterdir())
    if unnamed:
        announce(store, f"{key}/{files[0].name}", files[0].read_bytes())
    for path in files:
        store.write_if_absent(f"{key}/{path.name}", path.read_bytes())
    return key
