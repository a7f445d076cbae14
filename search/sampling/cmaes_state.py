"""What CMA-ES has learned, as plain numbers: Optuna keeps a pickle, and whoever writes the database could run code with one.

What does not change (bounds, learning rates, the population's size) comes from the definition again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEARNED = {
    "generation": "_g",
    "mean": "_mean",
    "step_size": "_sigma",
    "covariance": "_C",
    "step_size_path": "_p_sigma",
    "covariance_path": "_pc",
}
"""The optimizer's attribute that has each number; of a separable CMA-ES the covariance is its diagonal."""
OF_LEARNING_RATES = {
    "mean_change": "_Emean",
    "covariance_change": "_ESigma",
    "mean_variance": "_Vmean",
    "covariance_variance": "_VSigma",
    "mean_rate": "_eta_mean",
    "covariance_rate": "_eta_Sigma",
}


def to_numbers(optimizer: Any) -> dict[str, Any]:
    """Return what an optimizer of the `cmaes` package has learned, as JSON can say it: its next draw depends on nothing else.

    Taken right after a generation was learned from: what is derived of the covariance is not kept.
    """
    return {name: _to_list(name, getattr(owner, attribute)) for name, (owner, attribute) in _attributes(optimizer).items()}


def from_numbers(optimizer: Any, numbers: Any) -> bool:
    """Put what was learned into a new optimizer of the same kind; return whether it fits. What does not fit changes nothing."""
    attributes = _attributes(optimizer)
    if not isinstance(numbers, Mapping) or set(numbers) != set(attributes):
        return False
    values = {name: _from_list(name, numbers[name], getattr(*place)) for name, place in attributes.items()}
    if any(value is None for value in values.values()) or values["step_size"] <= 0:
        return False
    for name, (owner, attribute) in attributes.items():
        setattr(owner, attribute, values[name])
    return True


def _attributes(optimizer: Any) -> dict[str, tuple[Any, str]]:
    """Return the object and attribute that has each number. A CMA-ES with margin (`CMAwM`) has one without inside."""
    inner = getattr(optimizer, "_cma", optimizer)
    names = LEARNED | (OF_LEARNING_RATES if getattr(inner, "_lr_adapt", False) else {})
    margin = {"margin_scale": (optimizer, "_A")} if hasattr(optimizer, "_A") else {}
    return {name: (inner, attribute) for name, attribute in names.items()} | margin


def _to_list(name: str, value: Any) -> Any:
    array = np.asarray(value)
    return (array[np.triu_indices(len(array))] if _is_matrix(name, array) else array).tolist()


def _from_list(name: str, stored: Any, fresh: Any) -> Any:
    """Return a stored number or array in the form of `fresh`; None where it is none, or of another shape."""
    if isinstance(fresh, int):
        return stored if isinstance(stored, int) and stored >= 0 else None
    like = np.asarray(fresh)
    try:
        array = np.asarray(stored, np.float64)
    except (TypeError, ValueError):
        return None
    if _is_matrix(name, like):
        upper = np.triu_indices(len(like))
        if array.shape != upper[0].shape:
            return None
        array = _symmetric(array, upper, like.shape)
    if array.shape != like.shape or not np.isfinite(array).all():
        return None
    return array if like.shape else float(array)


def _is_matrix(name: str, array: NDArray[Any]) -> bool:
    return name == "covariance" and array.ndim == 2


def _symmetric(values: NDArray[np.float64], upper: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    whole = np.zeros(shape)
    whole[upper] = values
    whole.T[upper] = values
    return whole
