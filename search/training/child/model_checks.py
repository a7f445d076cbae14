"""Check that `build_model()` gives a new model each time, and that what its layers assign in their calls can be trained.

Everything here raises PreflightError.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from search.errors import PreflightError
from search.names import listed
from search.training.problem.keras_private import layers_of, own_variables, seed_generators
from search.training.problem.network import Network, Passed
from search.training.problem.problem import TrainingProblem
from search.training.problem.workload import LoadedWorkload

WAY_OUT = 'build new layers in build_model() and do not seed there, or set training.initial_weights to "fixed"'


def require_new_model(opened: LoadedWorkload) -> Network:
    """Return a model under another seed; refuse a `build_model()` whose models share trained weights, or all begin alike.

    A variable whose elements are all one number, such as a bias of zeros, begins alike in any case and says nothing. Only where
    nothing else is trained, as in a model that begins at 0, no seed could change the start, and it passes.
    """
    first, second = opened.example, opened.network(opened.example_seed + 1)
    _require_unshared(first, second)
    _require_same_form(first, second)
    pairs = [(one.numpy(), other.numpy()) for one, other in zip(first.trainable, second.trainable, strict=True)]
    drawn = [pair for pair in pairs if any(each.size and (each != each.flat[0]).any() for each in pair)]
    if drawn and all(np.array_equal(*pair) for pair in drawn):
        text = (
            "build_model() gives the same initial weights under every seed, so trainings on fresh seeds would differ by the order "
            f"of rows alone, and their intervals be too narrow: {WAY_OUT}"
        )
        raise _not_new(text)
    return second


def _require_unshared(first: Network, second: Network) -> None:
    if first.model is second.model:
        raise _not_new(f"build_model() returns the same model again, so one training would go on where another ended: {WAY_OUT}")
    known = {id(variable) for variable in first.trainable}
    shared = [variable for variable in second.trainable if id(variable) in known]
    if shared:
        names = listed(dict.fromkeys(_layer_of(second.model, variable) for variable in shared))
        text = (
            f"the models that build_model() returns share trained weights (of {names}), so training one changes the next: {WAY_OUT}"
        )
        raise _not_new(text)


def _require_same_form(first: Network, second: Network) -> None:
    forms = [[(tuple(each.shape), each.dtype) for each in network.variables] for network in (first, second)]
    if forms[0] != forms[1]:
        text = "build_model() returns another model when it is called again: other weights, or weights of other shapes or types"
        raise _not_new(text)


def _not_new(text: str) -> PreflightError:
    return PreflightError("not_a_new_model", text, "build_model")


def require_assignments_as_fit(problem: TrainingProblem) -> Passed:
    """Return what the example makes of the example rows in training.

    Refuse a layer that assigns trained weights in its call and then looks rows up in them: `fit` trains these rows alone.
    """
    network = problem.opened.example
    values = [tf.convert_to_tensor(variable.value) for variable in network.variables]
    trainable, state = values[: len(network.trainable)], values[len(network.trainable) :]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(trainable)
        passed = network(trainable, state, problem.example_rows().inputs, training=True)
        floats = [output for output in passed.outputs.values() if output.dtype.is_floating]
        total = tf.add_n([tf.zeros((), "float64"), *(tf.cast(tf.reduce_sum(output), "float64") for output in floats)])
    assigned = [place for place, value in enumerate(trainable) if passed.trainable[place] is not value]
    gradients = tape.gradient(total, [passed.trainable[place] for place in assigned])
    for place, gradient in zip(assigned, gradients, strict=True):
        if isinstance(gradient, tf.IndexedSlices):
            name = _layer_of(network.model, network.trainable[place])
            text = f"the weights of layer {name!r} are assigned in a call that then looks rows up in them, which is not supported"
            raise PreflightError(
                "assigns_trainable", f"{text}: leave out what assigns them, such as SpectralNormalization", "build_model"
            )
    return passed


def assigned_in_measuring(problem: TrainingProblem) -> Iterator[str]:
    """Warn of layers that assign weights in a call that does not train: `evaluate` goes on from batch to batch, a study does not.

    What random layers remember of their draws is left out.
    """
    network = problem.opened.example
    values = [tf.convert_to_tensor(variable.value) for variable in network.variables]
    trained = len(network.trainable)
    passed = network(values[:trained], values[trained:], problem.example_rows().inputs, training=False)
    seeds = {id(generator.state) for layer in layers_of(network.model) for generator in seed_generators(layer)}
    after = zip(network.variables[:-1], values, [*passed.trainable, *passed.state], strict=False)  # the last is the global seed
    changed = [variable for variable, before, value in after if value is not before and id(variable) not in seeds]
    if changed:
        names = listed(dict.fromkeys(_layer_of(network.model, variable) for variable in changed))
        yield (
            f"{names}: a call assigns weights where it does not train, too. A study measures each batch with the weights that "
            "training left, and evaluate goes on from batch to batch, so its numbers differ: assign only where `training` is true"
        )


def _layer_of(model: keras.Model, variable: Any) -> str:
    """Return the name of the layer that holds a variable; where none does, the variable's own."""
    held = (layer.name for layer in layers_of(model) if any(each is variable for each in own_variables(layer)))
    return str(next(held, variable.name))
