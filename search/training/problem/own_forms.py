"""The forms in which a workload may give its own losses, penalties and metrics.

f(batch), which sees everything; or what `model.compile` takes: a function (y_true, y_pred), a `keras.losses.Loss`, a
`keras.metrics.Metric`, or a subclass of one, made with the term's config.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from search.errors import PreflightError
from search.names import listed
from search.training.problem.keras_private import arguments_of, wrapped_loss

BY_VALUE = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
"""Reductions of a Keras loss that do not depend on how many rows a batch has."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def is_keras_object(given: Any) -> bool:
    """Return whether a term is a Keras loss or metric, or a class of them."""
    kinds = (keras.losses.Loss, keras.metrics.Metric)
    return issubclass(given, kinds) if inspect.isclass(given) else isinstance(given, kinds)


def own_keras_loss(name: str, at: str, given: Any, config: Mapping[str, Any], searched: Sequence[str]) -> keras.losses.Loss | None:
    """Return the loss that a workload gives in Keras's form, None for an f(batch).

    config: the fixed arguments of a function or a class. searched: names of those that each setting has its own of.
    Raises PreflightError for any other form, and for a reduction that depends on the number of rows.
    """
    if inspect.isclass(given) and issubclass(given, keras.losses.Loss):
        _no_config("loss", name, at, searched)
        given, config = given(**config), {}
    if isinstance(given, keras.losses.Loss):
        _no_config("loss", name, at, [*config, *searched])
        if given.reduction not in BY_VALUE:
            text = f"the workload's loss {name!r} has reduction {given.reduction!r}: a mean is wanted, so leave the default"
            raise PreflightError("bad_workload", text, f"{at}.loss")
        return given
    return None if takes_batch("loss", name, given, [*config, *searched]) else wrapped_loss(given, config)


def own_keras_metric(name: str, at: str, given: Any, config: Mapping[str, Any]) -> Callable[[], keras.metrics.Metric] | None:
    """Return what makes the metric that a workload gives in Keras's form, new at each call; None for an f(batch).

    config: as for `own_keras_loss`. Raises PreflightError for any other form, and for an object
    that cannot be made again from its config.
    """
    if inspect.isclass(given) and issubclass(given, keras.metrics.Metric):
        return lambda: given(**config)
    if isinstance(given, keras.metrics.Metric):
        _no_config("metric", name, at, config)
        return lambda: _again(name, at, given)
    if takes_batch("metric", name, given, config):
        return None
    return lambda: keras.metrics.MeanMetricWrapper(given, name=name, **config)


def require_batch(kind: str, name: str, given: Any, filled: Collection[str]) -> None:
    """Raise PreflightError unless `given` is an f(batch)."""
    if not takes_batch(kind, name, given, filled):
        text = f"the workload's {kind} {name!r} takes two arguments, and it is called with one: f(batch)"
        raise PreflightError(
            "bad_workload", f"{text} (batch.inputs, .targets, .outputs, .sample_weight, .masks, .extra)", _place(given)
        )


def takes_batch(kind: str, name: str, given: Any, filled: Collection[str]) -> bool:
    """Distinguish f(batch) from Keras's f(y_true, y_pred), by the arguments that neither a default nor the config (`filled`) gives.

    Raises PreflightError for a function that is neither, with its file and line.
    """
    try:
        parameters = inspect.signature(given).parameters.values()
    except (TypeError, ValueError):  # of a builtin: its call will raise
        return True
    open_ones = [each for each in parameters if each.kind in _POSITIONAL and each.name not in filled]
    wanted = [each.name for each in open_ones if each.default is inspect.Parameter.empty]
    if not wanted and (open_ones or any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters)):
        return True
    if len(wanted) == 1:
        return True
    if len(wanted) == 2 and wanted[0] not in ("batch", "b"):
        return False
    forms = "f(batch)" if kind == "penalty" else "f(batch) or f(y_true, y_pred)"
    taken = f"({', '.join(wanted)})" if wanted else "no argument"
    text = f"the workload's {kind} {name!r} should be {forms}, and it takes {taken}"
    raise PreflightError("bad_workload", f"{text}; other arguments need a default, or a value in `config`", _place(given))


def _again(name: str, at: str, metric: keras.metrics.Metric) -> keras.metrics.Metric:
    try:
        return type(metric).from_config(arguments_of(metric))
    except Exception as error:
        kind = type(metric).__name__
        text = f"the workload's metric {name!r}: a {kind} cannot be made again from its get_config(); give the class in its place"
        raise PreflightError("bad_workload", text, at) from error


def _no_config(kind: str, name: str, at: str, config: Collection[str]) -> None:
    if config:
        text = f"the workload's {kind} {name!r} is an object, made with its arguments: `config` cannot set {listed(config)}"
        raise PreflightError("bad_workload", f"{text}; give its class or a function in its place", f"{at}.config")


def _place(function: Any) -> str | None:
    """Return `file.py:12`, where a function is defined, if that is known."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code is not None else None
