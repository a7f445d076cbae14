"""A dataset is read once where two passes give the same rows, and refused where they do not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from steelyard.door import streams
from steelyard.door.streams import EachPass, is_stream, read_stream
from steelyard.errors import ValidationError

X = np.arange(10.0).reshape(5, 2)


def batches() -> Iterator[Any]:
    for rows in (slice(0, 2), slice(2, 4), slice(4, 5)):
        yield X[rows], {"a": X[rows, 0]}


def test_a_loader_is_read_into_arrays_in_its_order() -> None:
    found = read_stream(EachPass(batches), "x")
    np.testing.assert_array_equal(found.x, X)
    np.testing.assert_array_equal(found.y["a"], X[:, 0])
    assert (found.batch_size, found.sample_weight) == (2, None)


def test_a_loader_that_shuffles_gives_the_same_rows_each_time() -> None:
    random = np.random.default_rng(0)

    def shuffled() -> Iterator[Any]:
        order = random.permutation(5)
        yield X[order], X[order, 0]

    first, second = (read_stream(EachPass(shuffled), "x") for _ in range(2))
    np.testing.assert_array_equal(first.x, second.x)
    np.testing.assert_array_equal(np.sort(first.x[:, 0]), X[:, 0])
    np.testing.assert_array_equal(first.y, first.x[:, 0])


def test_rows_that_change_from_pass_to_pass_are_refused() -> None:
    random = np.random.default_rng(0)
    with pytest.raises(ValidationError, match="streams come later"):
        read_stream(EachPass(lambda: iter([(X + random.normal(size=X.shape), X)])), "x")


def test_more_than_memory_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "free_memory", lambda: 200.0)
    with pytest.raises(ValidationError, match="a quarter of the free memory"):
        read_stream(EachPass(batches), "x")


def test_a_generator_is_refused_since_it_can_be_read_once() -> None:
    with pytest.raises(ValidationError, match="pass the function that makes it"):
        is_stream(batches())


def test_arrays_are_no_stream() -> None:
    assert not is_stream(X)
    assert not is_stream({"a": X})
    assert not is_stream(None)


class Loader:
    """A loader of the user's: no class of a framework's, whose tensors know `detach` and `cpu` as those of torch do."""

    class Tensor:
        def __init__(self, values: Any) -> None:
            self.values = values

        def detach(self) -> Any:
            return self

        def cpu(self) -> Any:
            return self.values

    def __iter__(self) -> Iterator[Any]:
        for x, y in batches():
            yield [self.Tensor(x), {"a": self.Tensor(y["a"])}]


def test_any_loader_that_can_be_gone_through_twice_is_read() -> None:
    assert is_stream(Loader())
    found = read_stream(Loader(), "x")
    np.testing.assert_array_equal(found.x, X)
    np.testing.assert_array_equal(found.y["a"], X[:, 0])
    assert (found.shuffled, found.even) == (False, True)


def repeated() -> Iterator[Any]:
    while True:
        yield from batches()


def test_of_a_dataset_that_repeats_one_epoch_is_read() -> None:
    found = read_stream(EachPass(repeated), "x", steps=3)
    np.testing.assert_array_equal(found.x, X)
    np.testing.assert_array_equal(found.y["a"], X[:, 0])


def straddling() -> Iterator[Any]:
    """Repeat five rows in batches of two: every other batch begins a pass in its middle."""
    pairs = itertools.cycle(range(5))
    while True:
        rows = [next(pairs), next(pairs)]
        yield X[rows], X[rows, 0]


def shuffling() -> Iterator[Any]:
    random = np.random.default_rng(0)
    while True:
        order = random.permutation(5)
        for rows in (order[:2], order[2:4], order[4:]):
            yield X[rows], X[rows, 0]


def test_equal_rows_of_one_pass_are_no_second_pass() -> None:
    pairs = np.repeat(X, 2, axis=0)
    found = read_stream(EachPass(lambda: iter([(pairs[:4], pairs[:4]), (pairs[4:], pairs[4:])] * 9)), "x", steps=2)
    np.testing.assert_array_equal(found.x, pairs)


def test_text_is_compared_by_value(rows_of_text: Any) -> None:
    found = read_stream(rows_of_text, "x")
    assert [bytes(each) for each in found.x.ravel()] == [b"good", b"a longer text", b"bad"]
    assert (found.shuffled, found.batch_size) == (False, 2)


@pytest.fixture(params=[(3,), (3, 1)])
def rows_of_text(request: pytest.FixtureRequest) -> Any:
    import tensorflow as tf

    text = np.array(["good", "a longer text", "bad"]).reshape(request.param)
    return tf.data.Dataset.from_tensor_slices((text, X[:3])).batch(2)


def test_text_that_shuffles_or_is_padded_otherwise_is_the_same_text() -> None:
    """An array of strings is as wide as its longest: that of a batch."""
    text, orders = np.array(["good", "a longer text", "bad"]), itertools.cycle([[0, 2, 1], [1, 0, 2]])

    def batches() -> Iterator[Any]:
        order = next(orders)
        for rows in (order[:2], order[2:]):
            yield np.array(text[rows].tolist()), X[rows]

    found = read_stream(EachPass(batches), "x")
    assert found.shuffled
    assert sorted(found.x.tolist()) == sorted(text.tolist())


def test_text_takes_the_memory_of_its_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "free_memory", lambda: 4 * 10_000.0)
    text = np.array([b"a" * 9000, b"b" * 9000], dtype=object)
    with pytest.raises(ValidationError, match="a quarter of the free memory"):
        read_stream(EachPass(lambda: iter([(text, X[:2])])), "x")


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("x", r"or say how many batches hold each row once \(steps_per_epoch\)"),
        ("validation_data", r"or say how many batches hold each row once \(validation_steps\)"),
        ("test_data", r"pass it without repeat\(\)$"),
    ],
)
def test_a_dataset_that_never_ends_names_the_option_that_applies(at: str, said: str) -> None:
    import tensorflow as tf

    with pytest.raises(ValidationError, match=said):
        read_stream(tf.data.Dataset.from_tensor_slices((X, X)).batch(2).repeat(), at)


@pytest.mark.parametrize(
    ("rows", "steps", "said"),
    [
        (repeated, 2, "its first 2 batches and the next 2 give other rows"),
        (batches, 2, "its first 2 batches and the next 1 give other rows"),
        (batches, 4, "it has 3 batches, and 4 were said"),
        (repeated, 6, "each row comes 2 times in 6 batches: say steps_per_epoch=3"),
        (straddling, 5, "each row comes 2 times in 5 batches: batch the rows before repeat"),
        (shuffling, 9, "each row comes 3 times in 9 batches: say steps_per_epoch=3"),
    ],
)
def test_steps_that_leave_rows_out_or_count_some_twice_are_refused(rows: Any, steps: int, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        read_stream(EachPass(rows), "x", steps=steps)


def test_batches_of_different_sizes_are_seen() -> None:
    found = read_stream(EachPass(lambda: iter([(X[:1], X[:1]), (X[1:], X[1:])])), "x")
    assert (found.batch_size, found.even) == (1, False)


@pytest.mark.parametrize("batch", [(1.0, 2.0), (X, X[:3]), ({}, X)])
def test_batches_without_rows_are_refused(batch: Any) -> None:
    with pytest.raises(ValidationError, match="a batch should be"):
        read_stream(EachPass(lambda: iter([batch])), "x")
