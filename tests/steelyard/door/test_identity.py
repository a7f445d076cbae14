"""The same call is the same study: names that Keras counts up do not matter, and what is trained does."""

from __future__ import annotations

import numpy as np

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
