"""Definitions to start from are good ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.validation.normalize import normalise
from steelyard import study_templates

EXAMPLES = Path(__file__).parents[2] / "examples"


def spec(*shape: int | None, dtype: str = "float32") -> dict[str, object]:
    return {"shape": [None, *shape], "dtype": dtype}


def accepted(published: dict[str, object]) -> dict[str, object]:
    """Make a starter that the service accepts for the workload it is made for."""
    made = study_templates.for_workload("own", published)
    normalise(made, workloads={"own": published})
    return made


def test_the_flagship_is_the_example():
    assert study_templates.digits() == json.loads((EXAMPLES / "digits.json").read_text())


def test_the_flagship_is_a_copy():
    study_templates.digits()["tasks"].clear()
    assert study_templates.digits()["tasks"]


@pytest.mark.parametrize(
    ("output", "target", "loss", "metric"),
    [
        (spec(10), spec(dtype="int32"), "sparse_categorical_crossentropy", "sparse_categorical_accuracy"),
        (spec(10), spec(1, dtype="int64"), "sparse_categorical_crossentropy", "sparse_categorical_accuracy"),
        (spec(10), spec(10, dtype="uint8"), "categorical_crossentropy", "categorical_accuracy"),
        (spec(1), spec(1, dtype="int32"), "binary_crossentropy", "binary_accuracy"),
        (spec(8, 8, 1), spec(8, 8, 1, dtype="bool"), "binary_crossentropy", "binary_accuracy"),
        (spec(1), spec(1), "mean_squared_error", "mae"),
        (spec(64), spec(64), "mean_squared_error", "mae"),
    ],
)
def test_losses_and_metrics_are_guessed_by_shape_and_type(output, target, loss, metric):
    made = accepted({"outputs": {"a": output, "b": spec(1)}, "targets": {"a": target, "b": spec(1)}})
    assert (made["tasks"][0]["losses"][0]["loss"], made["tasks"][0]["metrics"]) == (loss, [metric])


def test_the_first_weight_is_fixed_and_the_others_are_searched():
    made = accepted({"outputs": {"a": spec(1), "b": spec(1)}, "targets": {"a": spec(1), "b": spec(1)}})
    assert [task["losses"][0]["weight"] for task in made["tasks"]] == [1.0, {"low": 0.01, "high": 100, "current": 1.0}]


def test_a_single_output_reads_the_single_target_whatever_its_name():
    made = accepted({"outputs": {"out": spec(1)}, "targets": {"y": spec(1)}})
    assert made["tasks"][0]["target"] == "y"


def test_the_workloads_own_terms_are_used_or_named():
    two = {"a": spec(1), "b": spec(1)}
    made = accepted({"outputs": two, "targets": two, "penalties": ["order"], "losses": ["margin"], "metrics": []})
    assert [penalty["penalty"] for penalty in made["penalties"]] == ["order"]
    assert "own losses: margin." in made["description"]


def test_the_demo_s_study_is_the_example_with_fewer_trials_and_seeds():
    example = json.loads((EXAMPLES / "digits_overlay.json").read_text())
    made = study_templates.overlay()
    for part in ("workload", "tasks", "objective", "training"):
        assert made[part] == example[part]
    assert made["search"]["trials"] < example["search"]["trials"]
