"""Definitions to test with, as plain JSON documents: the contract's flagship, and builders of small studies.

Every call gives a new document, so that a test may change it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import strategies as st

from search.definition.schema import StudyDefinition
from search.errors import Fault, InvalidDefinition
from search.validation.normalize import normalise

Document = dict[str, Any]

DIGITS: Mapping[str, Any] = {
    "inputs": {"image": {"shape": [None, 8, 8]}},
    "outputs": {"digit": {"shape": [None, 10]}, "parity": {"shape": [None, 1]}},
    "targets": {"digit": {"shape": [None]}, "parity": {"shape": [None]}},
    "losses": [],
    "metrics": [],
    "penalties": [],
    "options": {"properties": {"hidden": {"default": [64, 64]}}, "additionalProperties": False},
}
"""What a worker publishes of `digits`."""

ADS: Mapping[str, Any] = {
    "inputs": {"age": {"shape": [None, 1]}},
    "outputs": {
        "click": {"shape": [None, 1]},
        "buy": {"shape": [None, 1]},
        "mask": {"shape": [None, 8, 8, 1]},
        "topic": {"shape": [None, 5]},
    },
    "targets": {"click": {"shape": [None]}, "buy": {"shape": [None]}, "state": {"shape": [None, 1]}},
    "losses": ["margin"],
    "metrics": ["lift"],
    "penalties": ["monotone"],
    "options": {"properties": {"width": {"default": 32}}, "additionalProperties": False},
}
"""What a worker publishes of a workload with terms of its own."""

UNPUBLISHED: Mapping[str, Any] = {"digits": None, "digits-overlay": None, "digits-mask": None, "ads": None}
PUBLISHED: Mapping[str, Any] = {**UNPUBLISHED, "digits": DIGITS, "ads": ADS}


def flagship() -> Document:
    """Return the definition that the contract shows: digit and parity, and a penalty that they agree."""
    return {
        "name": "digit-and-parity",
        "workload": {"name": "digits", "options": {}},
        "tasks": [
            {
                "name": "digit",
                "losses": [{"name": "crossentropy", "loss": "sparse_categorical_crossentropy", "weight": 1.0}],
                "metrics": ["sparse_categorical_accuracy"],
            },
            {
                "name": "parity",
                "losses": [
                    {
                        "name": "crossentropy",
                        "loss": "binary_crossentropy",
                        "weight": {"low": 0.01, "high": 100, "current": 1.0},
                    }
                ],
                "metrics": ["binary_accuracy"],
            },
        ],
        "penalties": [
            {
                "name": "agreement",
                "penalty": "consistency",
                "between": [{"task": "digit", "classes": [1, 3, 5, 7, 9]}, {"task": "parity"}],
                "weight": {"low": 0.0, "high": 10.0},
            }
        ],
        "objective": {
            "aggregate": "mean",
            "metrics": [{"metric": "digit.sparse_categorical_accuracy"}, {"metric": "parity.binary_accuracy"}],
        },
        "search": {
            "sampler": {"name": "tpe", "config": {}},
            "trials": 32,
            "seed": 0,
            "pruner": None,
            "cohort_size": None,
            "max_attempts": 3,
        },
        "training": {
            "epochs": 10,
            "batch_size": 32,
            "optimizer": {"name": "adam", "config": {"learning_rate": 0.001}},
            "report_every": 1,
        },
    }


def task(name: str, weight: Any = 1.0, **fields: Any) -> Document:
    """Return a regression task `name` with one loss, `<name>.error`, and one metric, `<name>.mse`."""
    losses = [{"name": "error", "loss": "mean_squared_error", "weight": weight}]
    return {"name": name, "losses": losses, "metrics": ["mse"], **fields}


def study(*weights: Any, shared: Mapping[str, Any] | None = None, **search: Any) -> Document:
    """Return a study of one regression task for each of `weights`: t0, t1, ...; `search` are fields of its search.

    Nothing is confirmed unless they say so: what is planned are the search trials alone.
    """
    tasks = [task(f"t{i}", weight) for i, weight in enumerate(weights)]
    document: Document = {
        "workload": {"name": "ads"},
        "tasks": tasks,
        "objective": {"aggregate": "mean", "metrics": [{"metric": "*.mse"}]},
        "search": {"confirmation": None, **search},
    }
    return document if shared is None else {**document, "weights": dict(shared)}


def log_range(low: float = 0.01, high: float = 100.0, **fields: Any) -> Document:
    return {"low": low, "high": high, **fields}


def changed(document: Document, changes: Mapping[str, Any]) -> Document:
    """Return a copy with each value of `changes` put at its dotted path; the index after a list's last item appends."""
    document = copy.deepcopy(document)
    for path, value in changes.items():
        *way, last = path.split(".")
        here: Any = document
        for step in way:
            here = here[int(step)] if isinstance(here, list) else here.setdefault(step, {})
        if isinstance(here, list):
            here[int(last) : int(last) + 1] = [value]
        else:
            here[last] = value
    return document


def define(document: Document, workloads: Mapping[str, Any] = UNPUBLISHED) -> StudyDefinition:
    """Return the normalised definition of a document that is right."""
    return normalise(document, workloads=workloads).definition


def faults_of(document: Any, workloads: Mapping[str, Any] = UNPUBLISHED) -> dict[str, Fault]:
    """Return the faults of a document that is wrong, by path."""
    with pytest.raises(InvalidDefinition) as refused:
        normalise(document, workloads=workloads)
    return {fault.path: fault for fault in refused.value.faults}


def fault_at(changes: Mapping[str, Any], path: str) -> Fault:
    """Return the fault at `path` of the flagship with `changes`."""
    faults = faults_of(changed(flagship(), changes))
    assert path in faults, f"no fault at {path}, only at {list(faults)}"
    return faults[path]


def only(document: Document, path: str, workloads: Mapping[str, Any] = UNPUBLISHED) -> Fault:
    """Return the fault of a document that has one fault alone, at `path`."""
    faults = faults_of(document, workloads)
    assert list(faults) == [path]
    return faults[path]


def ads(**fields: Any) -> Document:
    """Return a study of the workload `ads`, whose worker has described it: tasks click and buy."""
    document: Document = {
        "workload": {"name": "ads"},
        "tasks": [task("click", log_range()), task("buy")],
        "objective": {"metrics": [{"metric": "click.mse"}]},
    }
    return changed(document, fields)


def any_weight() -> st.SearchStrategy[Any]:
    """Draw a weight of any form; a reference is to the shared weight `walls`."""
    ranges = st.builds(
        lambda low, width, current: {"low": low, "high": low + width, "current": current},
        st.floats(1e-9, 1e6),
        st.floats(1e-3, 1e6),
        st.none() | st.floats(0, 1e6),
    )
    choices = st.lists(st.floats(0, 1e12), min_size=2, max_size=5, unique=True).map(lambda values: {"values": values})
    references = st.just("walls") | st.floats(1e-9, 1e9).map(lambda times: {"of": "walls", "times": times})
    return st.floats(0, 1e12) | ranges | choices | references
