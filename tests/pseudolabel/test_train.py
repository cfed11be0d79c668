"""The loop: what guesses teach, what a step computes, and that statistics move while it learns."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from components.common.learning.loading import Images
from components.common.learning.models import Classifier, load_classifier, normalise
from components.common.learning.training import adamw, set_rate
from components.common.storage import open_store
from components.pseudolabel.losses import sharpen
from components.pseudolabel.settings import PseudolabelSettings
from components.pseudolabel.stage import class_shares
from components.pseudolabel.train import RUNNING, Guesses, Labelled, centre, learn, mix, train
from tests import tiny
from tests.stages import DIGITS, OFF


def settings(**changes: Any) -> PseudolabelSettings:
    return PseudolabelSettings.model_validate(
        {"augment": DIGITS, "precision": "float32", "steps": 6, "batch_size": 8, **changes}
    )


def warm(world: tiny.World) -> Classifier:
    return load_classifier(world.warm)[0]


def trained(
    world: tiny.World, seed: int = 0, each: np.ndarray | None = None, **changes: Any
) -> tuple[Classifier, list[dict[str, Any]]]:
    images = Images(world.data, open_store(world.store), "L", 8, 1)
    rows = world.rows["train"]
    labels = Labelled(rows[:40], world.data.column("label")[rows[:40]].astype(np.int64), each)
    return train(warm(world), tiny.SPEC, images, labels, rows, torch.full((10,), 0.1), settings(**changes), seed)


def weights(model: nn.Module) -> list[bytes]:
    return [tensor.detach().contiguous().numpy().tobytes() for tensor in model.state_dict().values()]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_confident_guesses_teach_and_are_sharpened():
    p = torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    targets, confident = Guesses(torch.tensor([0.5, 0.5]), settings(align=False, threshold=0.8))(p)
    assert confident.tolist() == [True, False, True]
    torch.testing.assert_close(targets, sharpen(p, 0.5))


def test_alignment_follows_the_mean_guess():
    guesses = Guesses(torch.tensor([0.5, 0.5]), settings(threshold=0.0, target_temperature=1.0))
    p = torch.tensor([[0.9, 0.1], [0.7, 0.3]])
    mean = torch.tensor([0.5, 0.5])
    for _ in range(3):
        targets, _ = guesses(p)
        mean = RUNNING * mean + (1 - RUNNING) * p.mean(dim=0)
        torch.testing.assert_close(guesses.running, mean)
        scaled = p * 0.5 / mean
        torch.testing.assert_close(targets, scaled / scaled.sum(dim=1, keepdim=True))
    for _ in range(400):
        targets, _ = guesses(p)
    torch.testing.assert_close(guesses.running, p.mean(dim=0))
    torch.testing.assert_close(targets[1], torch.tensor([0.7 / 0.8, 0.3 / 0.2]) / (0.7 / 0.8 + 0.3 / 0.2))


def test_the_middle_of_the_held_image():
    x = torch.arange(36).view(1, 1, 6, 6)
    assert torch.equal(centre(x, 4), x[:, :, 1:5, 1:5])
    assert torch.equal(centre(x, 6), x)


def test_class_shares_are_the_mean_of_the_warm_up_models_probabilities():
    scores = np.log(np.array([[0.2, 0.8], [0.6, 0.4], [1.0, 0.0001]], np.float32))
    torch.testing.assert_close(class_shares(scores), torch.tensor([0.6, 0.4]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_a_step_is_the_labelled_mean_and_the_weighted_confident_sum_over_all_unlabelled(tiny_world, weight):
    student = warm(tiny_world)
    pixels = Images(tiny_world.data, open_store(tiny_world.store), "L", 8, 1).batch(np.arange(7))
    targets = torch.rand(7, 10, generator=generator()).softmax(dim=1)
    confident = torch.tensor([True, False, True, False])
    slow = deepcopy(student).train()
    losses = [
        -(target * score.log_softmax(dim=0)).sum()
        for target, score in zip(targets, slow(normalise(pixels, tiny.SPEC)), strict=True)
    ]
    supervised = sum(losses[:3]) / 3
    unsupervised = (losses[3] + losses[5]) / 4
    (supervised + weight * unsupervised).backward()

    optimizer = adamw(student, 0.0)
    set_rate(optimizer, 1e-12)
    plain = settings(augment=OFF, mixup=0)
    figures = learn(
        student, optimizer, tiny.SPEC, pixels, targets, confident, weight, plain, np.random.default_rng(0), generator()
    )
    assert figures == pytest.approx(
        {"loss": supervised.item(), "unlabelled_loss": unsupervised.item(), "confident": 0.5}, abs=1e-4
    )
    for (name, mine), theirs in zip(student.named_parameters(), slow.parameters(), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        torch.testing.assert_close(mine.grad, theirs.grad, atol=1e-4, rtol=1e-3, msg=name)


def test_mixing_keeps_labelled_confident_and_doubtful_images_apart():
    n = 4
    confident = torch.tensor([True, False, True, True, False])
    kind = torch.tensor([0, 0, 0, 0, 1, 2, 1, 1, 2])
    x = torch.eye(9).view(9, 1, 3, 3)  # each image is one pixel, so that what it is made of shows
    mixed, targets = mix(
        x, nn.functional.one_hot(kind, 3).float(), confident, 0.7, np.random.default_rng(0), generator()
    )
    made_of = mixed.view(9, 9)
    torch.testing.assert_close(made_of.sum(dim=1), torch.ones(9))
    assert bool((made_of.diagonal() >= 0.5).all())  # an image keeps more of itself than it takes
    for i in range(9):
        assert set(kind[made_of[i] > 0].tolist()) == {int(kind[i])}
        assert targets[i].tolist() == pytest.approx(nn.functional.one_hot(kind[i], 3).tolist())
    assert int((made_of[:n] > 0).sum()) > n
    assert torch.equal(made_of[[5, 8]], torch.eye(9)[[5, 8]])


def test_statistics_move_even_where_weights_hardly_do(tiny_world):
    """The student learns in training mode; a classic is to forget that after an evaluation."""
    before = warm(tiny_world).state_dict()
    (after, _) = trained(tiny_world, learning_rate=1e-12, weight_decay=0)
    for name, tensor in after.state_dict().items():
        if "running" in name:
            assert not torch.allclose(tensor, before[name], rtol=1e-4), name
        elif tensor.is_floating_point():
            torch.testing.assert_close(tensor, before[name], msg=name)
    assert not after.training


def test_the_same_seed_gives_the_same_model_and_another_does_not(tiny_world):
    (one, history), (two, again), (three, _) = (trained(tiny_world, seed) for seed in (0, 0, 1))
    assert weights(one) == weights(two) != weights(three)
    assert history == again


def test_labels_that_all_count_the_same_give_the_bytes_of_labels_without_weights(tiny_world):
    (one, history), (two, again), (three, _) = (
        trained(tiny_world, each=each) for each in (None, np.ones(40), np.arange(40) * 2 / 39)
    )
    assert weights(one) == weights(two) != weights(three)
    assert history == again


def test_a_label_that_does_not_count_teaches_nothing(tiny_world):
    """Equal models, whichever class it is said to be of, mixed into others or not."""
    images = Images(tiny_world.data, open_store(tiny_world.store), "L", 8, 1)
    rows = tiny_world.rows["train"]
    truth = tiny_world.data.column("label")[rows[:40]].astype(np.int64)
    for mixed in (0.0, 0.5):
        models = [
            train(
                warm(tiny_world),
                tiny.SPEC,
                images,
                Labelled(
                    rows[:40], np.where(np.arange(40) == 3, said, truth), np.where(np.arange(40) == 3, 0.0, 40 / 39)
                ),
                rows,
                torch.full((10,), 0.1),
                settings(steps=5, batch_size=40, mixup=mixed),
                0,
            )[0]
            for said in (1, 2)
        ]
        assert weights(models[0]) == weights(models[1])


def test_no_steps_return_the_warm_up_model(tiny_world):
    model, history = trained(tiny_world, steps=0)
    assert weights(model) == weights(warm(tiny_world))
    assert history == []


def test_the_warm_up_model_itself_is_not_touched(tiny_world):
    model = warm(tiny_world)
    images = Images(tiny_world.data, open_store(tiny_world.store), "L", 8, 1)
    rows = tiny_world.rows["train"][:20]
    before = weights(model)
    train(
        model,
        tiny.SPEC,
        images,
        Labelled(rows, np.zeros(20, np.int64)),
        rows,
        torch.full((10,), 0.1),
        settings(steps=2),
        0,
    )
    assert weights(model) == before


def test_history_shows_the_ramp_and_ends_at_the_last_step(tiny_world):
    _, history = trained(tiny_world, steps=10, t1=0.2, t2=0.6, unlabelled_weight=4.0)
    assert [record["step"] for record in history] == list(range(1, 11))
    assert [record["unlabelled_weight"] for record in history] == pytest.approx([0, 0, 0, 1, 2, 3, 4, 4, 4, 4])
    assert all(0 <= record["confident"] <= 1 for record in history)
    assert [record["step"] for record in trained(tiny_world, steps=43, batch_size=2)[1]][-3:] == [40, 42, 43]


def test_a_threshold_of_one_teaches_nothing(tiny_world):
    _, history = trained(tiny_world, threshold=1.0, t1=0, t2=0, align=False)
    assert {record["unlabelled_loss"] for record in history} == {0.0}


def test_pools_smaller_than_a_batch_are_fine(tiny_world):
    rows = tiny_world.rows["train"][:5]
    images = Images(tiny_world.data, open_store(tiny_world.store), "L", 8, 1)
    labels = Labelled(rows[:2], np.array([1, 2]))
    _, history = train(warm(tiny_world), tiny.SPEC, images, labels, rows, torch.full((10,), 0.1), settings(steps=2), 0)
    assert len(history) == 2


def test_a_ramp_that_falls_is_refused():
    with pytest.raises(ValueError, match=r"t1 \(0.5\) must not exceed t2 \(0.3\)"):
        settings(t1=0.5, t2=0.3)
