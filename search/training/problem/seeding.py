"""What a seed means: the initial weights, and the order of rows in every epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from search.training.problem.keras_private import global_generator
from search.training.problem.random_kernels import set_seed_of_no_kernel


def build_under(seed: int, build_model: Callable[[], Any], *, kernels_draw: bool = True) -> tuple[Any, Any]:
    """Return a new model made under `seed`, and the generator that `keras.random` uses from then on where it is given no seed.

    `kernels_draw`: whether a kernel may draw by a state of its own; False keeps all compiled graphs: see `random_kernels`.
    """
    (keras.utils.set_random_seed if kernels_draw else set_seed_of_no_kernel)(seed)
    model = build_model()
    return model, global_generator()


def epoch_order(seed: int, epoch: int, count: int, stream: int = 0, *, shuffle: bool = True) -> NDArray[np.int32]:
    """Return the order in which epoch `epoch` (from 0) takes `count` rows. Extra point sets have `stream` 1, 2, ...

    shuffle: False for rows as they come, in every epoch and under every seed.
    """
    if not shuffle:
        return np.arange(count, dtype=np.int32)
    key = [seed, epoch] if stream == 0 else [seed, epoch, stream]
    return np.random.default_rng(key).permutation(count).astype(np.int32)
