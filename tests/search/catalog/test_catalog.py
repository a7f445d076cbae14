"""The catalog's lookups and checks. What it says of Keras is compared with Keras in `test_catalog_against_keras.py`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from search import catalog
from search.catalog import config_faults, find_loss, find_metric, find_optimizer, find_penalty, find_sampler, resolve_metric
from search.errors import Fault

EVERY_ENTRY = [
    *catalog.LOSSES,
    *catalog.METRICS,
    *catalog.OPTIMIZERS,
    *catalog.PENALTIES,
    *catalog.SAMPLERS,
    *catalog.AGGREGATES,
    *catalog.PRUNERS,
]


def loss(name: str) -> catalog.LossEntry:
    found = find_loss(name)
    assert found is not None
    return found


def metric(name: str) -> catalog.MetricEntry:
    found = find_metric(name)
    assert found is not None
    return found


def test_importing_the_catalog_imports_nothing_heavy() -> None:
    heavy = "{'keras', 'tensorflow', 'optuna', 'numpy', 'sqlalchemy', 'fastapi'}"
    code = f"import sys, search.catalog; print(sorted({heavy} & {{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["mse", "MSE", "mean_squared_error", "MeanSquaredError"])
def test_a_loss_is_found_by_each_of_its_keras_names(name: str) -> None:
    assert loss(name).name == "mean_squared_error"


@pytest.mark.parametrize("name", ["adam_w", "AdamW", "adamw", "ADAMW"])
def test_an_optimizer_is_found_in_any_case(name: str) -> None:
    found = find_optimizer(name)
    assert found is not None
    assert found.name == "adamw"


def test_what_does_not_exist_is_not_found() -> None:
    for find in (find_loss, find_metric, find_optimizer, find_penalty, find_sampler, catalog.find_aggregate, catalog.find_pruner):
        assert find("no_such_name") is None


@pytest.mark.parametrize(
    ("written", "meant", "names"),
    [
        ("categorical_cross_entropy", "categorical_crossentropy", catalog.LOSS_NAMES),
        ("Acuracy", "accuracy", catalog.METRIC_NAMES),
        ("addam", "adam", catalog.OPTIMIZER_NAMES),
        ("consistancy", "consistency", catalog.PENALTY_NAMES),
        ("tep", "tpe", catalog.SAMPLER_NAMES),
    ],
)
def test_a_misspelt_name_gives_the_one_that_was_meant(written: str, meant: str, names: tuple[str, ...]) -> None:
    assert catalog.did_you_mean(written, names) == meant


def test_a_very_long_name_is_compared_with_nothing() -> None:
    assert catalog.did_you_mean("adam" * 1000, catalog.OPTIMIZER_NAMES) is None


@pytest.mark.parametrize(
    ("losses", "name"),
    [
        (["sparse_categorical_crossentropy"], "sparse_categorical_accuracy"),
        (["categorical_crossentropy"], "categorical_accuracy"),
        (["bce"], "binary_accuracy"),
        (["dice", "sparse_categorical_crossentropy"], "sparse_categorical_accuracy"),
    ],
)
@pytest.mark.parametrize("accuracy", ["accuracy", "Accuracy", "acc"])
def test_accuracy_is_resolved_by_the_losses_of_the_task(accuracy: str, losses: list[str], name: str) -> None:
    assert resolve_metric(accuracy, losses) == (metric(name), {})


@pytest.mark.parametrize("losses", [[], ["mse"], ["dice"], ["circle"], ["the_workloads_own"]])
def test_accuracy_without_a_deciding_loss_is_a_fault_that_names_the_three(losses: list[str]) -> None:
    assert resolve_metric("accuracy", losses) is None
    assert "sparse_categorical_accuracy" in catalog.unresolved("accuracy", "tasks[0].metrics[0]").expected


def test_accuracy_is_never_the_class_accuracy() -> None:
    assert find_metric("accuracy") is None
    assert find_metric("Accuracy") is None


@pytest.mark.parametrize(
    ("name", "losses", "config", "resolved", "used"),
    [
        ("mse", [], {}, "mean_squared_error", {}),
        ("mae", [], {}, "mean_absolute_error", {}),
        ("r2", [], {}, "r2_score", {}),
        ("pr_auc", [], {"num_thresholds": 50}, "auc", {"curve": "PR", "num_thresholds": 50}),
        ("binary_iou", ["dice"], {}, "binary_io_u", {}),
        ("iou", ["dice"], {}, "binary_io_u", {"target_class_ids": [1]}),
        ("iou", ["dice", "sparse_categorical_crossentropy"], {}, "mean_io_u", {}),
        ("iou", ["sparse_categorical_crossentropy"], {"target_class_ids": [2]}, "io_u", {"target_class_ids": [2]}),
        ("f1", ["binary_crossentropy"], {}, "f1_score", {"average": "macro", "threshold": 0.5}),
        ("f1", ["sparse_categorical_crossentropy"], {}, "f1_score", {"average": "macro"}),
        ("f1_score", ["binary_crossentropy"], {"average": "micro"}, "f1_score", {"average": "micro", "threshold": 0.5}),
        ("sparse_categorical_accuracy", [], {}, "sparse_categorical_accuracy", {}),
    ],
)
def test_a_metric_is_resolved_with_what_its_name_implies(
    name: str, losses: list[str], config: dict[str, object], resolved: str, used: dict[str, object]
) -> None:
    assert resolve_metric(name, losses, config) == (metric(resolved), used)


def test_an_unknown_metric_is_a_fault_with_the_nearest_name() -> None:
    assert resolve_metric("binary_acuracy", ["bce"]) is None
    assert catalog.unresolved("binary_acuracy", "tasks[0].metrics[0]").did_you_mean == "binary_accuracy"


def test_a_right_config_has_no_faults() -> None:
    assert config_faults(loss("binary_crossentropy"), {"label_smoothing": 0.1, "axis": -1}, "config") == []
    assert config_faults(loss("categorical_focal_crossentropy"), {"alpha": [0.2, 0.8], "gamma": 2}, "config") == []


def test_a_misspelt_parameter_is_a_fault_that_names_those_there_are() -> None:
    [fault] = config_faults(loss("binary_crossentropy"), {"label_smothing": 0.1}, "tasks[0].losses[0].config")
    expected = "one of axis, label_smoothing (the parameters of binary_crossentropy)"
    assert fault == Fault("tasks[0].losses[0].config.label_smothing", expected, "'label_smothing'", "label_smoothing")


@pytest.mark.parametrize("name", ["name", "reduction", "dtype", "from_logits"])
def test_a_parameter_that_the_service_owns_is_refused_with_the_reason(name: str) -> None:
    [fault] = config_faults(loss("binary_crossentropy"), {name: None}, "config")
    assert fault.expected.startswith(f"no `{name}`")


@pytest.mark.parametrize(
    ("entry", "config"),
    [
        (loss("huber"), {"delta": "1"}),
        (loss("huber"), {"delta": True}),
        (loss("huber"), {"delta": None}),
        (loss("huber"), {"delta": 0}),
        (loss("huber"), {"delta": float("nan")}),
        (loss("huber"), {"delta": float("inf")}),
        (loss("circle"), {"remove_diagonal": 1}),
        (loss("sparse_categorical_crossentropy"), {"ignore_class": 1.5}),
        (loss("sparse_categorical_crossentropy"), {"ignore_class": 10**400}),
        (loss("dice"), {"axis": []}),
        (loss("dice"), {"axis": ["1"]}),
        (loss("binary_crossentropy"), {"label_smoothing": 1.5}),
        (metric("f1_score"), {"average": None}),
        (metric("auc"), {"thresholds": [0.5, 2.0]}),
        (metric("auc"), {"num_labels": 3}),
        (metric("mean_io_u"), {"num_classes": 10**9}),
        (find_penalty("covariance"), {"sign": 2}),
        (find_penalty("hierarchy"), {"reduce": "sum"}),
        (find_optimizer("adam"), {"clipnorm": 1.0, "clipvalue": 1.0}),
        (find_optimizer("adam"), {"learning_rate": -1}),
        (find_sampler("tpe"), {"seed": 3}),
        (find_sampler("tpe"), {"group": True, "multivariate": False}),
        (find_sampler("grid"), {"shuffle": True}),
    ],
)
def test_an_unfit_value_is_one_fault(entry: catalog.Entry, config: dict[str, object]) -> None:
    assert len(config_faults(entry, config, "config")) == 1


def test_a_misspelt_choice_gives_the_one_that_was_meant() -> None:
    penalty = find_penalty("consistency")
    assert penalty is not None
    [fault] = config_faults(penalty, {"form": "Absolut"}, "penalties[0].config")
    assert (fault.expected, fault.did_you_mean) == ("one of absolute, squared, jensen_shannon", "absolute")


def test_a_missing_required_parameter_is_a_fault() -> None:
    [fault] = config_faults(metric("precision_at_recall"), {}, "config")
    assert (fault.path, fault.got) == ("config.recall", "nothing")
    assert metric("precision_at_recall").needs == ("recall",)


def test_the_number_of_classes_is_the_outputs_width_unless_given() -> None:
    overlap = metric("mean_io_u")
    assert config_faults(overlap, {}, "config") == []
    assert catalog.keras_arguments(overlap, {}, width=7) == {"num_classes": 7}
    assert catalog.keras_arguments(overlap, {}, width=1) == {"num_classes": 2}
    assert catalog.keras_arguments(overlap, {"num_classes": 3}, width=7) == {"num_classes": 3}


def test_a_whole_number_reaches_keras_as_a_float_where_a_number_is_taken() -> None:
    beta = catalog.keras_arguments(metric("f_beta_score"), {"beta": 2})["beta"]
    assert isinstance(beta, float)
    axis = catalog.keras_arguments(loss("dice"), {"axis": 1})["axis"]
    assert isinstance(axis, int)


@pytest.mark.parametrize("option", ["clipnorm", "global_clipnorm"])
def test_clipping_by_a_norm_ends_stacking(option: str) -> None:
    adam = find_optimizer("adam")
    assert adam is not None
    assert adam.stacks({"learning_rate": 0.1, "clipvalue": 1.0})
    assert not adam.stacks({option: 1.0})
    assert adam.stacks({option: None})


@pytest.mark.parametrize("entry", EVERY_ENTRY, ids=lambda entry: f"{type(entry).__name__}:{entry.name}")
def test_every_default_fits_its_own_parameter(entry: catalog.Entry) -> None:
    defaults = {p.name: p.default for p in entry.parameters if not p.required and p.default is not catalog.FROM_OUTPUT}
    missing = {p.name for p in entry.parameters if p.required}
    faults = config_faults(entry, {name: value for name, value in defaults.items() if name != "average"}, "config")
    assert {fault.path.removeprefix("config.") for fault in faults} == missing


def test_the_document_is_json_and_every_entry_has_a_summary() -> None:
    document = json.loads(json.dumps(catalog.describe(), allow_nan=False))
    listed = [entry for kind, entries in document.items() if kind != "aliases" for entry in entries]
    assert len(listed) == len(EVERY_ENTRY) + len(catalog.WEIGHTING_RULES) + len(catalog.baseline_names())
    assert all(entry["summary"].endswith(".") for entry in listed)


def test_the_document_says_what_the_contract_promises_of_metrics_and_penalties() -> None:
    document = catalog.describe()
    auc = next(entry for entry in document["metrics"] if entry["name"] == "auc")
    assert (auc["direction"], auc["range"]) == ("maximize", [0.0, 1.0])
    covariance = next(entry for entry in document["penalties"] if entry["name"] == "covariance")
    assert (covariance["batch_statistic"], covariance["can_be_negative"]) == (True, False)
    assert "relu" in covariance["formula"]
