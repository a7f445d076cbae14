"""Keras optimizers some of whose numbers are one a setting: K settings in one stack, each with a learning rate of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import MappingProxyType
from typing import Any

import tensorflow as tf

from search.training.problem.batch import Tensor, Tensors
from search.training.problem.keras_private import OptimizerHooks

RATE = "learning_rate"


class _PerSetting(OptimizerHooks):
    """Mixed into a Keras optimizer. `take` gives its searched numbers before each step.

    Keras's own update is done with a number for each element of a variable in place of one for all, so it is exact for every
    optimizer whose update is elementwise, linear in the number or not.
    """

    _taken: Tensors
    _spread: Tensors = MappingProxyType({})

    def take(self, numbers: Tensors) -> None:
        """Set the searched numbers by argument: [K] for variables stacked [K, ...] or [K * rows, ...], or scalars."""
        object.__setattr__(self, "_taken", numbers)  # past the tracking of attributes, which wraps dicts

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        with self._spread_over(variable):
            super().update_step(gradient, variable, self._spread.get(RATE, learning_rate))  # type: ignore[misc]

    def decay(self, variables: Any, keras_decay: Callable[[Any], None]) -> None:
        for variable in variables:
            with self._spread_over(variable):
                keras_decay([variable])

    def current_rate(self, keras_rate: Callable[[], Any]) -> Any:
        return self._spread[RATE] if RATE in self._spread else keras_rate()

    @contextmanager
    def _spread_over(self, variable: Any) -> Iterator[None]:
        """Let the searched numbers be those of each element of `variable`."""
        spread = {name: spread_over(number, variable.shape) for name, number in self._taken.items()}
        # Keras casts a decay that is a Python float through float32, whatever the variable's type: so does `fit`.
        others = {name: tf.cast(value, "float32") for name, value in spread.items() if name != RATE}
        attributes = {"_spread": spread, **others}
        before = {name: getattr(self, name) for name in attributes}
        for name, value in attributes.items():
            object.__setattr__(self, name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                object.__setattr__(self, name, value)


def spread_over(number: Tensor, shape: Any) -> Tensor:
    """Return settings' numbers [K] in a form that meets a variable of `shape`, [K, ...] or [K * rows, ...], element by element.

    That is [K, 1, ...], or [K * rows, 1, ...]; a scalar stays one. Its first axis is as long as the variable's, because Keras takes
    the rows of a gradient by rows (`tf.IndexedSlices`) out of it.
    """
    if len(number.shape) == 0:
        return number
    rows = int(shape[0]) // int(number.shape[0])
    return tf.reshape(tf.repeat(number, rows) if rows > 1 else number, [-1, *[1] * (len(shape) - 1)])


@cache
def per_setting(kind: type) -> type:
    """Return the subclass of a Keras optimizer's class that takes numbers for each setting."""
    return type(kind.__name__, (_PerSetting, kind), {})


def set_hyperparameters(optimizer: Any, numbers: Mapping[str, Tensor]) -> None:
    """Give an optimizer its searched numbers for the next step; where none is searched, it is Keras's own and takes none."""
    if numbers:
        optimizer.take(numbers)
