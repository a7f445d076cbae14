"""Suggestions: what they depend on, what the sampler observes, and that TPE rebuilt from rows is as good as a live one."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState as OptunaState

from search.definition.schema import StudyDefinition
from search.sampling.suggest import DrawIndex, Drawn, batch_limit, suggest
from storage.records import TrialRecord, TrialState, Values
from tests.search.definitions import Document, define, log_range, study
from tests.search.histories import trial

LOG = {"low": 1e-3, "high": 1e3}
RANDOM, TPE, GRID, CMAES, QMC, GP = ({"name": name} for name in ("random", "tpe", "grid", "cmaes", "qmc", "gp"))


def two_weights(sampler: Document = TPE, **search: Any) -> StudyDefinition:
    return define(study(LOG, LOG, sampler=sampler, **search))


def hill(parameters: Values) -> float:
    """Return a value to be maximised, with its top at 10^0.7 and 10^-1.2; quadratic in the logarithms."""
    first, second = parameters.values()
    return -((math.log10(first) - 0.7) ** 2 + (math.log10(second) + 1.2) ** 2)


def observed(definition: StudyDefinition, count: int, value: Callable[[Values], float] = hill) -> list[TrialRecord]:
    """Return the first `count` trials of a study, suggested one after another; fewer where there are fewer settings."""
    records: list[TrialRecord] = []
    for number in range(count):
        if not (suggested := suggest(definition, records, DrawIndex(number, number), 1)):
            break  # every setting is known
        drawn = suggested[0]
        records.append(trial(number, drawn.parameters, value=value(drawn.parameters), sampler_state=drawn.sampler_state))
    return records


class Listener(optuna.samplers.RandomSampler):
    """A sampler that keeps what it observed."""

    heard: Sequence[optuna.trial.FrozenTrial] = ()

    def before_trial(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        type(self).heard = study.get_trials()[:-1]


class Second(optuna.samplers.RandomSampler):
    """A sampler that always draws index 1."""

    def sample_independent(self, *args: Any, **kwargs: Any) -> int:
        return 1


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Sequence[optuna.trial.FrozenTrial]]:
    """Give a function that returns what Optuna observes of a study's trials."""
    monkeypatch.setattr("search.sampling.suggest.implementation", lambda kind, entry: lambda config, seed: Listener(seed))

    def hear(definition: StudyDefinition, records: Sequence[TrialRecord]) -> Sequence[optuna.trial.FrozenTrial]:
        suggest(definition, records, DrawIndex(len(records), len(records)), 1)
        return Listener.heard

    return hear


# What a suggestion depends on


def test_trials_that_were_observed_in_another_choice_before_are_observed_the_same() -> None:
    definition = two_weights()
    records = observed(definition, 30)
    anew = [replace(record) for record in records[10:]]
    expected = suggest(definition, anew, DrawIndex(30, 30), 4)
    suggest(definition, records, DrawIndex(30, 30), 4)
    assert suggest(definition, records[10:], DrawIndex(30, 30), 4) == expected


def test_a_trial_whose_worth_has_changed_is_observed_by_the_new_one(
    heard: Callable[..., Sequence[optuna.trial.FrozenTrial]],
) -> None:
    definition = two_weights()
    records = observed(definition, 8, value=lambda parameters: 1.0 + min(parameters.values()) / 1e4)
    before = [each.value for each in heard(definition, records)]
    far = [*records, replace(records[0], number=8, value=-1e6)]
    after = [each.value for each in heard(definition, far)]
    assert after[:8] == before
    assert -1e6 < (after[8] or 0.0) < 1.0  # pulled up to the others' fence, which is not theirs


def test_joint_tpe_suggests_what_optunas_own_does(monkeypatch: pytest.MonkeyPatch) -> None:
    definition = two_weights()
    records = observed(definition, 20)
    expected = [drawn.parameters for drawn in suggest(definition, records, DrawIndex(20, 20), 4)]
    monkeypatch.setattr("search.sampling.suggest._Tpe", optuna.samplers.TPESampler)
    assert [drawn.parameters for drawn in suggest(definition, records, DrawIndex(20, 20), 4)] == expected


@pytest.mark.parametrize("sampler", [RANDOM, TPE, CMAES, QMC])
def test_the_same_seed_number_and_history_give_the_same_suggestion(sampler: Document) -> None:
    definition = two_weights(sampler)
    records = observed(definition, 12)
    assert suggest(definition, records, DrawIndex(12, 12), 8) == suggest(definition, list(records), DrawIndex(12, 12), 8)


@pytest.mark.parametrize("sampler", [RANDOM, TPE, CMAES, QMC])
def test_the_order_in_which_history_is_read_does_not_matter(sampler: Document) -> None:
    definition = two_weights(sampler)
    records = observed(definition, 14)
    assert suggest(definition, records[::-1], DrawIndex(14, 14), 4) == suggest(definition, records, DrawIndex(14, 14), 4)


@pytest.mark.parametrize("sampler", [RANDOM, TPE, CMAES])
@pytest.mark.parametrize("finished", [0, 14])
def test_another_trial_number_gives_another_suggestion(sampler: Document, finished: int) -> None:
    definition = two_weights(sampler)
    records = observed(definition, finished)
    drawn = [suggest(definition, records, DrawIndex(number, finished), 1)[0].parameters["t0.error"] for number in range(20, 40)]
    assert len(set(drawn)) == 20


@pytest.mark.parametrize("sampler", [RANDOM, TPE, CMAES, QMC])
def test_another_study_seed_gives_another_suggestion(sampler: Document) -> None:
    first, second = (suggest(two_weights(sampler, seed=seed), [], DrawIndex(0, 0), 1) for seed in (0, 1))
    assert first != second


def test_a_random_suggestion_depends_on_no_history() -> None:
    definition = two_weights(RANDOM)
    assert suggest(definition, observed(definition, 12), DrawIndex(12, 12), 3) == suggest(definition, [], DrawIndex(12, 12), 3)


def test_tpe_learns_from_history() -> None:
    definition = two_weights()
    assert suggest(definition, observed(definition, 12), DrawIndex(12, 12), 1) != suggest(definition, [], DrawIndex(12, 12), 1)


@pytest.mark.parametrize("sampler", [RANDOM, TPE, CMAES, QMC])
def test_a_batch_goes_on_as_if_it_had_been_asked_for_in_parts(sampler: Document) -> None:
    definition = two_weights(sampler)
    records = observed(definition, 12)
    whole = suggest(definition, records, DrawIndex(12, 12), 6)
    running = [
        trial(12 + i, drawn.parameters, state=TrialState.WAITING, sampler_state=drawn.sampler_state)
        for i, drawn in enumerate(whole[:3])
    ]
    assert suggest(definition, [*records, *running], DrawIndex(15, 15), 3) == whole[3:]


def test_suggestions_of_a_batch_differ() -> None:
    definition = two_weights()
    assert (
        len({tuple(drawn.parameters.values()) for drawn in suggest(definition, observed(definition, 12), DrawIndex(12, 12), 8)})
        == 8
    )


# Where suggestions lie


@st.composite
def searched_weights(draw: st.DrawFn) -> Document:
    if draw(st.booleans()):
        return {"values": draw(st.lists(st.floats(0, 1e12), min_size=2, max_size=5, unique=True))}
    low = draw(st.floats(0, 1e6, allow_subnormal=False))
    high = max(low * draw(st.floats(1 + 1e-9, 1e6)), math.nextafter(low, math.inf), 1e-300)
    scale = draw(st.sampled_from(["log", "linear"] if low > 0 else ["linear"]))
    return {"low": low, "high": min(high, 1e12), "scale": scale}


@given(
    st.lists(searched_weights(), min_size=1, max_size=3),
    st.integers(0, 2**31 - 1),
    st.sampled_from(["random", "tpe", "cmaes", "qmc"]),
)
@settings(deadline=None, derandomize=True, max_examples=120)
def test_every_suggestion_lies_in_its_range_or_among_its_values(weights: list[Document], seed: int, name: str) -> None:
    definition = define(study(*weights, seed=seed, sampler={"name": name}))
    records = observed(definition, 14, value=lambda parameters: sum(parameters.values()) % 7)
    for record in records:
        for weight, value in zip(weights, record.parameters.values(), strict=True):
            assert value in weight["values"] if "values" in weight else weight["low"] <= value <= weight["high"]


def test_a_log_range_is_drawn_evenly_in_logarithms() -> None:
    definition = two_weights(RANDOM)
    drawn = [math.log10(drawn.parameters["t0.error"]) for drawn in suggest(definition, [], DrawIndex(0, 0), 600)]
    assert statistics.mean(drawn) == pytest.approx(0, abs=0.2)
    assert sum(value < -1 for value in drawn) / 600 == pytest.approx(1 / 3, abs=0.06)


def test_a_linear_range_is_drawn_evenly() -> None:
    definition = define(study({"low": 0, "high": 8}, sampler=RANDOM))
    drawn = [drawn.parameters["t0.error"] for drawn in suggest(definition, [], DrawIndex(0, 0), 600)]
    assert statistics.mean(drawn) == pytest.approx(4, abs=0.3)


def test_a_shared_weight_is_drawn_once() -> None:
    definition = define(study("walls", "walls", LOG, shared={"walls": LOG}, sampler=RANDOM))
    assert set(suggest(definition, [], DrawIndex(0, 0), 1)[0].parameters) == {"walls", "t2.error"}


def test_a_grid_goes_on_at_the_index_among_search_trials() -> None:
    definition = define(study({"values": [3, 1, 2]}, sampler=GRID))
    assert suggest(definition, [], DrawIndex(number=7, index=1), 2) == [Drawn({"t0.error": 1.0}), Drawn({"t0.error": 2.0})]


@pytest.mark.parametrize("sampler", [TPE, CMAES, {"name": "cmaes", "config": {"with_margin": True}}])
def test_a_sampler_s_state_is_json(sampler: Document) -> None:
    definition = two_weights(sampler)
    for drawn in suggest(definition, observed(definition, 12), DrawIndex(12, 12), 3):
        assert json.loads(json.dumps(drawn.sampler_state)) == drawn.sampler_state


# What the sampler observes


PARAMETERS = {"t0.error": 1.5, "t1.error": 20.0}
Hear = Callable[..., Sequence[optuna.trial.FrozenTrial]]


def test_a_complete_trial_is_observed_with_its_value_and_state(heard: Hear) -> None:
    record = trial(0, PARAMETERS, value=0.25, sampler_state={"key": [1, 2]})
    (frozen,) = heard(two_weights(), [record])
    assert (frozen.state, frozen.value, frozen.params) == (OptunaState.COMPLETE, 0.25, PARAMETERS)
    assert frozen.system_attrs == {"key": [1, 2]}


@pytest.mark.parametrize("state", [TrialState.DIVERGED, TrialState.PRUNED])
def test_a_diverged_or_pruned_trial_without_a_value_is_observed_as_pruned(heard: Hear, state: TrialState) -> None:
    (frozen,) = heard(two_weights(), [trial(0, PARAMETERS, state=state)])
    assert (frozen.state, frozen.intermediate_values, frozen.params) == (OptunaState.PRUNED, {}, PARAMETERS)


def test_a_pruned_trial_is_observed_with_its_value_at_its_last_epoch(heard: Hear) -> None:
    record = trial(0, PARAMETERS, state=TrialState.PRUNED, value=0.25, epochs=3, feasible=False, violations={"t0.mse": 0.5})
    (frozen,) = heard(two_weights(), [record])
    assert (frozen.state, frozen.intermediate_values) == (OptunaState.PRUNED, {3: 0.25})
    assert frozen.constraints == {"t0.mse": 0.5}


def test_a_pruned_trial_whose_value_is_not_finite_is_observed_without_it(heard: Hear) -> None:
    (frozen,) = heard(two_weights(), [trial(0, PARAMETERS, state=TrialState.PRUNED, value=math.nan, epochs=3)])
    assert frozen.intermediate_values == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_a_complete_trial_without_a_finite_value_is_observed_as_pruned(heard: Hear, value: float | None) -> None:
    (frozen,) = heard(two_weights(), [trial(0, PARAMETERS, value=value)])
    assert frozen.state is OptunaState.PRUNED


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.CANCELLED])
def test_a_failed_or_cancelled_trial_is_not_observed(heard: Hear, state: TrialState) -> None:
    assert list(heard(two_weights(), [trial(0, PARAMETERS, state=state)])) == []


@pytest.mark.parametrize("state", [TrialState.RUNNING, TrialState.WAITING])
def test_an_unfinished_trial_is_observed_as_running(heard: Hear, state: TrialState) -> None:
    (frozen,) = heard(two_weights(), [trial(0, PARAMETERS, state=state)])
    assert (frozen.state, frozen.params) == (OptunaState.RUNNING, PARAMETERS)


def test_trials_are_observed_in_the_order_of_their_numbers(heard: Hear) -> None:
    records = [trial(number, PARAMETERS, value=float(number)) for number in (3, 1, 2)]
    assert [frozen.value for frozen in heard(two_weights(), records)] == [1.0, 2.0, 3.0]


def test_values_are_observed_as_an_ordered_index(heard: Hear) -> None:
    definition = define(study({"values": [0.3, 0.1, 2.0]}))
    records = [trial(i, {"t0.error": value}) for i, value in enumerate([0.1, 0.3, 2.0])]
    assert [frozen.params["t0.error"] for frozen in heard(definition, records)] == [0, 1, 2]


def test_an_index_that_is_drawn_is_the_value_at_that_place_of_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.sampling.suggest.implementation", lambda kind, entry: lambda config, seed: Second())
    (drawn,) = suggest(define(study({"values": [2.0, 0.1, 0.3]})), [], DrawIndex(0, 0), 1)
    assert drawn.parameters == {"t0.error": 0.3}


@pytest.mark.parametrize("sampler", [RANDOM, TPE, QMC])
def test_values_come_back_exactly(sampler: Document) -> None:
    values = [0.1 + 0.2, 1e-12, 1 / 3, 7.0]
    definition = define(study({"values": values}, sampler=sampler))
    drawn = {record.parameters["t0.error"] for record in observed(definition, 30, value=lambda parameters: 1.0)}
    assert drawn == set(values)


def test_violations_are_observed_as_constraints(heard: Hear) -> None:
    record = trial(0, PARAMETERS, feasible=False, violations={"t0.mse": 0.5, "t1.mse": 0.0})
    (frozen,) = heard(two_weights(), [record])
    assert frozen.constraints == {"t0.mse": 0.5, "t1.mse": 0.0}


def test_tpe_keeps_away_from_what_breaks_a_constraint() -> None:
    """The value grows with the weight, but above 1 a constraint is broken."""
    definition = define(study(LOG, sampler=TPE))

    def rival_of(weight: float, number: int) -> TrialRecord:
        broken = max(0.0, math.log10(weight))
        return trial(number, {"t0.error": weight}, value=weight, feasible=broken == 0, violations={"t1.mse": broken})

    records = [rival_of(10 ** (-3 + 6 * i / 29), i) for i in range(30)]
    drawn = [suggest(definition, records, DrawIndex(number, 30), 1)[0].parameters["t0.error"] for number in range(30, 60)]
    free = [replace(record, feasible=True, violations={}) for record in records]
    unbound = [suggest(definition, free, DrawIndex(number, 30), 1)[0].parameters["t0.error"] for number in range(30, 60)]
    assert statistics.median(drawn) < 1.5
    assert statistics.median(unbound) > 100


# How many at once


@pytest.mark.parametrize(("pruner", "limit"), [(None, 8), ({"name": "hyperband"}, 16)])
def test_under_a_pruner_twice_as_many_are_suggested_at_once(pruner: Document | None, limit: int) -> None:
    definition = define(study(log_range(), sampler={"name": "tpe"}, pruner=pruner))
    assert batch_limit(definition, [trial(0)]) == limit


@pytest.mark.parametrize("finished", [0, 16])
@pytest.mark.parametrize(("sampler", "limit"), [(GRID, 1024), (RANDOM, 1024), (QMC, 1024)])
def test_a_sampler_that_does_not_learn_plans_any_number(sampler: Document, limit: int, finished: int) -> None:
    definition = define(study(log_range(points=5), sampler=sampler))
    assert batch_limit(definition, [trial(i) for i in range(finished)]) == limit


def test_a_sampler_that_does_not_learn_plans_no_more_than_the_asked_cohort() -> None:
    assert batch_limit(two_weights(RANDOM, cohort_size=3), []) == 3


def test_tpe_gets_sixteen_trials_at_first() -> None:
    assert batch_limit(two_weights(), []) == 16


@pytest.mark.parametrize("state", [TrialState.RUNNING, TrialState.COMPLETE, TrialState.DIVERGED, TrialState.FAILED])
def test_tpe_gets_eight_trials_once_there_are_some_so_that_a_second_worker_leaves_it_something_to_learn(state: TrialState) -> None:
    assert batch_limit(two_weights(), [trial(0, state=state)]) == 8


# Optuna


@pytest.mark.parametrize(
    "config",
    [
        {"group": True},
        {"multivariate": True, "group": True, "constant_liar": False},
        {"multivariate": False},
        {"multivariate": True},
        {"n_startup_trials": 3, "n_ei_candidates": 7, "constant_liar": True},
    ],
)
def test_every_tpe_option_works_without_a_warning(config: Document, caplog: pytest.LogCaptureFixture) -> None:
    definition = two_weights({"name": "tpe", "config": config})
    records = [*observed(definition, 12), trial(12, PARAMETERS, state=TrialState.RUNNING)]
    assert len(suggest(definition, records, DrawIndex(13, 13), 3)) == 3
    assert not [record for record in caplog.records if record.name.startswith("optuna")]


# As good as a live one


def best_of_rebuilt(seed: int, trials: int) -> float:
    return max(record.value or -math.inf for record in observed(two_weights(seed=seed), trials))


def best_of_cohorts(seed: int, trials: int) -> float:
    """Return the best value of a study in cohorts of 16, then 8: none knows of its own cohort's results."""
    definition = two_weights(seed=seed)
    records: list[TrialRecord] = []
    while len(records) < trials:
        drawn = suggest(definition, records, DrawIndex(len(records), len(records)), batch_limit(definition, records))
        records += [
            trial(len(records) + i, one.parameters, value=hill(one.parameters), sampler_state=one.sampler_state)
            for i, one in enumerate(drawn)
        ]
    return max(record.value or -math.inf for record in records)


def best_of_live(sampler: optuna.samplers.BaseSampler, trials: int) -> float:
    live = optuna.create_study(direction="maximize", sampler=sampler)
    live.optimize(
        lambda asked: hill({name: asked.suggest_float(name, LOG["low"], LOG["high"], log=True) for name in ("a", "b")}), trials
    )
    return live.best_value


def median_loss(best: Callable[[int], float]) -> float:
    """Return the median over five seeds of how far the best value is from the top."""
    return statistics.median(-best(seed) for seed in range(5))


def test_tpe_rebuilt_from_rows_finds_as_good_a_value_as_a_live_one() -> None:
    live = median_loss(lambda seed: best_of_live(optuna.samplers.TPESampler(seed=seed), 40))
    assert median_loss(lambda seed: best_of_rebuilt(seed, 40)) <= 2 * live


def test_tpe_in_cohorts_finds_a_better_value_than_random_draws() -> None:
    random = median_loss(lambda seed: best_of_live(optuna.samplers.RandomSampler(seed=seed), 40))
    assert median_loss(lambda seed: best_of_cohorts(seed, 40)) <= random / 2


def test_a_history_at_its_cap_is_taken() -> None:
    definition = two_weights()
    drawn = suggest(two_weights(RANDOM), [], DrawIndex(0, 0), 500)
    records = [trial(i, one.parameters, value=hill(one.parameters)) for i, one in enumerate(drawn)]
    best = suggest(definition, records, DrawIndex(500, 500), 4)
    assert statistics.median(hill(one.parameters) for one in best) > -0.5
