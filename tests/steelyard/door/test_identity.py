"""The same call is the same study: names that Keras counts up do not matter, and what is trained does."""

from __future__ import annotations

import functools
import importlib.util
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelyard.door.identity import changed_parts, digest_of, study_name, without_counts


def scaled(factor: float) -> object:
    def loss(y_true: object, y_pred: object) -> object:
        return factor

    return loss


def test_a_function_is_its_source_and_what_it_closes_over() -> None:
    assert digest_of(scaled(1.0)) == digest_of(scaled(1.0))
    assert digest_of(scaled(1.0)) != digest_of(scaled(2.0))


def test_arrays_are_their_bytes_shapes_and_types() -> None:
    x = np.arange(6)
    assert digest_of(x) == digest_of(x.copy())
    assert len({digest_of(each) for each in (x, x + 1, x.reshape(2, 3), x.astype(float))}) == 4


def test_a_dict_is_the_same_in_any_order() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


def test_names_that_keras_counts_up_are_the_same_in_a_cell_that_runs_twice() -> None:
    first = {"name": "dense_3", "inbound": [["dense_3", 0], ["input_layer_1", 0]], "layers": ["dense_4", "mine_4"]}
    second = {"name": "dense_6", "inbound": [["dense_6", 0], ["input_layer_2", 0]], "layers": ["dense_7", "mine_4"]}
    assert without_counts(first, ["dense"]) == without_counts(second, ["dense"])


def test_what_is_connected_with_what_still_counts() -> None:
    first = without_counts(["dense_1", "dense_2", "dense_1"], ["dense"])
    assert first != without_counts(["dense_1", "dense_2", "dense_2"], ["dense"])
    assert first == without_counts(["dense", "dense_1", "dense"], ["dense"])


def test_a_study_is_named_for_its_outputs() -> None:
    name = study_name(["topic", "a b/c"], {"model": "1"})
    assert name.startswith("topic-a-b-c-")
    assert name != study_name(["topic", "a b/c"], {"model": "2"})


def test_the_parts_that_changed_are_named() -> None:
    assert changed_parts({"model": "1", "data": "1"}, {"model": "1", "data": "2"}) == ["data"]


# What a function of the user's reads


def made(text: str, **names: object) -> Any:
    """Return the function `f` of a text that has no file, as one typed into a prompt."""
    scope: dict[str, Any] = {"__name__": "__main__", **names}
    exec(text, scope)
    return scope["f"]


@pytest.fixture
def helpers(tmp_path: Path) -> types.ModuleType:
    """A module of the user's."""
    (tmp_path / "helpers.py").write_text("GAMMA = 1.0\nclass Sub:\n    DELTA = 1.0\n")
    spec = importlib.util.spec_from_file_location("helpers", tmp_path / "helpers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "text", ["f = lambda y: helpers.GAMMA * y", "def f(y):\n    def inner():\n        return helpers.GAMMA\n    return inner() * y"]
)
def test_what_a_function_reads_of_a_module_of_the_users_counts(helpers: Any, text: str) -> None:
    before = digest_of(made(text, helpers=helpers))
    assert digest_of(made(text, helpers=helpers)) == before
    helpers.GAMMA = 2.0
    assert digest_of(made(text, helpers=helpers)) != before


def test_what_a_function_does_not_read_of_a_module_does_not_count(helpers: Any) -> None:
    before = digest_of(made("f = lambda y: helpers.GAMMA * y", helpers=helpers))
    helpers.OTHER = 3.0
    assert digest_of(made("f = lambda y: helpers.GAMMA * y", helpers=helpers)) == before


def test_a_global_that_an_inner_function_reads_counts() -> None:
    text = "def f(y):\n    def inner():\n        return SCALE\n    return inner() * y"
    assert digest_of(made(text, SCALE=1.0)) != digest_of(made(text, SCALE=2.0))


def test_a_number_in_a_function_without_source_counts() -> None:
    assert digest_of(made("f = lambda y: 2 * y")) != digest_of(made("f = lambda y: 3 * y"))


def test_a_global_that_a_method_reads_counts() -> None:
    text = "class f:\n    def call(self, y):\n        return SCALE * y"
    assert digest_of(made(text, SCALE=1.0)) != digest_of(made(text, SCALE=2.0))


def test_the_arguments_of_a_partial_count() -> None:
    function = made("def f(y, scale):\n    return scale * y")
    assert digest_of(functools.partial(function, scale=1.0)) != digest_of(functools.partial(function, scale=2.0))
    assert digest_of(functools.partial(function, scale=1.0)) == digest_of(functools.partial(function, scale=1.0))


def test_attributes_in_slots_count() -> None:
    class Slotted:
        __slots__ = ("scale",)

        def __init__(self, scale: float) -> None:
            self.scale = scale

    assert digest_of(Slotted(1.0)) != digest_of(Slotted(2.0))
    assert digest_of(Slotted(1.0)) == digest_of(Slotted(1.0))


def test_functions_that_call_each_other_end() -> None:
    text = "def f(n):\n    return g(n)\ndef g(n):\n    return f(n - 1) if n else 0"
    assert digest_of(made(text)) == digest_of(made(text))


def test_an_object_in_a_config_counts_without_its_address() -> None:
    class Inner:
        def __init__(self, scale: float) -> None:
            self.scale = scale

    class Configured:
        def __init__(self, scale: float) -> None:
            self.inner = Inner(scale)

        def get_config(self) -> dict[str, object]:
            return {"inner": self.inner}

    assert digest_of(Configured(1.0)) == digest_of(Configured(1.0))
    assert digest_of(Configured(1.0)) != digest_of(Configured(2.0))


class Teacher:
    """What a loss may read: a layer as Keras has them."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def get_config(self) -> dict[str, object]:
        return {"units": 1}

    def get_weights(self) -> list[float]:
        return [self.weight]


def test_the_weights_of_a_teacher_count() -> None:
    text = "f = lambda y: teacher(y)"
    assert digest_of(made(text, teacher=Teacher(1.0))) == digest_of(made(text, teacher=Teacher(1.0)))
    assert digest_of(made(text, teacher=Teacher(1.0))) != digest_of(made(text, teacher=Teacher(2.0)))


def test_the_calls_own_model_in_a_function_does_not_count() -> None:
    one, other = Teacher(1.0), Teacher(2.0)
    text = "f = lambda y: model(y)"
    assert digest_of(made(text, model=one), known=[one]) == digest_of(made(text, model=other), known=[other])


def test_the_words_of_a_lookup_count() -> None:
    import keras

    def closing_over(words: list[str]) -> Any:
        lookup = keras.layers.StringLookup()
        lookup.adapt(words)
        return lambda x: lookup(x)

    assert digest_of(closing_over(["a", "b"])) == digest_of(closing_over(["a", "b"]))
    assert digest_of(closing_over(["a", "b"])) != digest_of(closing_over(["a", "c"]))
