"""A workload that has been opened: its model can be made under any seed, and its rows lie on the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from search.errors import PreflightError
from search.training.problem.batch import Tensor, Tensors
from search.training.problem.keras_private import layers_of, make_variables
from search.training.problem.keras_settings import KerasSettings, keeping
from search.training.problem.network import NOTHING, Network
from search.training.problem.own_forms import is_keras_object
from search.training.problem.random_kernels import drawing_operations, may_draw, seeds_taken, watching
from search.training.problem.seeding import build_under
from search.workloads.base import TERM_KINDS, ResolvedWorkload
from search.workloads.blame import one_line, place_of
from search.workloads.data import INPUT, Loaded, Rows, read

EXAMPLE_ROWS = 2


class DeviceRows(NamedTuple):
    """Rows as tensors by name, each [rows, ...]; `extra` holds points that belong to no row.

    `class_weight`: by task, how much the class of each label counts in a study's losses: 1 but in training rows.
    `features`: kept outputs of layers, by the layer's place among the model's; see `search.training.engine.frozen_trunk`.
    """

    inputs: Tensors
    targets: Tensors
    sample_weight: Tensors
    extra: Tensors
    class_weight: Tensors = MappingProxyType({})
    features: Tensors = NOTHING


class LoadedWorkload:
    """Model and rows of a workload with its options; what is refused of them is refused here.

    `outputs` are the model's by name, as tensors of a few rows. `settings` are what its code set of what a process shares: they
    must be active wherever its model is traced, trained or measured. `kernels_draw`: whether kernels draw while its model is
    built, which must begin anew then; None as long as that is not known.
    """

    def __init__(self, workload: ResolvedWorkload, seed: int = 0, settings: KerasSettings | None = None) -> None:
        self.settings = settings or KerasSettings()
        self.kernels_draw: bool | None = None
        self.workload = _keeping_settings(workload)
        with self.settings.starting():
            self.loaded: Loaded = read(called("load_data", workload.load_data))
        self.settings.require_supported("load_data()", "load_data")
        self.single_input = self.loaded.train.single_input
        self._few = {name: x[:EXAMPLE_ROWS] for name, x in self.loaded.train.inputs.items()}
        self.example, self.example_seed = self.network(seed), seed
        self._untouched = {seed: self.example}
        self.settings.require_supported("build_model()", "build_model")
        with self.settings.active():
            self.outputs: Tensors = called("build_model", lambda: self._run(self.example))
        if len(self.outputs) == 1:
            self.loaded = self.loaded.with_target_named(next(iter(self.outputs)))
        self._on_device: dict[str, DeviceRows] = {}

    def network(self, seed: int) -> Network:
        """Return a new model with the initial weights of `seed`. Raises PreflightError where the user's code fails."""
        kept = self.kernels_draw is False
        operations: set[str] = set()
        with self.settings.building(), watching(operations.add):
            network = self._network(seed)
            drawn = seeds_taken(seed) or any(may_draw(each) for each in operations)
        self.kernels_draw = bool(self.kernels_draw or drawn)
        return self.network(seed) if kept and drawn else network  # by kernels that begin anew

    def heed(self, graph: Any) -> None:
        """Raise PreflightError where a graph that trains or measures its model draws by a state that is no variable."""
        for operation in sorted(drawing_operations(graph)):
            raise unseeded("a layer, loss, penalty or metric, or the gradient of one,", f"draws by tf.random ({operation})", None)

    def _network(self, seed: int) -> Network:
        build = partial(build_under, seed, self.workload.build_model, kernels_draw=self.kernels_draw is not False)
        model, generator = called("build_model", build)
        if not isinstance(model, keras.Model):
            kind = type(model).__name__
            raise PreflightError("bad_model", f"build_model() should return a new keras.Model, got a {kind}", "build_model")
        self._build(model)
        return Network(model, generator, self.single_input)

    def untouched(self, seed: int) -> Network:
        """Return a model with the initial weights of `seed` that nobody changes: the example, or the last one asked for."""
        if seed not in self._untouched:
            first = next(iter(self._untouched))
            self._untouched = {first: self.example, seed: self.network(seed)}
        return self._untouched[seed]

    def _build(self, model: Any) -> None:
        """Make the variables of a model that has none before its first call, as `fit` does: without running it."""
        if all(layer.built for layer in layers_of(model)):
            return
        called("build_model", lambda: make_variables(model, _tensors(self._few), INPUT if self.single_input else None))

    def rows(self, split: str) -> DeviceRows:
        """Return a split's tensors, made when first asked for: test rows are not, as long as nothing is confirmed.

        The arrays of its inputs are let go then; targets stay, for checks.
        """
        if split not in self._on_device:
            with self.settings.active():
                self._on_device[split] = _on_device(self.loaded.splits[split], self.loaded)
            self.loaded = self.loaded.without_inputs(split)
        return self._on_device[split]

    def example_rows(self, count: int = EXAMPLE_ROWS) -> DeviceRows:
        """Return the first `count` training rows."""
        rows = self.rows("train")
        inputs, targets, weights = ({name: tensor[:count] for name, tensor in part.items()} for part in rows[:3])
        return DeviceRows(inputs, targets, weights, rows.extra)

    def _run(self, network: Network) -> Tensors:
        values = [tf.convert_to_tensor(variable) for variable in network.variables]
        trained = len(network.trainable)
        return network(values[:trained], values[trained:], _tensors(self._few), training=False).outputs


def _on_device(rows: Rows, loaded: Loaded) -> DeviceRows:
    """Return a split's tensors. All splits get the same names: a sample weight that one lacks is 1 there."""
    points = {name: given.points for name, given in loaded.extra.items()}
    names = {name for split in loaded.splits.values() for name in split.sample_weight}
    weights = {name: rows.sample_weight.get(name, np.ones(rows.count)) for name in sorted(names)}
    return DeviceRows(_tensors(rows.inputs), _tensors(rows.targets), _tensors(weights), _tensors(points))


def _keeping_settings(workload: ResolvedWorkload) -> ResolvedWorkload:
    """Return the workload with terms and metrics that leave the process's settings as they were: none may change the next.

    Losses and metrics in Keras's form stay what they are; `terms` and `metrics` call them so.
    """
    terms: dict[str, Any] = {kind: {name: _kept(term) for name, term in getattr(workload, kind).items()} for kind in TERM_KINDS}
    return replace(workload, **terms)


def _kept(term: Any) -> Any:
    return term if is_keras_object(term) else keeping(term)


def _tensors(arrays: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the arrays as tensors, floats in Keras's float type as `fit` has it."""
    floatx = keras.config.floatx()
    return {name: tf.constant(np.asarray(x, floatx) if x.dtype.kind == "f" else x) for name, x in arrays.items()}


def unseeded(who: str, what: str, at: str | None) -> PreflightError:
    """Return the refusal of what draws random numbers, or remembers, by anything that no seed of a training sets."""
    text = (
        f"{who} {what}: no seed of a training sets that, so settings would differ by more than their weights, and no training "
        "could be repeated. Draw by keras.random, in a layer with seed=self.seeds, a keras.random.SeedGenerator made in its "
        "__init__, elsewhere without a seed; keep what is remembered in a weight of a layer"
    )
    return PreflightError("unseeded", text, at)


def called(what: str, function: Callable[[], Any]) -> Any:
    """Call the user's code; what it raises becomes a refusal that names its file and line."""
    try:
        return function()
    except PreflightError:
        raise
    except Exception as error:
        raise PreflightError("workload_failed", f"{what}() failed: {one_line(error)}", place_of(error) or what) from error
