"""A Keras model as a pure function of its variables, so that one trace serves every seed and every setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from search.errors import PreflightError
from search.training.problem.batch import Tensor, Tensors, as_columns, gate
from search.training.problem.keras_private import drawing_from, layers_of, takes_training, wrapped_calls
from search.training.problem.keras_settings import kept
from search.workloads.data import INPUT

NOTHING: Tensors = {}


class Passed(NamedTuple):
    """One forward pass: outputs by name, the state after it, and the model's own losses (regularisers, `add_loss`).

    `trainable`: the trainable variables' values after it, the very tensors that were given but for those that a layer assigned in
    its call, as SpectralNormalization does. The optimizer goes on from these.
    """

    outputs: Tensors
    state: list[Tensor]
    losses: list[Tensor]
    trainable: Sequence[Tensor] = ()


class Network:
    """A built model. `trainable` is what the optimizer changes; `state` all else: frozen weights, statistics, random seeds.

    `rank_one`, once it has been called: the outputs that come as [batch], and are passed on as [batch, 1]. `foreign`: by id,
    the variables that its calls have assigned, or what reads its outputs, and it does not hold: of a Keras metric in a layer, say.
    """

    def __init__(self, model: Any, generator: Any, single_input: bool) -> None:
        self.model = model
        self._generator = generator
        self._single_input = single_input
        self._training_argument = takes_training(model)
        self.rank_one: frozenset[str] = frozenset()
        self.foreign: dict[int, Any] = {}
        self.trainable = list(model.trainable_variables)
        self.state = [*model.non_trainable_variables, generator.state]

    @property
    def variables(self) -> list[Any]:
        return [*self.trainable, *self.state]

    def __call__(
        self, trainable: Sequence[Tensor], state: Sequence[Tensor], x: Any, training: bool, features: Tensors = NOTHING
    ) -> Passed:
        """Run the model on the values given for its variables; nothing is changed in place.

        features: outputs of layers for `x`, by the layer's place among the model's: these are not run.
        """
        given = dict(zip(map(id, self.trainable), trainable, strict=True))
        mapping = [*zip(self.trainable, trainable, strict=True), *zip(self.state, state, strict=True)]
        with kept(), self._given(features), drawing_from(self._generator), _Values(mapping, given, self.foreign) as values:
            arguments = {"training": training} if self._training_argument else {}
            outputs = self.model(self._as_taken(x), **arguments)
            losses = list(self.model.losses)
        after = [[values.get_current_value(variable) for variable in part] for part in (self.state, self.trainable)]
        named = named_outputs(self.model, outputs)
        self.rank_one = frozenset(name for name, output in named.items() if len(output.shape) == 1)
        return Passed(as_columns(named), after[0], losses, after[1])

    @contextmanager
    def read(self, passed: Passed) -> Iterator[None]:
        """Run a term of what a pass gave: what it draws by `keras.random` without a seed follows what the model drew.

        `passed.state` goes on from there.
        """
        own = [(self._generator.state, passed.state[-1])]
        with drawing_from(self._generator), _Values(own, {}, self.foreign) as values:
            yield
        passed.state[-1] = values.get_current_value(self._generator.state)

    def outputs(
        self, trainable: Sequence[Tensor], state: Sequence[Tensor], x: Any, training: bool, active: Tensor | None
    ) -> Tensors:
        """Return the outputs alone; with `active`, no gradient reaches `trainable` unless it is true."""
        values = trainable if active is None else [gate(value, active) for value in trainable]
        return self(values, state, x, training).outputs

    def _given(self, features: Tensors) -> AbstractContextManager[None]:
        """Let layers return what is given for them."""
        layers = layers_of(self.model) if features else []
        chosen = {int(place): layers[int(place)] for place in features}
        return wrapped_calls(chosen, lambda place, _: lambda *given, **named: features[str(place)])

    def _as_taken(self, x: Any) -> Any:
        return x[INPUT] if self._single_input and isinstance(x, Mapping) else x


class _Values(keras.StatelessScope):  # type: ignore[misc]
    """The values of a network's variables during a pass; what a layer assigns to one is its value from then on.

    As under `fit`, an assignment passes no gradient on to what was assigned, and a gradient by the value that is read afterwards is
    one by the variable. `given` are the trainable variables' values before the pass, by the variable's id. Other variables that are
    assigned stay as they are, and are noted in `foreign`.
    """

    def __init__(self, mapping: Sequence[tuple[Any, Tensor]], given: Mapping[int, Tensor], foreign: dict[int, Any]) -> None:
        super().__init__(state_mapping=mapping, collect_losses=True)
        self._given, self._foreign = given, foreign
        self._known = {id(variable) for variable, _ in mapping}

    def add_update(self, update: tuple[Any, Tensor]) -> None:
        variable, value = update
        if id(variable) not in self._known:
            self._foreign[id(variable)] = variable
        value = tf.stop_gradient(value)
        if id(variable) in self._given:
            before = self._given[id(variable)]
            value += before - tf.stop_gradient(before)  # exactly 0, with the gradient of `before`
        super().add_update((variable, value))


def named_outputs(model: Any, outputs: Any) -> dict[str, Tensor]:
    """Return a model's outputs by name: the keys of its dict, else the names of a functional model's outputs.

    Raises PreflightError where they have no names, or are nested, sparse or ragged.
    """
    if isinstance(outputs, Mapping):
        found = dict(outputs)
    else:
        flat = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
        names = getattr(model, "output_names", None) or []
        if len(names) != len(flat):
            raise PreflightError("bad_model", "the model should return a dict of outputs by name", "build_model")
        found = dict(zip(names, flat, strict=True))
    for name, output in found.items():
        if isinstance(output, tf.SparseTensor | tf.RaggedTensor) or not hasattr(output, "shape"):
            kind = "a dict" if isinstance(output, Mapping) else f"a {type(output).__name__}"
            hint = ": outputs are one level of names, so flatten it" if isinstance(output, Mapping | list | tuple) else ""
            raise PreflightError("bad_model", f"output {name!r} should be one dense tensor, got {kind}{hint}", "build_model")
    return found
