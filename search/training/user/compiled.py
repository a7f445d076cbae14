"""What `compile` was called with, as Keras itself reads it: each output's losses, weights and metrics, and the optimizer.

For outputs `{"topic", "sentiment"}` the output dict, `output_names` and Keras's lists have three different orders; so Keras's own
code matches losses, weights and metrics with outputs, on a few rows of the user's data.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import keras
import numpy as np

from search.catalog import Entry, find_loss, find_metric, find_optimizer
from search.catalog.entries import Marker
from search.errors import PreflightError
from search.names import listed
from search.training.problem.keras_private import (
    arguments_of,
    excludes_from_decay,
    function_of_loss,
    function_of_mean,
    graph_of,
    layers_of,
    names_of_inputs,
    resolved_losses,
    resolved_metrics,
)
from search.training.problem.own_forms import BY_VALUE
from search.training.user.brought import KeptObject


@dataclass(frozen=True)
class CompiledLoss:
    """A loss of an output: the catalog's `loss` with its `config`, or the user's `own`; `weight` is that of today."""

    name: str
    loss: str
    config: Mapping[str, Any] = field(default_factory=dict)
    own: Any = None
    weight: float = 1.0
    from_logits: bool | None = None  # None: it does not know logits


@dataclass(frozen=True)
class CompiledMetric:
    """A metric of an output: the catalog's `metric` with its `config`, or the user's `own`.

    keras_name: its name in a history of `fit`, without the output's.
    """

    name: str
    metric: str
    config: Mapping[str, Any] = field(default_factory=dict)
    own: Any = None
    from_logits: bool = False  # it says that it reads logits
    keras_name: str = ""


@dataclass(frozen=True)
class Head:
    """One output of the model. `key` is its name in a study; `compile_key` the one that `compile` takes."""

    key: str
    compile_key: str
    shape: tuple[int | None, ...]
    losses: tuple[CompiledLoss, ...] = ()
    metrics: tuple[CompiledMetric, ...] = ()


@dataclass(frozen=True)
class Ports:
    """The names of a model's outputs, in the order in which Keras flattens them: in a study, and as `compile` takes them."""

    outputs: tuple[str, ...]
    compile_outputs: tuple[str, ...]


def _bad(text: str, at: str) -> PreflightError:
    return PreflightError("bad_call", text, at)


def without_numbers(names: Sequence[str], model: Any) -> tuple[str, ...]:
    """Return the names with Keras's automatic numbers replaced by those of a first model: dense_7, dense_8 are dense, dense_1."""
    automatic = {layer.name: _snake(type(layer).__name__) for layer in layers_of(model)}
    counts: dict[str, int] = {}
    found = []
    for name in names:
        base = automatic.get(name, "input_layer" if name.startswith("input_layer") else "")
        if base and re.fullmatch(re.escape(base) + r"(_\d+)?", name):
            number = counts.get(base, 0)
            counts[base] = number + 1
            name = f"{base}_{number}" if number else base
        found.append(name)
    return tuple(found)


def _snake(name: str) -> str:
    spaced = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", spaced).lower()


def input_names(model: Any) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Return the names of a model's inputs in a study, None where there is one without a name, and Keras's own for them."""
    graph = graph_of(model)
    if graph is None:
        return None, ()
    if isinstance(graph[0], Mapping):
        keys = tuple(str(path[-1]) for path, _ in keras.tree.flatten_with_path(graph[0]))
        return keys, keys
    given = tuple(names_of_inputs(model))
    return (without_numbers(given, model) if len(given) > 1 else None), given


def output_names(model: Any, predicted: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of a model's outputs in a study, and those that `compile` takes. predicted: what it gives for a few rows."""
    flat = keras.tree.flatten(predicted)
    if isinstance(predicted, Mapping):
        keys = tuple(str(path[-1]) for path, _ in keras.tree.flatten_with_path(predicted))
        if len(keys) != len(predicted):
            raise _bad("the model's outputs are nested; one level of names is needed, so flatten the output dict", "model")
        return keys, keys
    compiled = tuple(getattr(model, "output_names", None) or ())
    if not compiled and graph_of(model) is not None:
        compiled = (model.layers[-1].name,)
    if len(compiled) != len(flat):
        raise _bad("the model returns tensors without names: return a dict of outputs by name", "model")
    return without_numbers(compiled, model), compiled


def heads(model: Any, named: Ports, targets: Mapping[str, Any], predicted: Any, arguments: Mapping[str, Any]) -> tuple[Head, ...]:
    """Return each output with the losses, weights and metrics that `compile` gives it.

    targets: a few rows by output; an output that has none has no loss. arguments: `loss`, `loss_weights`, `metrics`,
    `weighted_metrics`, in compile's forms. Raises PreflightError for what cannot be searched as it is.
    """
    _require_outputs(arguments["loss_weights"], named)
    flat = keras.tree.flatten(predicted)
    truths = [_target(targets, name, tensor) for name, tensor in zip(named.outputs, flat, strict=True)]
    truth = keras.tree.pack_sequence_as(predicted, truths)
    names = list(getattr(model, "output_names", None) or []) or None
    losses: dict[str, list[CompiledLoss]] = {name: [] for name in named.outputs}
    metrics: dict[str, list[CompiledMetric]] = {name: [] for name in named.outputs}
    try:
        found = (
            []
            if arguments["loss"] is None
            else resolved_losses(arguments["loss"], arguments["loss_weights"], names, truth, predicted)
        )
        measured = resolved_metrics(arguments["metrics"], arguments["weighted_metrics"], names, truth, predicted)
    except (ValueError, KeyError, TypeError) as error:
        raise _bad(f"Keras cannot compile this: {_first_line(error)}", "compile") from error
    for path, loss, weight in found:
        losses[_output_of(path, named)].append(_compiled_loss(loss, 1.0 if weight is None else _weight(weight)))
    for key, several in measured:
        output = named.outputs[0] if key is None else _output_of((key,), named)
        metrics[output] += [replace(_compiled_metric(metric), keras_name=keras_name) for metric, keras_name in several]
    return tuple(
        Head(name, compiled, tuple(tensor.shape), tuple(_numbered(losses[name])), tuple(_numbered(metrics[name])))
        for name, compiled, tensor in zip(named.outputs, named.compile_outputs, flat, strict=True)
    )


def _require_outputs(loss_weights: Any, named: Ports) -> None:
    """Refuse a weight of no output, which Keras leaves out in silence."""
    unknown = (
        [key for key in loss_weights if key not in (*named.compile_outputs, *named.outputs)]
        if isinstance(loss_weights, Mapping)
        else []
    )
    if unknown:
        raise _bad(f"no output is called {listed(unknown)}; the model has {listed(named.compile_outputs)}", "loss_weights")


def _weight(given: Any) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        raise _bad(f"a number for each loss, got {given!r}", "loss_weights") from None


def _target(targets: Mapping[str, Any], name: str, predicted: Any) -> Any:
    return np.asarray(targets[name]) if name in targets else np.zeros(predicted.shape, np.float32)


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:400]


def _output_of(path: Sequence[Any], named: Ports) -> str:
    if not path:
        return named.outputs[0]
    key = path[0]
    if isinstance(key, int):
        return named.outputs[key]
    return named.outputs[(named.compile_outputs if key in named.compile_outputs else named.outputs).index(key)]


def _numbered(parts: Sequence[Any]) -> list[Any]:
    """Return losses or metrics with names that differ: the second of one name gets the number 2."""
    counts: dict[str, int] = {}
    found = []
    for part in parts:
        counts[part.name] = counts.get(part.name, 0) + 1
        found.append(replace(part, name=f"{part.name}_{counts[part.name]}") if counts[part.name] > 1 else part)
    return found


def legal(name: str, fallback: str) -> str:
    """Return a text as a name of a study: letters, digits, `_` and `-`."""
    found = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")[:48] or fallback
    return f"{found}_" if found in ("loss", "val_loss", "total", "objective", "number", "state") else found


def _compiled_loss(loss: Any, weight: float) -> CompiledLoss:
    function = function_of_loss(loss)
    if function is not None:
        entry = find_loss(getattr(function, "__name__", "")) if _of_keras(function) else None
        if entry is None:
            name = legal(getattr(function, "__name__", ""), "own_loss").replace("lambda", "own_loss")
            return CompiledLoss(name, _own_name(name, find_loss), own=function, weight=weight)
        return CompiledLoss(entry.name, entry.name, weight=weight, from_logits=False if entry.knows_logits else None)
    if loss.reduction not in BY_VALUE:
        text = f"{type(loss).__name__} has the reduction {loss.reduction!r}, so its value grows with the batch"
        raise _bad(f"{text}: leave the reduction at its default", "loss")
    entry = find_loss(type(loss).__name__) if _of_keras(type(loss)) else None
    if entry is None:
        name = legal(loss.name or "", type(loss).__name__)
        return CompiledLoss(name, _own_name(name, find_loss), own=KeptObject(type(loss), dict(vars(loss)), None), weight=weight)
    config = arguments_of(loss)
    logits = bool(config.pop("from_logits", False)) if entry.knows_logits else None
    return CompiledLoss(entry.name, entry.name, _changed(entry, config, "loss"), weight=weight, from_logits=logits)


def _compiled_metric(metric: Any) -> CompiledMetric:
    if type(metric) is keras.metrics.MeanMetricWrapper:
        function, arguments = function_of_mean(metric)
        entry = find_metric(getattr(function, "__name__", "")) if _of_keras(function) else None
        name = legal(without_number(metric.name, type(metric)), "metric")
        if entry is not None:
            logits = bool(arguments.get("from_logits"))
            return CompiledMetric(name, entry.name, _changed(entry, arguments, "metrics"), from_logits=logits)
        return CompiledMetric(name, _own_name(name, find_metric), own=partial(function, **arguments) if arguments else function)
    entry = find_metric(type(metric).__name__) if _of_keras(type(metric)) else None
    name = legal(without_number(metric.name, type(metric)), "metric")
    if entry is not None and entry.keras_class == type(metric).__name__:
        arguments = arguments_of(metric)
        if arguments.get("from_sorted_ids"):
            raise _bad(f"{type(metric).__name__}(from_sorted_ids=True) reads sorted ids: give a metric of probabilities", "metrics")
        logits = bool(arguments.get("from_logits"))
        return CompiledMetric(name, entry.name, _changed(entry, arguments, "metrics"), from_logits=logits)
    _require_comparing(metric)
    return CompiledMetric(name, _own_name(name, find_metric), own=_kept_metric(metric))


def _require_comparing(metric: Any) -> None:
    """Refuse a metric that `fit` cannot update with labels and predictions, `keras.metrics.Sum` above all."""
    try:
        inspect.signature(metric.update_state).bind(None, None, sample_weight=None)
    except TypeError:
        text = f"{type(metric).__name__} does not compare labels with predictions, and fit cannot take it either"
        way = "its update_state has to take (y_true, y_pred, sample_weight=None); or give a function of (y_true, y_pred)"
        raise _bad(f"the metric {text}: {way}", "metrics") from None


def _kept_metric(metric: Any) -> KeptObject:
    """Return a metric of the user's as its class and config. Refuses one that its config does not make again."""
    kind = type(metric)
    try:
        config = dict(metric.get_config())
        again = kind.from_config(dict(config))
    except Exception as error:
        raise _bad(
            f"the metric {kind.__name__} cannot be made again from its get_config(): {_first_line(error)}", "metrics"
        ) from error
    plain = (int, float, str, bool, tuple, type(None))
    lost = [name for name, value in vars(metric).items() if isinstance(value, plain) and vars(again).get(name, value) != value]
    lost = [name for name in lost if name not in ("name", "_name", "_path", "auto_name")]
    if lost:
        raise _bad(
            f"the get_config() of the metric {kind.__name__} leaves out {listed(lost)}: add it, or use a function", "metrics"
        )
    return KeptObject(kind, None, config)


def without_number(name: str, kind: type) -> str:
    """Return the name of an object without the number that Keras gave it: `auc_3` is `auc`."""
    base = _snake(kind.__name__)
    return base if re.fullmatch(re.escape(base) + r"_\d+", name) else name


def _own_name(name: str, find: Callable[[str], Any]) -> str:
    return f"own_{name}" if find(name) is not None or name in ("accuracy", "acc", "iou", "pr_auc") else name


def _of_keras(thing: Any) -> bool:
    return str(getattr(thing, "__module__", "")).split(".")[0] == "keras"


def _changed(entry: Entry, config: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Return what of a Keras config differs from the catalog's defaults. Refuses what the catalog does not have."""
    found = {}
    for parameter in entry.parameters:
        if parameter.name in config:
            value = _plain(config[parameter.name])
            if isinstance(parameter.default, Marker) or not _same(value, parameter.default):
                found[parameter.name] = value
    ignored = {*entry.owned, *(parameter.name for parameter in entry.parameters), "fn", "name", "dtype", "reduction"}
    for name, value in config.items():
        if name not in ignored and value is not None:
            raise _bad(f"{entry.keras_class}({name}={value!r}) is not supported", at)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | tuple | list):
        return [_plain(each) for each in value]
    return value


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, float) and isinstance(default, int | float) and not isinstance(default, bool):
        return abs(value - default) <= 1e-6 * max(abs(value), abs(default))  # float32 on its way
    if value == [] and default is None:
        return True  # as Muon's config has exclude_layers
    return bool(value == default or (isinstance(default, tuple) and value == list(default)))


def optimizer_config(given: Any) -> dict[str, Any]:
    """Return a Keras optimizer as a study's definition has it. Raises PreflightError for one that a study cannot have."""
    try:
        made = keras.optimizers.get(given)
    except (ValueError, TypeError) as error:
        raise _bad(_first_line(error), "optimizer") from error
    kind = type(made)
    entry = find_optimizer(kind.__name__) if _of_keras(kind) else None
    if entry is None:
        raise _bad(f"the optimizer {kind.__name__} {_why_unknown(made)}", "optimizer")
    config = dict(made.get_config())
    rate = config.get("learning_rate")
    if isinstance(rate, Mapping):
        name = rate.get("class_name", "a schedule")
        raise _bad(
            f"the learning rate is a schedule ({name}): schedules of the learning rate come later; give a number", "optimizer"
        )
    if excludes_from_decay(made):
        text = f"{kind.__name__} leaves variables out of its weight decay (exclude_from_weight_decay), and a study's decays all"
        raise _bad(f"{text}: give one that excludes none, or no weight_decay and regularizers in the layers", "optimizer")
    known = {parameter.name for parameter in entry.parameters}
    usual = {"name", "loss_scale_factor", "gradient_accumulation_steps", "use_ema", "ema_momentum", "ema_overwrite_frequency"}
    for name in usual - known - {"name", "ema_momentum", "ema_overwrite_frequency"}:
        if config.get(name):
            raise _bad(f"{kind.__name__}({name}={config[name]!r}) is not supported", "optimizer")
    config["learning_rate"] = _short(rate)
    return {"name": entry.name, "config": _changed(entry, {k: v for k, v in config.items() if k in known}, "optimizer")}


def _why_unknown(optimizer: Any) -> str:
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return "is for mixed precision, which comes later: give the optimizer inside of it"
    if _of_keras(type(optimizer)):
        return "is not supported"
    return "is not one of Keras's: the service makes a new one for each training"


def _short(rate: Any) -> Any:
    """Return a float32 rate as the shortest number that it stands for: 0.001, not 0.0010000000474974513."""
    return float(str(np.float32(rate))) if isinstance(rate, float) else rate
