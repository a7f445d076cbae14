"""The problems mean the same to the service and to a script."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import problems, workloads
from benchmarks.problems import Problem
from search.definition.space import SearchSpace
from search.planning.baselines import baselines
from search.validation import normalize

ALL = (
    problems.digits_mlp(),
    problems.digits_cnn(),
    problems.multi_mnist(),
    problems.big_cnn(),
    problems.frozen_trunk(),
    problems.frozen_trunk(dropout=0.1),
    problems.digits_mlp(quick=True),
    problems.multi_mnist(quick=True),
    problems.balanced_overlay(),
    problems.balanced_multi_mnist(),
    problems.twins(),
)


@pytest.mark.parametrize("problem", ALL, ids=lambda problem: f"{problem.name}-{problem.trials}")
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_service_takes_the_definition_and_runs_as_many_trials(problem: Problem, sampler: str) -> None:
    definition = normalize.normalise(problem.definition(sampler=sampler), workloads={problem.workload: None}).definition

    assert SearchSpace(definition).trial_budget() == problem.trials
    assert baselines(definition) == {}
    assert {term.path for term in SearchSpace(definition).terms} == {f"{task.name}.{problems.LOSS}" for task in problem.tasks}


def test_a_grid_has_as_many_points_as_the_search_has_trials() -> None:
    definition = normalize.normalise(problems.digits_mlp().definition(sampler="grid"), workloads={"digits": None}).definition

    assert SearchSpace(definition).trial_budget() == 64


def test_a_grid_over_one_weight_has_as_many_points_as_the_search_has_trials() -> None:
    definition = normalize.normalise(
        problems.balanced_overlay().definition(sampler="grid", trials=15), workloads={"digits-overlay": None}
    ).definition

    assert SearchSpace(definition).trial_budget() == 15
    assert list(SearchSpace(definition).weights) == ["left.term"]


def test_random_weights_lie_in_the_ranges_and_repeat_for_a_seed() -> None:
    problem = problems.digits_mlp()
    drawn = problem.random_weights(50, seed=3)

    assert drawn == problem.random_weights(50, seed=3)
    assert all(task.low <= weights[task.name] <= task.high for weights in drawn for task in problem.tasks)


def test_the_value_of_a_script_is_the_mean_with_the_signs_of_the_directions() -> None:
    logs = {"val_left_sparse_categorical_accuracy": 0.9, "val_right_mean_squared_error": 0.3}

    assert problems.multi_mnist().value(logs) == pytest.approx((0.9 - 0.3) / 2)


def test_overlaid_digits_keep_the_greater_value_and_the_right_one_is_the_target(tmp_path: Path) -> None:
    images = np.zeros((63, 28, 28), np.uint8)
    images[:, 0, 0], images[:, 14, 14], images[:, 27, 27] = 200, 100, 250
    np.savez(tmp_path / "mnist.npz", X=images, y=np.arange(70) % 10)

    data = workloads.MultiMnist(workloads.MultiMnistOptions(file=str(tmp_path / "mnist.npz"), rows=5)).load_data()
    canvas, targets = data.train

    def pixels(values: np.ndarray) -> np.ndarray:
        return np.rint((values * workloads.SPREAD + workloads.MEAN) * 255)

    assert canvas.shape == (5, 28, 28, 1)
    assert targets["right"].shape == (5, 784)
    assert targets["left"].shape == (5,)
    assert pixels(canvas[0, 0, 0, 0]) == 200  # the left digit's corner
    assert set(np.unique(pixels(canvas[0]))) <= {0.0, 100.0, 200.0, 250.0}
    assert (pixels(targets["right"][0]).reshape(28, 28) == images[0]).all()
