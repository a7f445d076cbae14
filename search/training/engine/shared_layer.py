"""The layer that a problem's losses share last, and how strongly each term pulls at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import tensorflow as tf

from search.errors import PreflightError
from search.training.problem.batch import Tensor
from search.training.problem.keras_private import layers_of, trainables_of
from search.training.problem.network import Network
from search.training.problem.problem import TrainingProblem
from search.training.problem.step import training_batch

_known: WeakKeyDictionary[TrainingProblem, tuple[int, ...]] = WeakKeyDictionary()


def shared_places(problem: TrainingProblem, network: Network) -> tuple[int, ...]:
    """Return the places, among the network's trainable variables, of those of the last layer that every loss's gradient reaches.

    Last in the model's own order of layers: from inputs to outputs in a functional model, the order in which a subclassed one
    names them. Penalties are not asked: they belong to no task. Found once a problem.
    Raises PreflightError where the losses share none.
    """
    if problem not in _known:
        _known[problem] = _found(problem, network)
    return _known[problem]


def _found(problem: TrainingProblem, network: Network) -> tuple[int, ...]:
    reached = _reached_by_all(problem, network)
    if not reached:
        text = "the rule weighs by the gradients of a layer that all losses share, and this model has none that is trained"
        raise PreflightError("no_shared_layer", text, "search.baselines")
    last = network.trainable[max(reached)]
    for layer in layers_of(network.model):
        own = {id(variable) for variable in trainables_of(layer)}
        if id(last) in own:
            return tuple(place for place in reached if id(network.trainable[place]) in own)
    return (max(reached),)  # a variable of no layer


def _reached_by_all(problem: TrainingProblem, network: Network) -> list[int]:
    """Return the places of the trainable variables that the gradient of every loss reaches, found on a few rows."""
    values = [tf.convert_to_tensor(variable.value) for variable in network.variables]
    trainable, state = values[: len(network.trainable)], values[len(network.trainable) :]
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(trainable)
        batch, passed = training_batch(problem, network, problem.example_rows(), trainable, state)
        with network.read(passed):
            losses = [term(batch) for term in problem.terms if term.kind == "loss"]
    gradients = [tape.gradient(loss, trainable) for loss in losses]
    return [place for place in range(len(trainable)) if all(each[place] is not None for each in gradients)]


def gradient_norms(tape: Any, terms: Sequence[Tensor], shared: Sequence[Tensor], size: int) -> Tensor:
    """Return the Euclidean norms of the terms' gradients by `shared`, of `size` settings that share nothing: [size, terms].

    A term is a scalar: the sum over the settings, whose gradients by their own variables are their own.
    """
    return tf.stack([_norm(tape.gradient(term, shared), size) for term in terms], axis=1)


def gradient_gram(tape: Any, terms: Sequence[Tensor], shared: Sequence[Tensor], size: int) -> Tensor:
    """Return the Gram matrix of the terms' gradients by `shared`, [size, terms, terms]; see `gradient_norms`."""
    flat = tf.stack([_flat(tape.gradient(term, shared), shared, size) for term in terms], axis=1)
    return tf.matmul(flat, flat, transpose_b=True)


def _flat(gradients: Sequence[Any], shared: Sequence[Tensor], size: int) -> Tensor:
    """Return the gradients side by side, [size, numbers]; 0 by what a term does not depend on."""
    given = [tf.zeros_like(by) if each is None else tf.convert_to_tensor(each) for each, by in zip(gradients, shared, strict=True)]
    return tf.concat([tf.reshape(each, [size, -1]) for each in given], axis=1)


def _norm(gradients: Sequence[Any], size: int) -> Tensor:
    given = [tf.reshape(tf.convert_to_tensor(each), [size, -1]) for each in gradients if each is not None]
    return tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(each), axis=1) for each in given])) if given else tf.zeros(size)
