"""Check that the same weights, rows and seeds give the same numbers: that nothing draws or remembers by anything else.

Everything here raises PreflightError. What only a gradient draws is found later, in the graphs that are traced: see
`LoadedWorkload.heed`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from search.errors import PreflightError
from search.names import listed
from search.training.problem.batch import Tensor
from search.training.problem.keras_private import is_seed_state, layers_of, wrapped_calls
from search.training.problem.network import Network, Passed
from search.training.problem.problem import TrainingProblem
from search.training.problem.random_kernels import ASSIGNS, draws, states, watching, within
from search.training.problem.workload import unseeded

ROUNDING = 64
"""How far results of the same computation may lie apart: so many times the precision of their type, of the largest number."""

PRECISION = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
"""The distance of 1 to the next number, of types that NumPy or its `finfo` may not know."""


class _Noticed(NamedTuple):
    """`layer`: the innermost layer in whose call that was, "" outside of all; `what`: what was done by what, as it is told."""

    layer: str
    what: str


@contextmanager
def _noticing(layers: Mapping[int, Any] | None = None, *, assigns: bool = True) -> Iterator[list[_Noticed]]:
    """Note what draws by a state of TensorFlow's, Python's or NumPy's, or assigns a `tf.Variable`, and in which layer."""
    found: list[_Noticed] = []
    inside, before = [""], states()

    def look() -> None:
        now = states()
        found.extend(_Noticed(inside[-1], f"draws by {by}") for by in now if now[by] != before[by])
        before.update(now)

    def wrap(place: int, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def watched(*given: Any, **named: Any) -> Any:
            look()
            inside.append((layers or {})[place].name)
            try:
                return call(*given, **named)
            finally:
                look()
                inside.pop()

        return watched

    def note(operation: str) -> None:
        for kind in within(operation):
            if draws(kind):
                found.append(_Noticed(inside[-1], f"draws by tf.random ({kind})"))
            elif assigns and ASSIGNS.fullmatch(kind):
                found.append(_Noticed(inside[-1], f"assigns a tf.Variable ({kind})"))

    with wrapped_calls(layers or {}, wrap), watching(note):
        yield found
        look()


def require_repeatable_model(problem: TrainingProblem, trained: Passed, other: Network | None) -> None:
    """Refuse a model that gives other numbers from the same weights and seeds, or differs from another by what no variable holds.

    One graph serves the models of all seeds, and only their variables are exchanged. trained: what the example has made of the
    example rows in training. other: a model under another seed, None where all trainings begin from one model.
    """
    network = problem.opened.example
    passes = {True: trained, False: _run(problem, network, network, training=False)}
    for training, first in passes.items():
        _require_alike("the model", "build_model", _numbers(first), _numbers(_run(problem, network, network, training)))
    foreign = [*network.foreign.values()]  # of both: what training keeps is often read by measuring alone
    for training, first in passes.items():
        if foreign:
            with _changed(foreign):
                changed = _run(problem, network, network, training)
            _require_unread("the model", "build_model", foreign, _numbers(first), _numbers(changed))
        if other is not None and not _alike(_numbers(first), _numbers(_run(problem, other, network, training))):
            text = (
                "models that build_model() makes under two seeds give other outputs with the same weights: they differ by what no "
                "variable holds, and trainings under all seeds would have that of the first. Keep what build_model() draws in a "
                'weight, self.add_weight(..., trainable=False), or set training.initial_weights to "fixed"'
            )
            raise PreflightError("not_a_new_model", text, "build_model")


def _run(problem: TrainingProblem, network: Network, start: Network, training: bool) -> Passed:
    """Return what a network makes of the example rows from the variables of `start`; refuse a layer that is seen to draw."""
    values = [tf.convert_to_tensor(variable.value) for variable in start.variables]
    count = len(start.trainable)
    with _noticing(dict(enumerate(layers_of(network.model)))) as noticed:
        passed = network(values[:count], values[count:], problem.example_rows().inputs, training)
    for layer, what in noticed:
        raise unseeded(f"layer {layer!r}" if layer else "the model", what, "build_model")
    return passed


def _numbers(passed: Passed) -> dict[str, Tensor]:
    """Return all that a pass gives, by name."""
    outputs = {f"output {name}": output for name, output in passed.outputs.items()}
    losses = {f"loss {place}": loss for place, loss in enumerate(passed.losses)}
    return outputs | losses | {f"state {place}": state for place, state in enumerate(passed.state)}


def require_repeatable(path: str, at: str, value: Callable[[], Any], network: Network, *, assigns: bool = True) -> None:
    """Refuse a loss, penalty or metric whose `value()` is another one each time, of the same outputs and seeds of `network`.

    assigns: whether it may not assign a variable of TensorFlow's, as Keras's metrics do.
    """
    first, foreign = value(), [*network.foreign.values()]
    with _noticing(assigns=assigns) as noticed:  # by now it has made the variables that it makes when it is first called
        again = value()
    for _, what in noticed:
        raise unseeded(path, what, at)
    _require_alike(path, at, {"": first}, {"": again})
    if foreign:
        with _changed(foreign):
            changed = value()
        _require_unread(path, at, foreign, {"": first}, {"": changed})


def _require_alike(who: str, at: str, first: Mapping[str, Any], again: Mapping[str, Any]) -> None:
    if not _alike(first, again):
        raise unseeded(who, "gives other numbers for the same weights, rows and seeds", at)


def _require_unread(who: str, at: str, foreign: Sequence[Any], first: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
    """Refuse what reads a variable that it assigns and no layer of the model holds: it would stay as it is in all steps."""
    if _alike(first, changed):
        return
    if any(is_seed_state(variable) for variable in foreign):
        raise unseeded(who, "draws from a keras.random.SeedGenerator that no layer of the model holds", at)
    names = listed(dict.fromkeys(variable.path for variable in foreign))
    raise unseeded(who, f"remembers {names} from call to call, in no weight of its layers", at)


@contextmanager
def _changed(variables: Sequence[Any]) -> Iterator[None]:
    """Let variables that hold numbers have quite other values."""
    before = [(variable, np.array(variable.numpy())) for variable in variables]
    numbers = [(variable, value) for variable, value in before if value.dtype.kind in "fiu"]
    try:
        for variable, value in numbers:
            variable.assign((2 * value + 1000).astype(value.dtype))
        yield
    finally:
        for variable, value in numbers:
            variable.assign(value)


def _alike(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Return whether numbers are the same; an output that one has alone is nobody's, or a task that reads it is refused by name."""
    return all(_close(first[name], second[name]) for name in first.keys() & second.keys())


def _close(one: Any, other: Any) -> bool:
    tensor = tf.convert_to_tensor(one)
    first, second = (tensor.numpy(), tf.convert_to_tensor(other).numpy())
    if first.shape != second.shape or not (tensor.dtype.is_floating or tensor.dtype.is_complex):
        return np.array_equal(first, second)
    wide = np.complex128 if tensor.dtype.is_complex else np.float64
    precision = PRECISION.get(tensor.dtype.name) or float(np.finfo(first.dtype).eps)
    first, second = first.astype(wide), second.astype(wide)
    scale = float(np.max(np.abs(first), initial=0.0, where=np.isfinite(first)))
    return np.allclose(first, second, rtol=0, atol=ROUNDING * precision * scale, equal_nan=True)
