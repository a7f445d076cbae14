"""The values by which samplers observe trials, and that no extreme score spoils it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.definition.schema import Objective
from search.sampling.observations import directions, floored, observed_values, without_extremes
from search.sampling.suggest import DrawIndex, suggest
from storage.records import TrialRecord, TrialState
from tests.search.definitions import changed, define, study
from tests.search.histories import trial
from tests.search.sampling.test_suggest import LOG

PARETO = Objective.model_validate(
    {
        "aggregate": "pareto",
        "metrics": [
            {"metric": "a", "direction": "maximize"},
            {"metric": "kept", "direction": "maximize", "strategy": "constraint", "at_least": 0.5},
            {"metric": "b", "direction": "minimize"},
        ],
    }
)
MEAN = PARETO.model_copy(update={"aggregate": "mean"})


# What is observed


def test_a_front_s_trial_is_observed_with_its_optimised_metrics_in_their_order() -> None:
    record = trial(3, value=None, values={"b": 2.0, "kept": 1.0, "a": 0.5})
    assert observed_values(PARETO, [record]) == {3: (0.5, 2.0)}
    assert directions(PARETO) == ["maximize", "minimize"]


def test_any_other_trial_is_observed_with_its_one_value_that_is_maximised() -> None:
    assert observed_values(MEAN, [trial(3, value=0.25, values={"a": 1.0, "b": 2.0})]) == {3: (0.25,)}
    assert directions(MEAN) == ["maximize"]


@pytest.mark.parametrize("values", [{"a": math.nan, "b": 1.0}, {"a": 1.0, "b": math.inf}, {"a": 1.0}, {}])
def test_a_trial_that_lacks_a_finite_number_is_not_observed(values: dict[str, float]) -> None:
    assert observed_values(PARETO, [trial(0, value=None, values=values)]) == {}


@pytest.mark.parametrize("state", [state for state in TrialState if state is not TrialState.COMPLETE])
def test_only_a_complete_trial_is_worth_anything(state: TrialState) -> None:
    assert observed_values(MEAN, [trial(0, state=state, value=1.0)]) == {}


# Extreme scores


def test_a_value_far_below_the_others_is_observed_as_three_interquartile_ranges_below_the_first_quartile() -> None:
    values = [-44_575.0, 1.0, 2.0, 3.0, 4.0]  # Q1 = 1, Q3 = 3
    assert floored(values) == [1 - 3 * (3 - 1), 1.0, 2.0, 3.0, 4.0]


def test_a_value_far_above_the_others_stays() -> None:
    assert floored([1.0, 2.0, 3.0, 4.0, 44_575.0]) == [1.0, 2.0, 3.0, 4.0, 44_575.0]


@pytest.mark.parametrize("values", [[], [5.0], [-1e9, 0.0], [0.0, 0.0, 0.0, -9.0], [1e308, -1e308, 0.0, 1.0]])
def test_nothing_changes_without_a_measure_of_what_is_usual(values: list[float]) -> None:
    assert floored(values) == values


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_values_are_raised_to_numpy_s_bound_and_otherwise_kept(values: list[float]) -> None:
    first, third = np.percentile(values, [25, 75])
    raised = floored(values)
    for before, after in zip(values, raised, strict=True):
        bound = pytest.approx(first - 3 * (third - first), abs=1e-12 * max(map(abs, values)))  # a difference of large numbers
        assert after == before or (before < after and after == bound)
    order = [i for i, (before, after) in enumerate(zip(values, raised, strict=True)) if before == after]
    assert sorted(order, key=values.__getitem__) == sorted(order, key=raised.__getitem__)


def test_each_metric_of_a_front_is_bounded_on_its_worse_side() -> None:
    observed = {i: (float(i), float(i)) for i in range(1, 5)} | {9: (-1e5, 1e5)}
    assert without_extremes(observed, ["maximize", "minimize"])[9] == (1 - 3 * 2, 4 + 3 * 2)


def test_without_observations_nothing_is_bounded() -> None:
    assert without_extremes({}, ["maximize", "minimize"]) == {}


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes"])
@pytest.mark.parametrize("aggregate", ["mean", "pareto"])
def test_samplers_that_model_values_never_hear_an_extreme_one(
    sampler: str, aggregate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = hearing(sampler, monkeypatch)
    document = changed(study(LOG, LOG), {"objective.aggregate": aggregate, "search.sampler": {"name": "tpe"}})
    definition = define(document)
    search = definition.search.model_copy(update={"sampler": definition.search.sampler.model_copy(update={"name": sampler})})
    numbers = [*range(1, 9), 44_575]
    records = [_record(i, float(number)) for i, number in enumerate(numbers)]
    suggest(definition.model_copy(update={"search": search}), records, DrawIndex(len(records), len(records)), 1)
    worst = [max(map(abs, observed.values)) for observed in heard()]
    assert worst == pytest.approx([*range(1, 9), 7 + 3 * (7 - 3)])  # Q1 = 3, Q3 = 7 of what is minimised


def _record(number: int, error: float) -> TrialRecord:
    return trial(number, {"t0.error": 1.0, "t1.error": 1.0}, value=-error, values={"t0.mse": error, "t1.mse": error})


def hearing(sampler: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Sequence[optuna.trial.FrozenTrial]]:
    """Put a listener in a sampler's place; gives what returns the trials that it observed."""
    heard: list[optuna.trial.FrozenTrial] = []

    class Listener(optuna.samplers.RandomSampler):
        def before_trial(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            heard[:] = study.get_trials()[:-1]

    monkeypatch.setattr("search.sampling.suggest.implementation", lambda kind, entry: lambda config, seed: Listener(seed))
    return lambda: heard
