"""Compare the catalog with the installed Keras and Optuna: names, parameters, defaults, directions, signs, stacking."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import numpy as np
import optuna
import pytest
from keras.src.utils.naming import to_snake_case

from search import catalog
from search.catalog.losses import LOSS_ALIASES
from search.catalog.metrics import METRIC_ALIASES

NO_LOSSES = {"Loss"}
NO_METRICS = {"Metric", "Mean", "Sum", "MeanMetricWrapper", "Accuracy"}
NO_OPTIMIZERS = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
ROWS, WIDTH = 64, 5


def classes(module: Any, base: type) -> set[str]:
    found = ((name, getattr(module, name)) for name in dir(module))
    return {name for name, value in found if inspect.isclass(value) and issubclass(value, base)}


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def defaults_in_library(cls: type) -> dict[str, Any]:
    arguments = inspect.signature(cls).parameters.values()
    return {
        argument.name: catalog.REQUIRED if argument.default is argument.empty else plain(argument.default)
        for argument in arguments
        if argument.kind not in (argument.VAR_KEYWORD, argument.VAR_POSITIONAL)
    }


def assert_same_parameters(entry: catalog.Entry, cls: type) -> None:
    in_library = defaults_in_library(cls)
    assert {parameter.name for parameter in entry.parameters} | set(entry.owned) == set(in_library)
    for parameter in entry.parameters:
        if parameter.default is catalog.FROM_OUTPUT:
            assert in_library[parameter.name] is catalog.REQUIRED
        else:
            assert plain(parameter.default) == in_library[parameter.name], parameter.name


def test_the_catalog_has_every_loss_of_keras() -> None:
    assert {entry.keras_class for entry in catalog.LOSSES} == classes(keras.losses, keras.losses.Loss) - NO_LOSSES


def test_the_catalog_has_every_metric_of_keras() -> None:
    assert {entry.keras_class for entry in catalog.METRICS} == classes(keras.metrics, keras.metrics.Metric) - NO_METRICS


def test_the_catalog_has_every_optimizer_of_keras() -> None:
    assert {entry.keras_class for entry in catalog.OPTIMIZERS} == classes(
        keras.optimizers, keras.optimizers.Optimizer
    ) - NO_OPTIMIZERS


@pytest.mark.parametrize("entry", [*catalog.LOSSES, *catalog.METRICS], ids=lambda entry: f"{type(entry).__name__}:{entry.name}")
def test_losses_and_metrics_are_named_as_keras_names_them(entry: catalog.Entry) -> None:
    assert entry.name == to_snake_case(entry.keras_class)


@pytest.mark.parametrize("entry", catalog.LOSSES, ids=lambda entry: entry.name)
def test_a_loss_has_the_parameters_and_defaults_of_keras(entry: catalog.LossEntry) -> None:
    cls = getattr(keras.losses, str(entry.keras_class))
    assert_same_parameters(entry, cls)
    assert entry.knows_logits == ("from_logits" in inspect.signature(cls).parameters)


@pytest.mark.parametrize("entry", catalog.METRICS, ids=lambda entry: entry.name)
def test_a_metric_has_the_parameters_and_defaults_of_keras(entry: catalog.MetricEntry) -> None:
    cls = getattr(keras.metrics, str(entry.keras_class))
    assert_same_parameters(entry, cls)
    assert entry.takes_from_logits == ("from_logits" in inspect.signature(cls).parameters)


@pytest.mark.parametrize("entry", catalog.OPTIMIZERS, ids=lambda entry: entry.name)
def test_an_optimizer_has_the_parameters_and_defaults_of_keras(entry: catalog.OptimizerEntry) -> None:
    assert_same_parameters(entry, getattr(keras.optimizers, str(entry.keras_class)))


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("tpe", optuna.samplers.TPESampler),
        ("gp", optuna.samplers.GPSampler),
        ("cmaes", optuna.samplers.CmaEsSampler),
        ("qmc", optuna.samplers.QMCSampler),
    ],
)
def test_a_sampler_has_the_parameters_and_defaults_of_optuna(name: str, cls: type) -> None:
    entry = catalog.find_sampler(name)
    assert entry is not None
    assert_same_parameters(entry, cls)


def test_every_name_that_keras_takes_for_a_loss_is_an_alias() -> None:
    for name, value in keras.src.losses.ALL_OBJECTS_DICT.items():
        if name not in ("Loss", "LossFunctionWrapper"):
            found = catalog.find_loss(name)
            assert found is not None, name
            assert found.name == to_snake_case(value.__name__)
    assert set(LOSS_ALIASES) <= set(keras.src.losses.ALL_OBJECTS_DICT)


def test_every_name_that_keras_takes_for_a_metric_is_known() -> None:
    left_out = NO_METRICS | {to_snake_case(name) for name in NO_METRICS}
    for name, cls in keras.src.metrics.ALL_OBJECTS_DICT.items():
        if name not in left_out:
            found = catalog.find_metric(name)
            assert found is not None, name
            assert found.keras_class == cls.__name__
    assert set(METRIC_ALIASES.values()) <= {entry.name for entry in catalog.METRICS}


def a_metric(entry: catalog.MetricEntry) -> Any:
    needed = {name: [0] if name == "target_class_ids" else 0.5 for name in entry.needs}
    return getattr(keras.metrics, str(entry.keras_class))(**catalog.keras_arguments(entry, needed, width=WIDTH))


@pytest.mark.parametrize("entry", catalog.METRICS, ids=lambda entry: entry.name)
def test_a_metrics_direction_is_the_one_that_keras_states(entry: catalog.MetricEntry) -> None:
    stated = {"up": "maximize", "down": "minimize"}.get(getattr(a_metric(entry), "_direction", None) or "")
    assert stated in (None, entry.direction)


def targets(labels: str, generator: np.random.Generator) -> np.ndarray[Any, Any]:
    if labels == "integer":
        return generator.integers(0, WIDTH, ROWS)
    if labels == "one_hot":
        return np.eye(WIDTH, dtype="float32")[generator.integers(0, WIDTH, ROWS)]
    if labels == "binary":
        return generator.integers(0, 2, (ROWS, WIDTH)).astype("float32")
    if labels == "sequence":
        return generator.integers(1, WIDTH, (ROWS, 2))
    return generator.poisson(3.0, (ROWS, WIDTH)).astype("float32")


def predictions(entry: catalog.LossEntry, generator: np.random.Generator) -> np.ndarray[Any, Any]:
    shape = (ROWS, 6, WIDTH) if entry.labels == "sequence" else (ROWS, WIDTH)
    raw: np.ndarray[Any, Any] = generator.normal(size=shape).astype("float32")
    if entry.name == "circle":
        raw /= np.linalg.norm(raw, axis=1, keepdims=True)
    elif entry.labels == "continuous":
        raw = np.exp(raw) * 3
    elif not entry.takes_raw_output:
        raw = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    return raw


@pytest.mark.parametrize("entry", catalog.LOSSES, ids=lambda entry: entry.name)
def test_a_loss_is_negative_somewhere_only_if_the_catalog_says_so(entry: catalog.LossEntry) -> None:
    generator = np.random.default_rng(0)
    loss = getattr(keras.losses, str(entry.keras_class))(reduction=None)
    values = np.asarray(loss(targets(entry.labels, generator), predictions(entry, generator)))
    assert np.isfinite(values).all()
    assert (values.min() < -1e-6) == entry.can_be_negative


@pytest.mark.parametrize("entry", catalog.LOSSES, ids=lambda entry: entry.name)
def test_a_loss_couples_rows_only_if_the_catalog_says_so(entry: catalog.LossEntry) -> None:
    generator = np.random.default_rng(0)
    loss = getattr(keras.losses, str(entry.keras_class))(reduction=None)
    y, p = targets(entry.labels, generator), predictions(entry, generator)
    alike = np.array([0, 1, 2, *range(ROWS // 2, ROWS)])
    whole, part = np.asarray(loss(y, p)), np.asarray(loss(y[alike], p[alike]))
    coupled = whole.ndim == 0 or not np.allclose(whole[:3], part[:3], rtol=1e-5)
    assert coupled == entry.batch_statistic


def trained(
    entry: catalog.OptimizerEntry, options: dict[str, Any], values: np.ndarray[Any, Any], gradients: list[np.ndarray[Any, Any]]
) -> np.ndarray[Any, Any]:
    optimizer = getattr(keras.optimizers, str(entry.keras_class))(learning_rate=0.1, **options)
    variable = keras.Variable(values, name="kernel")
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return np.asarray(variable)


def trains_stacked_as_apart(entry: catalog.OptimizerEntry, options: dict[str, Any]) -> bool:
    generator = np.random.default_rng(0)
    settings = generator.normal(size=(2, 3, 4)).astype("float32") * np.array([1, 10], dtype="float32")[:, None, None]
    gradients = [generator.normal(size=(2, 3, 4)).astype("float32") for _ in range(4)]
    stacked = trained(entry, options, settings, gradients)
    apart = np.stack([trained(entry, options, settings[k], [gradient[k] for gradient in gradients]) for k in range(2)])
    return np.allclose(stacked, apart, rtol=1e-6)


@pytest.mark.parametrize("entry", catalog.OPTIMIZERS, ids=lambda entry: entry.name)
def test_an_optimizer_trains_stacked_as_apart_only_if_it_is_elementwise(entry: catalog.OptimizerEntry) -> None:
    assert trains_stacked_as_apart(entry, {}) == entry.elementwise


@pytest.mark.parametrize(
    "options",
    [
        {"clipnorm": 0.1},
        {"global_clipnorm": 0.1},
        {"clipvalue": 0.1},
        {"weight_decay": 0.1},
        {"use_ema": True, "ema_overwrite_frequency": 2},
        {"gradient_accumulation_steps": 2},
        {"nesterov": True, "momentum": 0.9},
    ],
    ids=lambda options: next(iter(options)),
)
def test_an_option_ends_stacking_only_if_the_catalog_says_so(options: dict[str, Any]) -> None:
    sgd = catalog.find_optimizer("sgd")
    assert sgd is not None
    assert trains_stacked_as_apart(sgd, options) == sgd.stacks(options)
