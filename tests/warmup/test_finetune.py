"""The head against closed form and scikit-learn, all weights against themselves: same seed, same bytes."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from components.common.learning.loading import Images
from components.common.learning.models import Classifier, load_encoder
from components.common.learning.training import initialise
from components.common.storage import open_store
from components.warmup.finetune import finetune, fit_head
from components.warmup.settings import WarmupSettings
from tests import stages, tiny
from tests.stages import DIGITS


class Nothing(nn.Module):
    """An encoder that is not asked."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features


def fitted(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None, **changes: object) -> Classifier:
    model = Classifier(Nothing(x.shape[1]), int(y.max()) + 1)
    fit_head(model, x, y, WarmupSettings.model_validate({"weight_decay": 0, **changes}), weights)
    return model


def probabilities(model: Classifier, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model.head_logits(torch.from_numpy(x).float()).softmax(dim=1).numpy()


@pytest.mark.parametrize("smoothing", [0.1, 0.4])
def test_where_classes_share_nothing_the_head_ends_at_its_smoothed_targets(smoothing):
    x = np.eye(5)
    y = np.arange(5)
    expected = np.eye(5) * (1 - smoothing) + smoothing / 5
    np.testing.assert_allclose(
        probabilities(fitted(x, y, label_smoothing=smoothing, head_steps=600), x), expected, atol=0.01
    )


def test_the_head_is_a_logistic_regression():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 120)
    x = rng.normal(size=(120, 4)) + 0.7 * np.eye(4)[y]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    ours = probabilities(fitted(x, y, label_smoothing=0, head_steps=2000), x)
    theirs = LogisticRegression(C=1e6, max_iter=2000).fit(2 * x, y).predict_proba(2 * x)
    np.testing.assert_allclose(ours, theirs, atol=0.02)


def test_a_weight_of_two_counts_as_two_images():
    rng = np.random.default_rng(0)
    y = np.array([0, 1, 2, 0, 1])
    x = rng.normal(size=(5, 4))
    each = np.array([2, 1, 1, 1, 3])
    once = fitted(x, y, each / each.mean(), head_steps=50)
    repeated = fitted(np.repeat(x, each, axis=0), np.repeat(y, each), head_steps=50)
    np.testing.assert_allclose(probabilities(once, x), probabilities(repeated, x), atol=1e-4)
    assert np.abs(probabilities(once, x) - probabilities(fitted(x, y, head_steps=50), x)).max() > 0.001


def test_the_head_starts_from_nothing_and_leaves_the_encoder_alone():
    encoder = nn.Linear(4, 4)
    encoder.features = 4  # type: ignore[assignment]
    model = Classifier(encoder, 2)
    before = deepcopy(encoder.state_dict())
    fit_head(model, np.eye(4), np.array([0, 1, 0, 1]), WarmupSettings(head_steps=0))
    assert not model.head.weight.any()
    assert not model.head.bias.any()
    fit_head(model, np.eye(4), np.array([0, 1, 0, 1]), WarmupSettings(head_steps=5))
    assert model.head.weight.any()
    assert all(torch.equal(before[name], tensor) for name, tensor in encoder.state_dict().items())


@pytest.fixture(scope="module")
def few(tiny_world: tiny.World) -> tuple[Images, np.ndarray, np.ndarray]:
    rows = tiny_world.rows["train"][:40]
    return (
        Images(tiny_world.data, open_store(tiny_world.store), "L", 8, 1),
        rows,
        tiny_world.data.column("label")[rows].astype(np.int64),
    )


def tuned(
    few, folder, seed: int = 0, each: np.ndarray | None = None, **changes: object
) -> tuple[Classifier, list[dict]]:
    images, rows, classes = few
    small = {"augment": DIGITS, "steps": 40, "batch_size": 16, "precision": "float32", "learning_rate": 1e-2}
    settings = WarmupSettings.model_validate({**small, **changes})
    model = initialise(lambda: Classifier(load_encoder(stages.encoder(folder))[0], 10), 0)
    assert isinstance(model, Classifier)
    return model, finetune(model, tiny.SPEC, images, rows, classes, settings, seed, each)


def weights(model: nn.Module) -> list[bytes]:
    return [tensor.numpy().tobytes() for tensor in model.state_dict().values()]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_seed_gives_the_same_weights_and_another_does_not(few, tmp_path, precision):
    (one, history), (two, again), (three, _) = (
        tuned(few, tmp_path, seed, precision=precision, steps=6) for seed in (0, 0, 1)
    )
    assert weights(one) == weights(two) != weights(three)
    assert history == again


def test_labels_that_all_count_the_same_give_the_bytes_of_labels_without_weights(few, tmp_path):
    n = len(few[1])
    (one, history), (two, again), (three, _) = (
        tuned(few, tmp_path, each=each, steps=6) for each in (None, np.ones(n), np.arange(n) * 2 / (n - 1))
    )
    assert weights(one) == weights(two) != weights(three)
    assert history == again
    x, y = np.eye(5), np.arange(5)
    assert weights(fitted(x, y)) == weights(fitted(x, y, np.ones(5)))


def test_all_weights_and_statistics_learn_and_the_model_ends_in_evaluation(few, tmp_path):
    start, none = tuned(few, tmp_path, steps=0)
    model, history = tuned(few, tmp_path)
    moved = [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, start.state_dict()[name])]
    assert moved == list(model.state_dict())
    assert not model.training
    assert none == []
    assert [record["step"] for record in history] == list(range(2, 41, 2))
    assert np.mean([record["loss"] for record in history[-5:]]) < 0.8 * np.mean(
        [record["loss"] for record in history[:5]]
    )
