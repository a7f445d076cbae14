"""A Keras model as a pure function of its variables, so that one trace serves every seed and every setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from search.errors import Refused
from search.training.problem.batch import Tensor, Tensors, as_columns, gate
from search.training.problem.keras_private import drawing_from, takes_training
from search.workloads.data import INPUT


class Passed(NamedTuple):
    """One forward pass: outputs by name, the state after it, and the model's own losses (regularisers, `add_loss`)."""

    outputs: Tensors
    state: list[Tensor]
    losses: list[Tensor]


class Network:
    """A built model. `trainable` is what the optimizer changes; `state` all else: frozen weights, statistics, random seeds.

    `rank_one`, once it has been called: the outputs that come as [batch], and are passed on as [batch, 1].
    """

    def __init__(self, model: Any, generator: Any, single_input: bool) -> None:
        self.model = model
        self._generator = generator
        self._single_input = single_input
        self._training_argument = takes_training(model)
        self.rank_one: frozenset[str] = frozenset()
        self.trainable = list(model.trainable_variables)
        self.state = [*model.non_trainable_variables, generator.state]

    @property
    def variables(self) -> list[Any]:
        return [*self.trainable, *self.state]

    def __call__(self, trainable: Sequence[Tensor], state: Sequence[Tensor], x: Any, training: bool) -> Passed:
        """Run the model on the values given for its variables; nothing is changed in place."""
        mapping = [*zip(self.trainable, trainable, strict=True), *zip(self.state, state, strict=True)]
        with drawing_from(self._generator), keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            arguments = {"training": training} if self._training_argument else {}
            outputs = self.model(self._as_taken(x), **arguments)
            losses = list(self.model.losses)
        after = [scope.get_current_value(variable) for variable in self.state]
        named = named_outputs(self.model, outputs)
        self.rank_one = frozenset(name for name, output in named.items() if len(output.shape) == 1)
        return Passed(as_columns(named), after, losses)

    def outputs(
        self, trainable: Sequence[Tensor], state: Sequence[Tensor], x: Any, training: bool, active: Tensor | None
    ) -> Tensors:
        """Return the outputs alone; with `active`, no gradient reaches `trainable` unless it is true."""
        values = trainable if active is None else [gate(value, active) for value in trainable]
        return self(values, state, x, training).outputs

    def _as_taken(self, x: Any) -> Any:
        return x[INPUT] if self._single_input and isinstance(x, Mapping) else x


def named_outputs(model: Any, outputs: Any) -> dict[str, Tensor]:
    """Return a model's outputs by name: the keys of its dict, else the names of a functional model's outputs.

    Raises Refused where they have no names, or are nested, sparse or ragged.
    """
    if isinstance(outputs, Mapping):
        found = dict(outputs)
    else:
        flat = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
        names = getattr(model, "output_names", None) or []
        if len(names) != len(flat):
            raise Refused("bad_model", "the model should return a dict of outputs by name", "build_model")
        found = dict(zip(names, flat, strict=True))
    for name, output in found.items():
        if isinstance(output, tf.SparseTensor | tf.RaggedTensor) or not hasattr(output, "shape"):
            kind = "a dict" if isinstance(output, Mapping) else f"a {type(output).__name__}"
            hint = ": outputs are one level of names, so flatten it" if isinstance(output, Mapping | list | tuple) else ""
            raise Refused("bad_model", f"output {name!r} should be one dense tensor, got {kind}{hint}", "build_model")
    return found
