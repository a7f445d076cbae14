"""The gradients of a step: of fixed totals, or of terms whose weights are found after the forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from search.training.engine.shared_layer import gradient_gram, gradient_norms
from search.training.problem.batch import Tensor


class Differentiated(NamedTuple):
    """A step of all settings before the optimizer: gradients by variable, the terms [K, terms], and the state after it.

    `sums` are what the terms are the quotients of, (total, weight) [K, terms, 2]. `assigned` are the new values of the trainable
    variables that layers assigned in their calls. Where they were asked for: `norms` [K, terms] and `gram` [K, terms, terms] are
    those of the terms' gradients by the shared layer, `weights` [K, terms] those that were found in the step.
    """

    gradients: list[Any]
    terms: Tensor
    sums: Tensor
    state: list[Tensor]
    assigned: list[Tensor]
    norms: Tensor | None = None
    gram: Tensor | None = None
    weights: Tensor | None = None


class Asked(NamedTuple):
    """What rules ask of a step beside its terms. `shared`: the places of the shared layer's variables.

    `weigh`: finds the weights [K, terms] after the forward pass, from (terms, sums, norms, gram) of all settings, or of the one at
    the place that is given last.
    """

    shared: Sequence[int] = ()
    norms: bool = False
    gram: bool = False
    weigh: Callable[..., Tensor] | None = None


NOTHING_ASKED = Asked()


def counted(terms: Tensor, given: Tensor) -> Tensor:
    """Return the terms, 0 for those that do not count, so that these have no gradient; of one setting or of K."""
    active = tf.reshape(tf.not_equal(given, 0), tf.shape(terms))
    return tf.where(active, terms, tf.zeros_like(terms))


def by_shared(
    tape: Any, terms: Sequence[Tensor], trainable: Sequence[Tensor], asked: Asked, size: int
) -> tuple[Tensor | None, Tensor | None]:
    """Return the norms and the Gram matrix of the terms' gradients by the shared layer, where they are asked for."""
    shared = [trainable[place] for place in asked.shared]
    norms = gradient_norms(tape, terms, shared, size) if asked.norms else None
    return norms, gradient_gram(tape, terms, shared, size) if asked.gram else None


def gradients(tape: Any, total: Tensor, of_rules: Tensor | None, weights: Tensor | None, trainable: Sequence[Tensor]) -> list[Any]:
    """Return the gradients of `total`, plus those of the terms `of_rules` times `weights` where these were found in the step."""
    if of_rules is None:
        found: list[Any] = tape.gradient(total, trainable)
    else:
        found = tape.gradient([total, of_rules], trainable, output_gradients=[tf.ones_like(total), weights])
    return found
