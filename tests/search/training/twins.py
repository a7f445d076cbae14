"""The plain Keras program that a training in the service must equal: `fit` with the loss written by hand in `compute_loss`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from search.workloads.base import ResolvedWorkload
from search.workloads.data import Rows, read
from tests.search.training.compiled import batches, few_steps

Terms = Mapping[str, Callable[[Any, Any], Any]]
"""f(y, y_pred) -> scalar by path."""


class _Twin:
    """Mixed into a model: a loss made of terms, each of them tracked as a mean over rows."""

    def take(self, terms: Terms, weights: Mapping[str, float]) -> None:
        self._terms, self._weights = dict(terms), dict(weights)
        self._means = {path: keras.metrics.Mean(name=path) for path in terms}

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        total = sum(self.losses)
        for path, term in self._terms.items():
            value = term(y, y_pred)
            self._means[path].update_state(value, sample_weight=ops.shape(next(iter(y_pred.values())))[0])
            total += self._weights[path] * value
        return total


class FunctionalTwin(_Twin, keras.Model):
    pass


def twin_of(model: keras.Model) -> Any:
    """Return a twin over the layers of `model`: a functional one's graph, or a subclassed one's class."""
    if hasattr(model, "_outputs_struct"):
        return FunctionalTwin(model._inputs_struct, model._outputs_struct)
    model.__class__ = type("SubclassedTwin", (_Twin, type(model)), {})
    return model


class TwinRun:
    """A twin after its training. `train` holds the terms of each epoch, from 1; `validation` too, where it is asked for.

    Keras's `evaluate` draws from the seeds of layers that are random when they do not train, too; the service's measuring does not.
    """

    def __init__(
        self,
        workload: ResolvedWorkload,
        terms: Terms,
        weights: Mapping[str, float],
        *,
        optimizer: Any,
        batch_size: int,
        epochs: int,
        seed: int,
        validate: bool = False,
    ) -> None:
        loaded = read(workload.load_data())
        keras.utils.set_random_seed(seed)
        self.model = twin_of(workload.build_model())
        self.model.take(terms, weights)
        eagerly = few_steps(loaded.train.count, batch_size, epochs)
        self.model.compile(optimizer=optimizer, run_eagerly=eagerly)
        if self.model.built:  # else `fit` traces its step twice: to make the optimizer's variables, and to use them
            self.model.optimizer.build(self.model.trainable_variables)
        self.train: list[dict[str, float]] = []
        self.validation: list[dict[str, float]] = []
        for epoch in range(epochs):
            order = np.random.default_rng([seed, epoch]).permutation(loaded.train.count)
            history = self.model.fit(
                batches(*_arrays(loaded.train, order), batch_size=batch_size), epochs=1, shuffle=False, verbose=0
            )
            self.train.append({path: history.history[path][0] for path in terms})
            if validate:
                self._validate(loaded.validation, batch_size)

    def _validate(self, rows: Rows, batch_size: int) -> None:
        measured = self.model.evaluate(batches(*_arrays(rows), batch_size=batch_size), verbose=0, return_dict=True)
        self.validation.append({path: measured[path] for path in self.train[0]})

    @property
    def variables(self) -> list[np.ndarray[Any, Any]]:
        return [np.asarray(variable) for variable in (*self.model.trainable_variables, *self.model.non_trainable_variables)]


def _arrays(rows: Rows, order: Any = slice(None)) -> tuple[Any, Any]:
    inputs = {name: array[order] for name, array in rows.inputs.items()}
    x = next(iter(inputs.values())) if rows.single_input else inputs
    return x, {name: array[order] for name, array in rows.targets.items()}
