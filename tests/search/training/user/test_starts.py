"""A saved model starts anew under each seed, and keeps what `fit` does not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from search.errors import PreflightError
from search.training.user.given import example_model, kept_layers
from search.training.user.starts import save_start, started

X = np.random.default_rng(0).normal(2.7, 1.0, (32, 4)).astype("float32")


class Widened(keras.layers.Layer):  # type: ignore[misc]
    """A layer of a user's whose get_config() forgets its argument."""

    def __init__(self, units: int = 3, scale: float = 1.0, **more: Any) -> None:
        super().__init__(**more)
        self.units, self.scale = units, scale

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], self.units))

    def call(self, x: Any) -> Any:
        return self.scale * keras.ops.matmul(x, self.kernel)

    def get_config(self) -> dict[str, Any]:
        return dict(super().get_config())


def rich_model() -> keras.Model:
    """Return a model with an adapted Normalization, a frozen layer, running statistics, and a head."""
    normalization = keras.layers.Normalization()
    normalization.adapt(X)
    inputs = keras.Input((4,))
    frozen = keras.layers.Dense(5, name="trunk", trainable=False)
    hidden = keras.layers.BatchNormalization(name="norm")(frozen(normalization(inputs)))
    return keras.Model(inputs, {"a": keras.layers.Dense(1, name="head")(keras.layers.Dropout(0.5)(hidden))})


def start(folder: Path, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return started(folder)


def test_only_what_fit_changes_begins_anew(tmp_path: Path) -> None:
    model = rich_model()
    model.get_layer("norm").moving_mean.assign(np.full(5, 3.0))
    save_start(model, tmp_path, (), X[:2])
    first, again, other = start(tmp_path, 1), start(tmp_path, 1), start(tmp_path, 2)
    np.testing.assert_allclose(first.layers[1].mean, X.mean(0, keepdims=True), rtol=1e-5)
    for each in (first, other):
        np.testing.assert_array_equal(each.get_layer("trunk").kernel, model.get_layer("trunk").kernel)
        assert each.get_layer("norm").moving_mean.numpy().tolist() == [0] * 5
        assert not each.get_layer("trunk").trainable
    np.testing.assert_array_equal(first.get_layer("head").kernel, again.get_layer("head").kernel)
    heads = [each.get_layer("head").kernel.numpy() for each in (model, first, other)]
    assert all((heads[i] != heads[j]).any() for i, j in ((0, 1), (0, 2), (1, 2)))


def test_layers_that_are_kept_and_whole_models_start_as_they_are(tmp_path: Path) -> None:
    model = rich_model()
    for name, kept in (("head", ("head",)), ("all", None)):
        folder = tmp_path / name
        folder.mkdir()
        save_start(model, folder, kept, X[:2])
        np.testing.assert_array_equal(start(folder, 1).get_layer("head").kernel, model.get_layer("head").kernel)


@pytest.mark.parametrize(
    ("arguments", "said"), [({"units": 7}, r"comes back with \(4, 3\)"), ({"scale": 5.0}, "gives other outputs")]
)
def test_a_layer_that_forgets_its_arguments_is_refused(tmp_path: Path, arguments: dict[str, Any], said: str) -> None:
    model = keras.Sequential([keras.Input((4,)), Widened(**arguments)])
    with pytest.raises(PreflightError, match=said) as refused:
        save_start(model, tmp_path, (), X[:2])
    assert "pass a function" in str(refused.value)


def test_a_class_of_the_users_is_found_again(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), Widened()])
    save_start(model, tmp_path, None, X[:2])
    np.testing.assert_allclose(started(tmp_path)(X[:2]), model(X[:2]))


def test_lambdas_find_what_they_read_and_keep_their_names(tmp_path: Path) -> None:
    """Keras saves the code of a lambda, and not the module that its `np` and `X` are in."""
    inputs = keras.Input((4,))
    shifted = keras.layers.Lambda(lambda x: x - np.float32(X.mean()), output_shape=(4,))
    hidden = keras.layers.Dense(3, activation=lambda x: np.float32(2) * keras.ops.tanh(x))
    model = keras.Model(inputs, keras.layers.Lambda(lambda x: x * np.float32(3), output_shape=(3,))(hidden(shifted(inputs))))
    save_start(model, tmp_path, None, X[:2])
    np.testing.assert_allclose(started(tmp_path)(X[:2]), model(X[:2]), rtol=1e-5)
    assert [shifted.function.__name__, hidden.activation.__name__] == ["<lambda>", "<lambda>"]


def test_a_vocabulary_comes_back(tmp_path: Path) -> None:
    words = np.array([[b"good film"], [b"bad film"]])
    reads = keras.layers.TextVectorization(output_sequence_length=2)
    reads.adapt(words)
    model = keras.Sequential([keras.Input((1,), dtype="string"), reads])
    save_start(model, tmp_path, (), words)
    np.testing.assert_array_equal(started(tmp_path)(words), [[3, 2], [4, 2]])  # by frequency, then from z to a


def test_a_model_that_cannot_be_saved_is_refused_with_keras_reason(tmp_path: Path) -> None:
    class Holding(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, held: Any) -> None:
            super().__init__()
            self.held = held

        def call(self, x: Any) -> Any:
            return x

    model = keras.Sequential([keras.Input((4,)), Holding(object())])
    with pytest.raises(PreflightError, match=r"must override `get_config\(\)`.*pass a function that builds"):
        save_start(model, tmp_path, None, X[:2])


def test_what_starts_anew_must_be_said_of_a_frozen_or_a_trained_model(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=r"frozen layers \(trunk\)"):
        kept_layers(rich_model(), None, by_function=False)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="head")])
    assert kept_layers(model, None, by_function=False) == ()
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], epochs=1, verbose=0)
    with pytest.raises(PreflightError, match="has been trained"):
        kept_layers(model, None, by_function=False)
    weights = model.get_weights()
    loaded = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="head")])
    loaded.set_weights(weights)
    with pytest.raises(PreflightError, match="'head' are not those of a new model"):
        save_start(loaded, tmp_path, (), X[:2], said=False)


def test_vectors_of_words_that_were_put_in_are_not_lost_unsaid(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(0, 0.4, (100, 5))  # a new Embedding draws from -0.05 to 0.05
    for number, given in enumerate((vectors, vectors + 3, None)):
        model = keras.Sequential([keras.Input((2,), dtype="int32"), keras.layers.Embedding(100, 5, name="words", weights=given)])
        folder = tmp_path / str(number)
        folder.mkdir()
        if given is None:
            save_start(model, folder, (), np.zeros((2, 2), "int32"), said=False)
            continue
        with pytest.raises(PreflightError, match="'words' are not those of a new model"):
            save_start(model, folder, (), np.zeros((2, 2), "int32"), said=False)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(PreflightError, match="a function that returns one, got a int"):
        example_model(3)
    with pytest.raises(PreflightError, match=r"should return a keras\.Model"):
        example_model(lambda: 3)
