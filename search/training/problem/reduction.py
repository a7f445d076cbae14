"""From values and their weights to a mean: one reduction for terms, penalties and metrics.

A term is sum(values * weights) / sum(weights) over all positions that count, of a batch or of a whole epoch: Keras's reduction
`mean_with_sample_weight`, with both sums kept, so that an epoch's mean does not depend on how its rows fell into batches. Weights
are the product of row weights and mask; where there is neither, every value counts 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import keras
from keras import ops

from search.training.problem.batch import Tensor, row_means, shape_text


class RowValues(NamedTuple):
    """One value a row and its weight: both [batch]. The mean is sum(values * weights) / sum(weights) over all batches."""

    values: Tensor
    weights: Tensor


@dataclass(frozen=True)
class TermValue:
    """A term in a batch: `total` = sum(values * weights) and `weight` = sum(weights), both scalars.

    `rows` is the term row by row where a row has a value of its own, else None: a scalar result, a batch statistic.
    """

    total: Tensor
    weight: Tensor
    rows: RowValues | None = None

    @property
    def mean(self) -> Tensor:
        """Return total / weight, the term of this batch: 0 where nothing in it counts."""
        return ops.divide_no_nan(self.total, self.weight)


def of_batch(value: Tensor, rows: Tensor, weight: Tensor | None = None) -> TermValue:
    """Return a term that has one value for the whole batch of `rows` [batch, ...]: it weighs the rows.

    weight: [batch], of rows that count for it differently; their sum is what it weighs.
    """
    value = ops.mean(value) if len(value.shape) else value
    count = ops.cast(ops.shape(rows)[0], value.dtype) if weight is None else ops.sum(ops.cast(weight, value.dtype))
    return TermValue(value * count, count)


def of_values(
    path: str, values: Tensor, weight: Tensor | None = None, mask: Tensor | None = None, *, by_row: bool = False
) -> TermValue:
    """Return a term of `values` [batch, ...]; with its rows if `by_row`.

    weight: row weights [batch], or [batch, ...] with one for each value. mask: [batch, ...], of steps that count.
    Raises ValueError where these do not fit the values.
    """
    weights = weights_like(path, values, weight, mask)
    if weights is None:
        total, count = ops.sum(values), ops.cast(ops.size(values), values.dtype)
    else:
        total, count = ops.sum(values * weights), ops.sum(weights)
    return TermValue(total, count, _rows(values, weights) if by_row else None)


def _rows(values: Tensor, weights: Tensor | None) -> RowValues:
    """Return each row's mean, and its weight: that of its steps, 0 where none of them counts."""
    if weights is None:
        return RowValues(row_means(values), ops.ones_like(row_means(values)))
    steps = tuple(range(1, len(values.shape)))
    means = ops.divide_no_nan(row_means(values * weights), row_means(weights))
    return RowValues(means, ops.max(weights, axis=steps) if steps else weights)


def weights_like(path: str, values: Tensor, weight: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """Return the product of row weights and mask in the shape of `values`, None where there is neither.

    Of a mask with more axes than the values (they were reduced over its steps) a position counts if any of its steps does.
    """
    if mask is not None:
        mask = ops.cast(mask, "bool")
        while len(mask.shape) > len(values.shape):
            mask = ops.any(mask, axis=-1)
    parts = [_like(path, part, values) for part in (weight, mask) if part is not None]
    if not parts:
        return None
    return ops.broadcast_to(parts[0] if len(parts) == 1 else parts[0] * parts[1], ops.shape(values))


def _like(path: str, part: Tensor, values: Tensor) -> Tensor:
    """Return weights [batch, ...] with as many axes as `values`, in their dtype. Raises ValueError where they do not fit."""
    given = shape_text(part)
    part = ops.cast(part, values.dtype)
    while len(part.shape) > len(values.shape) and part.shape[-1] == 1:
        part = ops.squeeze(part, -1)
    while len(part.shape) < len(values.shape):
        part = ops.expand_dims(part, -1)
    fits = len(part.shape) == len(values.shape) and all(
        mine in (1, theirs, None) or theirs is None for mine, theirs in zip(part.shape[1:], values.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(f"{path} has values {shape_text(values)}, and the row weights or the mask are {given}: each needs one")
    return part


def weighted_rows(path: str, values: Tensor, weight: Tensor | None = None, mask: Tensor | None = None) -> RowValues:
    """Return the rows' weighted means and weights of `values` [batch, ...]; see `of_values`."""
    weights = weights_like(path, values, weight, mask)
    if weights is None:
        rows = row_means(values)
        return RowValues(rows, ops.ones_like(rows))
    means = row_means(weights)
    return RowValues(ops.divide_no_nan(row_means(values * weights), means), means)


def product(*parts: Tensor | None) -> Tensor | None:
    """Return the product of weights [batch, ...], those with fewer axes spread over the last ones of the others.

    None is no weight; so is the product of none.
    """
    given = [part for part in parts if part is not None]
    if not given:
        return None
    rank, dtype = max(len(part.shape) for part in given), keras.config.floatx()
    found = None
    for part in given:
        spread_out = ops.cast(part, dtype)
        while len(spread_out.shape) < rank:
            spread_out = ops.expand_dims(spread_out, -1)
        found = spread_out if found is None else found * spread_out
    return found


def all_of(labelled: Tensor | None, rank: int) -> Tensor | None:
    """Return which positions have all of their labels: booleans [batch, ...] with at most `rank` axes, of those with more."""
    if labelled is None:
        return None
    while len(labelled.shape) > max(rank, 1):
        labelled = ops.all(labelled, axis=-1)
    return labelled


def both(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Return the mask of what two masks both let count, None where there is neither."""
    if one is None or other is None:
        return other if one is None else one
    return ops.logical_and(ops.cast(one, "bool"), ops.cast(other, "bool"))


def spread(weight: Tensor, prediction: Tensor) -> Tensor:
    """Return row weights [batch] for every value of a metric over [batch, ..., classes]: [batch, ...].

    Keras multiplies [batch, height, width] by [batch] as if the last axis were the rows.
    """
    missing = len(prediction.shape) - 1 - len(weight.shape)
    if missing <= 0:
        return weight
    for _ in range(missing):
        weight = ops.expand_dims(weight, -1)
    return ops.broadcast_to(weight, ops.shape(prediction)[:-1])
