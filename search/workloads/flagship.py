"""The study that shows most of what a definition can say (`examples/digits.json`): the reference and `init` begin with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FLAGSHIP: Mapping[str, Any] = {
    "name": "digit-and-parity",
    "description": "A weighted sum with a penalty: which digit is it, and is it odd? The two heads should agree.",
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
                {"name": "crossentropy", "loss": "binary_crossentropy", "weight": {"low": 0.01, "high": 100, "current": 1.0}}
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
