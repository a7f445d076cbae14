"""Steelyard: search the loss weights of a multi-output Keras model.

    import steelyard

    client = steelyard.Client()
    study = client.wait(client.submit("study.json"))
    model = steelyard.apply(build_model(), client.best(study))

Importing it is cheap: httpx comes with the first `Client`, Keras with the first `apply`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from steelyard.errors import (
    BadRequest,
    Conflict,
    DefinitionChanged,
    DefinitionRefused,
    DefinitionUnreadable,
    Fault,
    InvalidAddress,
    NoFeasibleTrial,
    NoScript,
    NoSensitivity,
    NoSensitivityYet,
    NotFound,
    NoTrial,
    NoTrialYet,
    NotYet,
    ProblemError,
    ServiceFailed,
    ServiceUnreachable,
    SeveralBest,
    SteelyardError,
    TooLarge,
    TooManyRequests,
    TrainingError,
    UnexpectedAnswer,
    ValidationError,
    WaitTimeout,
)
from steelyard.shadowed import require_own_packages

if TYPE_CHECKING:
    import keras

    from steelyard.client import Client
    from steelyard.connection import Retries
    from steelyard.door.result import Result
    from steelyard.door.run import Plan
    from steelyard.searching import load, search, studies

    __version__: str

__all__ = [
    "BadRequest",
    "Client",
    "Conflict",
    "DefinitionChanged",
    "DefinitionRefused",
    "DefinitionUnreadable",
    "Fault",
    "InvalidAddress",
    "NoFeasibleTrial",
    "NoScript",
    "NoSensitivity",
    "NoSensitivityYet",
    "NoTrial",
    "NoTrialYet",
    "NotFound",
    "NotYet",
    "Plan",
    "ProblemError",
    "Result",
    "Retries",
    "ServiceFailed",
    "ServiceUnreachable",
    "SeveralBest",
    "SteelyardError",
    "TooLarge",
    "TooManyRequests",
    "TrainingError",
    "UnexpectedAnswer",
    "ValidationError",
    "WaitTimeout",
    "__version__",
    "apply",
    "load",
    "measure",
    "search",
    "studies",
]


require_own_packages()


def apply(
    model: keras.Model,
    best: Mapping[str, Any] | str | os.PathLike[str],
    optimizer: keras.optimizers.Optimizer | str | None = None,
    *,
    workload: Any = None,
) -> keras.Model:
    """Return a compiled Keras model that trains what was tuned.

    `best` is the best-weights document or the path of its file. `model.compile(loss_weights=...)` alone leaves out penalties: this
    adds them, and moves weights that have a schedule. The optimizer defaults to the study's; `workload` is needed for terms of a
    workload's own. Imports Keras.
    """
    from search.training.user.apply import apply as applied

    return applied(model, _read(best), optimizer, workload=workload)


def measure(
    model: keras.Model,
    best: Mapping[str, Any] | str | os.PathLike[str],
    x: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    workload: Any = None,
) -> dict[str, float]:
    """Return every unweighted term and metric of the study by path, as the study measures them. Imports Keras.

    x, y and sample_weight are arrays, or dicts of them by name, one row an example; `batch_size` defaults to the study's.
    """
    from search.training.user.measure import measure as measured

    return measured(model, _read(best), x, y, sample_weight, batch_size=batch_size, workload=workload)


def _read(best: Mapping[str, Any] | str | os.PathLike[str]) -> Mapping[str, Any]:
    if isinstance(best, Mapping):
        return best
    from steelyard.definitions import read_definition

    return read_definition(best)


def __getattr__(name: str) -> Any:
    """Import what is heavy when it is first asked for."""
    if name == "Client":
        from steelyard.client import Client

        return Client
    if name == "Retries":
        from steelyard.connection import Retries

        return Retries
    if name == "Result":
        from steelyard.door.result import Result

        return Result
    if name == "Plan":
        from steelyard.door.run import Plan

        return Plan
    if name in ("load", "search", "studies"):
        from steelyard import searching

        return getattr(searching, name)
    if name == "__version__":
        from steelyard.version import version

        return version()
    raise AttributeError(f"module 'steelyard' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
