"""What a workload is: a named problem, that is data, a model, and own terms if any.

A class, an instance or a module will do:

    class Ads:
        class Options(pydantic.BaseModel):          # optional: what a study may set
            width: int = 32

        def __init__(self, options): ...            # a class with Options gets them, validated
        def build_model(self): ...                  # a keras.Model with named outputs, new at each call
        def load_data(self): ...                    # Data, or {"train": (x, y), "validation": (x, y), "test": (x, y)}
        losses = {"margin": margin}                 # optional: own terms by name; so penalties and metrics

Own losses and metrics are f(batch), or what `compile` takes: f(y_true, y_pred), a keras.losses.Loss, a keras.metrics.Metric, or its
class. Own penalties are f(batch).

A module or an instance with `Options` gets them as the argument of `build_model` and `load_data`, where those take one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ValidationError

from search.errors import PreflightError, shown
from search.names import listed
from search.workloads.blame import one_line, place_of

TERM_KINDS = ("losses", "penalties", "metrics")

Arrays = Any
"""One array, or a dict of arrays by name; every array has one row an example on its first axis."""

Split = tuple[Arrays, Arrays] | tuple[Arrays, Arrays, Arrays]
"""(x, y) or (x, y, sample_weight). A sample_weight is one array for all outputs, or a dict by output or target."""


@dataclass(frozen=True)
class Data:
    """A workload's rows. `test` may be left out as long as nothing is confirmed.

    `extra` are point sets without targets, such as collocation points: an array [points, ...], or (array, batch_size). Terms find a
    batch of each in `batch.extra`.
    """

    train: Split
    validation: Split
    test: Split | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Workload(Protocol):
    """What Steelyard calls. `losses`, `penalties`, `metrics` (dicts by name) and `Options` are optional."""

    def build_model(self) -> Any:
        """Return a new, uncompiled `keras.Model` with named outputs. Called under the trial's seed, which it must not set itself.

        What it sets of Keras for the whole process holds for this workload alone; every call finds what load_data() left.
        """

    def load_data(self) -> Data | Mapping[str, Any]:
        """Return the rows. Called once per process and set of options; it must give the same rows each time."""


@dataclass(frozen=True)
class ResolvedWorkload:
    """A workload with its options: one form for classes, instances and modules."""

    name: str
    build_model: Callable[[], Any]
    load_data: Callable[[], Any]
    losses: Mapping[str, Callable[..., Any]]
    penalties: Mapping[str, Callable[..., Any]]
    metrics: Mapping[str, Callable[..., Any]]


def bind(name: str, source: Any, options: Mapping[str, Any]) -> ResolvedWorkload:
    """Return the workload `source` with `options`.

    Raises PreflightError for options that do not fit its `Options`, and for a source that lacks what a workload needs.
    """
    given = _validated(name, source, options)
    workload = _instance(name, source, given) if inspect.isclass(source) else source
    takes = None if inspect.isclass(source) else given
    terms = {kind: own_terms(name, workload, kind) for kind in TERM_KINDS}
    return ResolvedWorkload(
        name, _method(name, workload, "build_model", takes), _method(name, workload, "load_data", takes), **terms
    )


def options_schema(source: Any) -> dict[str, Any]:
    """Return the JSON schema of the workload's options: that of no options at all where it declares none."""
    model = getattr(source, "Options", None)
    if model is None:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    return dict(model.model_json_schema())


def _validated(name: str, source: Any, options: Mapping[str, Any]) -> BaseModel | None:
    model = getattr(source, "Options", None)
    if model is None:
        if options:
            raise PreflightError("bad_options", f"workload {name!r} takes no options, got {listed(options)}", "workload.options")
        return None
    if not (inspect.isclass(model) and issubclass(model, BaseModel)):
        raise PreflightError("bad_workload", f"workload {name!r}: Options should be a pydantic BaseModel, got {shown(model)}")
    unknown = [] if model.model_config.get("extra") == "allow" else [key for key in options if key not in model.model_fields]
    if unknown:
        text = f"workload {name!r} has no option {unknown[0]!r}, only {listed(model.model_fields)}"
        raise PreflightError("bad_options", text, f"workload.options.{unknown[0]}")
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in ("workload.options", *first["loc"]))
        raise PreflightError("bad_options", f"workload {name!r}: {first['msg']}, got {shown(first['input'])}", place) from None


def _instance(name: str, source: Any, given: BaseModel | None) -> Any:
    try:
        return source() if given is None else source(given)
    except Exception as error:
        raise PreflightError(
            "workload_failed", f"workload {name!r} could not be made: {one_line(error)}", place_of(error)
        ) from error


def _method(name: str, workload: Any, method: str, given: BaseModel | None) -> Callable[[], Any]:
    found = getattr(workload, method, None)
    if not callable(found):
        raise PreflightError("bad_workload", f"workload {name!r} lacks {method}(): a workload needs build_model() and load_data()")
    if given is not None and _takes_argument(found):
        return lambda: found(given)
    return found  # type: ignore[no-any-return]


def _takes_argument(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD) for parameter in parameters)


def own_terms(name: str, workload: Any, kind: str) -> Mapping[str, Callable[..., Any]]:
    """Return a workload's own `losses`, `penalties` or `metrics` by name. Raises PreflightError for anything else."""
    found = getattr(workload, kind, None) or {}
    if not isinstance(found, Mapping) or not all(isinstance(key, str) and callable(term) for key, term in found.items()):
        raise PreflightError("bad_workload", f"workload {name!r}: {kind} should be a dict of functions by name, got {shown(found)}")
    return dict(found)
