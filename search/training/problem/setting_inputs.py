"""The numbers in which the settings of a cohort differ, as the graphs take them: tensors, so that one trace serves all settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from search.training.problem.batch import Tensor


class SettingInputs(NamedTuple):
    """What each setting sets otherwise: every field is [K, ...] outside of the map over settings, and [...] inside of it.

    `weights`: of the terms, [K, terms]. `arguments`: numbers beside weights that are searched, [K, arguments] in the order of the
    problem's; mostly none.
    """

    weights: Tensor
    arguments: Tensor

    def of(self, place: int) -> SettingInputs:
        """Return those of one setting, without the axis of settings."""
        return SettingInputs(*(each[place] for each in self))


def equal_knobs(size: int, terms: int, arguments: Sequence[float] = ()) -> SettingInputs:
    """Return the knobs of `size` settings in which every term counts 1 and arguments are as given: for traces and timings."""
    floatx = keras.config.floatx()
    return SettingInputs(tf.ones((size, terms), floatx), tf.constant([list(arguments)] * size, floatx, (size, len(arguments))))
