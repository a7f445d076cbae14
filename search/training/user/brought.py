"""The workload that `steelyard.search` wrote into a private folder: a model or a function, rows, and the user's own terms.

The folder is written by `steelyard.door.folder` and named by the environment variable STEELYARD_PRIVATE_WORKLOAD. Arrays are mapped
into memory, not copied.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from search.errors import PreflightError
from search.training.problem.batch import Batch
from search.training.problem.keras_private import graph_of
from search.training.user.pickles import read_pickle
from search.training.user.starts import started
from search.workloads.base import Data
from search.workloads.registry import PRIVATE, private_workload

FORM = "form.json"
TERMS = "terms.pickle"
FUNCTION = "function.pickle"
ARRAYS = "arrays"


class Brought:
    """The workload of a folder; the folder is that of the environment unless one is given. rows: how many of each split at most."""

    def __init__(self, folder: Path | None = None, rows: int | None = None) -> None:
        self._given = folder
        self._rows = rows

    @cached_property
    def _folder(self) -> Path:
        if self._given is not None:
            return self._given
        private = private_workload()
        if private is None:
            text = f"this workload was brought by steelyard.search, and only its own worker has its rows ({PRIVATE} is not set)"
            raise PreflightError("bad_workload", f"{text}: run the script again")
        return Path(private[1])

    @cached_property
    def form(self) -> Mapping[str, Any]:
        """Return what the folder says of itself: names of inputs and outputs, places of arrays."""
        found: Mapping[str, Any] = json.loads((self._folder / FORM).read_text())
        sys.path.extend(path for path in found["paths"] if path not in sys.path)
        return found

    @cached_property
    def _terms(self) -> Mapping[str, Mapping[str, Any]]:
        assert self.form  # its paths, by which modules of the user's are found
        terms = read_pickle(self._folder / TERMS)
        return {kind: {name: restored(term) for name, term in found.items()} for kind, found in terms.items()}

    @property
    def losses(self) -> Mapping[str, Any]:
        """Return the user's own losses by name."""
        return self._terms["losses"]

    @property
    def penalties(self) -> Mapping[str, Any]:
        """Return the user's own penalties by name."""
        return self._terms["penalties"]

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Return the user's own metrics by name."""
        return self._terms["metrics"]

    def build_model(self) -> Any:
        """Return the model under the seed that is set, its outputs by name."""
        if self.form["made_by"] == "function":
            model = read_pickle(self._folder / FUNCTION)()
            if not isinstance(model, keras.Model):
                raise PreflightError(
                    "bad_model", f"the function should return a keras.Model, got a {type(model).__name__}", "model"
                )
        else:
            model = started(self._folder)
        return named(model, self.form["inputs"], self.form["outputs"])

    def load_data(self) -> Data:
        """Return the rows as they were written, under the float type and the like that the caller's process has."""
        set_process(self.form["keras"])
        splits = {name: self._split(name, part) for name, part in self.form["splits"].items()}
        extra = {name: (self._array(place), size) for name, (place, size) in self.form["extra"].items()}
        return Data(splits["train"], splits["validation"], splits.get("test"), extra)

    def _split(self, name: str, part: Mapping[str, Any]) -> tuple[Any, ...]:
        x, y, weight = (
            {key: self._array(place)[: self._rows] for key, place in part[kind].items()}
            for kind in ("inputs", "targets", "sample_weight")
        )
        inputs = x if self.form["inputs"] is not None else next(iter(x.values()))
        return (inputs, y, weight) if weight else (inputs, y)

    def _array(self, place: str) -> Any:
        return np.load(self._folder / ARRAYS / place, mmap_mode="r")


def process_settings() -> dict[str, Any]:
    """Return what this process sets of Keras and a model's numbers depend on."""
    config = keras.config
    return {"floatx": config.floatx(), "epsilon": config.epsilon(), "image_data_format": config.image_data_format()}


def set_process(settings: Mapping[str, Any]) -> None:
    """Set what `process_settings` returned; a workload's settings are its own."""
    keras.config.set_floatx(settings["floatx"])
    keras.config.set_epsilon(settings["epsilon"])
    keras.config.set_image_data_format(settings["image_data_format"])


def named(model: Any, inputs: list[str] | None, outputs: list[str] | None) -> Any:
    """Return the model over the same layers, with inputs and outputs by these names, in the order in which Keras flattens its own.

    None leaves them as they are, and so is a model that is no graph of layers.
    """
    graph = graph_of(model)
    if outputs is None or graph is None:
        return model
    taken, structure = graph
    if inputs is not None:
        taken = dict(zip(inputs, keras.tree.flatten(taken), strict=True))
    given = keras.tree.flatten(structure)
    if len(given) != len(outputs):
        text = f"the model has {len(given)} outputs when it is built again, and had {len(outputs)}"
        raise PreflightError("bad_model", text, "model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras wants the keys to be the tensors' names; it takes inputs by the keys all the same
        return keras.Model(taken, dict(zip(outputs, given, strict=True)))


class TwoSided:
    """A penalty f(y_true, y_pred) of the user's as an f(batch): of the only output, or of dicts of all of them."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, batch: Batch) -> Any:
        outputs, targets = batch.outputs, batch.targets
        if len(outputs) == 1:
            name = next(iter(outputs))
            return self._function(targets[name], outputs[name])
        return self._function(dict(targets), dict(outputs))


class KeptObject:
    """A Keras loss or metric as it can be pickled: its class, and its attributes or its config."""

    def __init__(self, kind: type, state: Mapping[str, Any] | None, config: Mapping[str, Any] | None) -> None:
        self.kind, self.state, self.config = kind, state, config

    def made(self) -> Any:
        """Return the object."""
        if self.state is None:
            return self.kind.from_config(dict(self.config or {}))  # type: ignore[attr-defined]
        found: Any = object.__new__(self.kind)
        vars(found).update(self.state)
        return found


def restored(term: Any) -> Any:
    return term.made() if isinstance(term, KeptObject) else term


BROUGHT = Brought()
"""The workload of the folder that the environment names."""
