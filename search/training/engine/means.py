"""Means over rows, of what a stack summed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def quotients(sums: NDArray[np.float64], unseen: float = math.nan) -> list[NDArray[np.float64] | None]:
    """Return total / weight [K] of each of (total, weight) [K, n, 2]; None where nothing counts for any setting.

    `unseen` stands for 0 / 0: of a setting which nothing counted for where something did for another.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where((sums == 0).all(axis=-1), unseen, sums[..., 0] / sums[..., 1])
    return [found[:, i] if sums[:, i, 1].any() else None for i in range(sums.shape[1])]
