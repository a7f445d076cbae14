"""The built-in penalties, zero when satisfied. Their names, parameters and defaults stand in `search.catalog.penalties`.

Sides a and b are float tensors of equal shape [batch, ..., features]. A penalty with rows returns one value a row, or one a step of
a row, [batch, ...], whose mean under row weights and masks is the term; the share of rows above `tolerance` is its `violations`. A
batch statistic returns a scalar and depends on the batch size.
"""

from __future__ import annotations

from keras import ops

from search.training.problem.batch import Tensor, shape_text, with_mask_of
from search.training.problem.views import reduced

_TINY = 1e-12  # keeps logarithms and square roots, and their gradients, finite


def consistency(a: Tensor, b: Tensor, form: str = "absolute") -> Tensor:
    """Return how far two predictions of one thing differ: [batch, ...].

    absolute: mean |a - b| over the features; squared: mean (a - b)^2; jensen_shannon: the Jensen-Shannon divergence of the two
    distributions on the last axis, in nats, at most log 2 (Lin, 1991, "Divergence measures based on the Shannon entropy"); a last
    axis of width 1 is read as the distribution (a, 1 - a).
    """
    _require_equal_shapes("consistency", a, b)
    if form == "jensen_shannon":
        return _jensen_shannon(a, b)
    return feature_means(ops.square(a - b) if form == "squared" else ops.abs(a - b))


def _jensen_shannon(a: Tensor, b: Tensor) -> Tensor:
    if a.shape[-1] == 1:
        a, b = (ops.concatenate([p, 1 - p], axis=-1) for p in (a, b))
    middle = ops.maximum((a + b) / 2, _TINY)
    parts = (p * (ops.log(ops.maximum(p, _TINY)) - ops.log(middle)) for p in (a, b))
    return sum(ops.sum(part, axis=-1) for part in parts) / 2


def implication(a: Tensor, b: Tensor) -> Tensor:
    """Return by how much "a implies b" is broken: mean relu(a - b) over the features, [batch, ...].

    The probability of a may not exceed that of what it implies.
    """
    _require_equal_shapes("implication", a, b)
    return feature_means(ops.relu(a - b))


def hierarchy(a: Tensor, b: Tensor, reduce: str = "max") -> Tensor:
    """Return how far the parts a, taken together, differ from the whole b, a row: mean |reduce(a) - b|, [batch].

    a is [batch, ..., features]; `reduce` takes all axes but the first and the last together (`views.reduced` has the formulas, and
    leaves masked steps out), and b is [batch, features].
    """
    whole = reduced(a, reduce)
    _require_equal_shapes("hierarchy", whole, b)
    return with_mask_of(whole, feature_means(ops.abs(whole - b)))


def covariance(a: Tensor, b: Tensor, sign: int = 1, at_least: float = 0.0, weights: Tensor | None = None) -> Tensor:
    """Return the mean over features of relu(at_least - sign * cov(a, b)), a scalar.

    cov is the mean of (a - mean a)(b - mean b) over the rows of the batch (divided by n, not n - 1): a batch statistic, so it
    depends on the batch size, and is 0 for a batch of one row. All means are under `weights` ([batch, ...], as many axes as a),
    where they are given.
    """
    _require_equal_shapes("covariance", a, b)
    return ops.mean(ops.relu(at_least - sign * _covariances(a, b, weights)))


def correlation(a: Tensor, b: Tensor, at_least: float = 0.0, weights: Tensor | None = None) -> Tensor:
    """Return the mean over features of relu(at_least - corr(a, b)), a scalar.

    corr is Pearson's correlation over the rows of the batch: a batch statistic, so it depends on the batch size. A feature that is
    constant in the batch has correlation 0. `weights` are as for `covariance`.
    """
    _require_equal_shapes("correlation", a, b)
    spread = ops.sqrt(_covariances(a, a, weights) + _TINY) * ops.sqrt(_covariances(b, b, weights) + _TINY)
    return ops.mean(ops.relu(at_least - _covariances(a, b, weights) / spread))


def _covariances(a: Tensor, b: Tensor, weights: Tensor | None) -> Tensor:
    """Return the covariance of each feature over the rows: [batch, ...] -> [...]."""

    def mean(values: Tensor) -> Tensor:
        if weights is None:
            return ops.mean(values, axis=0)
        return ops.divide_no_nan(ops.sum(values * weights, axis=0), ops.sum(ops.broadcast_to(weights, ops.shape(values)), axis=0))

    return mean((a - mean(a)) * (b - mean(b)))


def feature_means(values: Tensor) -> Tensor:
    """Return the mean over the last axis: [batch, ..., features] -> [batch, ...]; [batch] stays."""
    return values if len(values.shape) <= 1 else ops.mean(values, axis=-1)


def _require_equal_shapes(name: str, a: Tensor, b: Tensor) -> None:
    """Refuse what Keras would broadcast: [batch] against [batch, 1] becomes [batch, batch] in silence."""
    if len(a.shape) != len(b.shape) or a.shape[1:] != b.shape[1:]:
        raise ValueError(f"{name} compares two sides of equal shape, got {shape_text(a)} against {shape_text(b)}")
