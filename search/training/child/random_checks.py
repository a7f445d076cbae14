"""Check that the same weights, rows and seeds give the same numbers: that nothing draws or remembers by a state of its own.

Everything here raises PreflightError. What only a gradient draws is found later, in the graphs that are traced: see
`LoadedWorkload.heed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from search.errors import PreflightError
from search.training.problem.batch import Tensor
from search.training.problem.keras_private import layers_of, wrapped_calls
from search.training.problem.network import Network, Passed
from search.training.problem.problem import TrainingProblem
from search.training.problem.random_kernels import draws, states, watching
from search.training.problem.terms import TermFunction
from search.training.problem.workload import unseeded

ROUNDING = 1e-4
"""How far, of the largest number, results of the same computation may lie apart."""


class _Drawn(NamedTuple):
    """`layer`: the innermost layer in whose call that was, "" outside of all; `by`: what was drawn by, as it is told."""

    layer: str
    by: str


@contextmanager
def _noticing(layers: Mapping[int, Any] | None = None) -> Iterator[list[_Drawn]]:
    """Note what draws by a state of TensorFlow's, Python's or NumPy's, and in which of the layers."""
    found: list[_Drawn] = []
    within, before = [""], states()

    def look() -> None:
        now = states()
        found.extend(_Drawn(within[-1], by) for by in now if now[by] != before[by])
        before.update(now)

    def wrap(place: int, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*given: Any, **named: Any) -> Any:
            look()
            within.append((layers or {})[place].name)
            try:
                return call(*given, **named)
            finally:
                look()
                within.pop()

        return watched

    def note(operation: str) -> None:
        if draws(operation):
            found.append(_Drawn(within[-1], f"tf.random ({operation})"))

    with wrapped_calls(layers or {}, wrap), watching(note):
        yield found
        look()


def require_repeatable_model(problem: TrainingProblem, trained: Passed, other: Network | None) -> None:
    """Refuse a model that gives other numbers from the same weights and seeds, or differs from another by what no variable holds.

    One graph serves the models of all seeds, and only their variables are exchanged. trained: what the example has made of the
    example rows in training. other: a model under another seed, None where all trainings begin from one model.
    """
    network = problem.opened.example
    again, measured = (_run(problem, network, network, training) for training in (True, False))
    if not _alike(trained, again):
        text = "the model gives other outputs from the same weights, rows and seeds: it draws or remembers by something else"
        way = "draw by a keras.random.SeedGenerator that a layer holds, and keep what changes in a weight"
        raise PreflightError("unseeded", f"{text}; {way}", "build_model")
    if other is not None and not all(_alike(each, _run(problem, other, network, each is again)) for each in (again, measured)):
        text = (
            "build_model() draws numbers that no variable of its model holds, so trainings under all seeds would have those of "
            "the first: models under two seeds give other outputs with the same weights. Keep what is drawn in a weight, by "
            'self.add_weight(..., trainable=False), or set training.initial_weights to "fixed"'
        )
        raise PreflightError("not_a_new_model", text, "build_model")


def _run(problem: TrainingProblem, network: Network, start: Network, training: bool) -> Passed:
    """Return what a network makes of the example rows from the variables of `start`; refuse a layer that is seen to draw."""
    values = [tf.convert_to_tensor(variable.value) for variable in start.variables]
    count = len(start.trainable)
    with _noticing(dict(enumerate(layers_of(network.model)))) as drawn:
        passed = network(values[:count], values[count:], problem.example_rows().inputs, training)
    if drawn:
        layer, by = drawn[0]
        raise unseeded(f"layer {layer!r}" if layer else "the model", by, "build_model")
    return passed


def require_repeatable_term(term: TermFunction, value: Callable[[], Tensor]) -> None:
    """Refuse a loss or penalty whose `value()` is another number each time, of the same outputs and seeds."""
    with _noticing() as drawn:
        first = value()
    if drawn:
        raise unseeded(term.path, drawn[0].by, term.at)
    if not _close(first, value()):
        text = f"{term.path} gives another number for the same outputs: it draws or remembers by something else"
        raise PreflightError("unseeded", f"{text}; draw by keras.random without a seed", term.at)


def _alike(one: Passed, other: Passed) -> bool:
    pairs = [*((value, other.outputs[name]) for name, value in one.outputs.items()), *zip(one.losses, other.losses, strict=True)]
    pairs += zip(one.state, other.state, strict=True)
    return all(_close(*pair) for pair in pairs)


def _close(one: Any, other: Any) -> bool:
    first, second = np.asarray(keras.ops.convert_to_numpy(one)), np.asarray(keras.ops.convert_to_numpy(other))
    if first.dtype.kind != "f":
        return np.array_equal(first, second)
    scale = float(np.max(np.abs(first), initial=0.0, where=np.isfinite(first)))
    return first.shape == second.shape and np.allclose(first, second, rtol=0, atol=ROUNDING * scale, equal_nan=True)
