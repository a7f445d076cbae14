"""CMA-ES, quasi-random points and the Gaussian process: generations, points by index, and what a worker without PyTorch says."""

from __future__ import annotations

import functools
import importlib.util
import json
import math
import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.planning.plan import End, Run, Wait, plan
from search.sampling.suggest import DrawIndex, batch_limit, suggest
from storage.records import StudyState, TrialRecord, TrialState
from tests.search.definitions import Document, define, log_range, study
from tests.search.histories import history, trial
from tests.search.planning.test_whole_studies import Play
from tests.search.sampling.test_suggest import LOG, TPE, best_of_live, hill, median_loss, two_weights

CMAES, QMC, GP = ({"name": name} for name in ("cmaes", "qmc", "gp"))
GENERATION = 6
"""4 + floor(3 ln 2): the popsize for two weights."""


# CMA-ES


def generations(seed: int, trials: int, *, at_once: int = 16, forget: bool = False, **config: Any) -> list[TrialRecord]:
    """Play a study of CMA-ES in cohorts; `forget` leaves its attributes out of the rows."""
    definition = two_weights({"name": "cmaes", "config": config}, seed=seed)
    records: list[TrialRecord] = []
    while len(records) < trials:
        count = min(at_once, batch_limit(definition, records) or GENERATION)
        drawn = suggest(definition, records, DrawIndex(len(records), len(records)), count)
        records += [
            trial(len(records) + i, one.parameters, value=hill(one.parameters), sampler_state={} if forget else one.sampler_state)
            for i, one in enumerate(drawn)
        ]
    return records


@functools.cache
def best_of_generations(seed: int, trials: int, **options: Any) -> float:
    return max(record.value or -math.inf for record in generations(seed, trials, **options))


def test_cmaes_rebuilt_from_rows_finds_as_good_a_value_as_a_live_one() -> None:
    live = median_loss(lambda seed: best_of_live(optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False), 100))
    assert median_loss(lambda seed: best_of_generations(seed, 100)) <= 3 * live


def test_cmaes_without_its_attributes_would_not_leave_its_first_generation() -> None:
    """Why `sampler_state` is stored."""
    rebuilt = median_loss(lambda seed: best_of_generations(seed, 100))
    assert median_loss(lambda seed: best_of_generations(seed, 100, forget=True)) > 20 * rebuilt


def test_generations_are_whole_from_the_first_trial_on() -> None:
    numbers = [record.sampler_state["cma:generation"] for record in generations(0, 4 * GENERATION)]
    assert numbers == [generation for generation in range(4) for _ in range(GENERATION)]


def test_generations_are_whole_in_cohorts_of_another_size() -> None:
    numbers = [record.sampler_state["cma:generation"] for record in generations(0, 4 * GENERATION, at_once=4)]
    assert numbers == [generation for generation in range(4) for _ in range(GENERATION)]


@pytest.mark.parametrize(
    "config",
    [{}, {"popsize": 4}, {"popsize": 16}, {"use_separable_cma": True}, {"with_margin": True}, {"lr_adapt": True}],
)
def test_every_cmaes_option_works_without_a_warning(config: Document, caplog: pytest.LogCaptureFixture) -> None:
    definition = define(study(LOG, {"values": [1, 2, 3]}, sampler={"name": "cmaes", "config": config}))
    records: list[TrialRecord] = []
    for number in range(40):
        drawn = suggest(definition, records, DrawIndex(number, number), 1)[0]
        records.append(
            trial(number, drawn.parameters, value=-abs(drawn.parameters["t0.error"] - 3), sampler_state=drawn.sampler_state)
        )
    assert {record.parameters["t1.error"] for record in records} <= {1.0, 2.0, 3.0}
    assert not [record for record in caplog.records if record.name.startswith("optuna")]


def test_separable_cmaes_takes_a_single_weight() -> None:
    definition = define(study(LOG, sampler={"name": "cmaes", "config": {"use_separable_cma": True}}))
    assert len(suggest(definition, [], DrawIndex(0, 0), 4)) == 4


def test_cmaes_s_state_stays_small() -> None:
    assert max(len(json.dumps(dict(record.sampler_state))) for record in generations(0, 60)) < 10_000


@pytest.mark.parametrize(("config", "size"), [({}, GENERATION), ({"popsize": 10}, 10), ({"popsize": None}, GENERATION)])
def test_cmaes_plans_one_generation_at_a_time(config: Document, size: int) -> None:
    definition = two_weights({"name": "cmaes", "config": config})
    assert batch_limit(definition, []) == size


def in_generation(number: int, generation: int, state: TrialState = TrialState.COMPLETE, **fields: Any) -> TrialRecord:
    return trial(number, {}, state=state, sampler_state={"cma:generation": generation}, **fields)


@pytest.mark.parametrize(
    ("states", "left"),
    [
        ([TrialState.RUNNING] * 6, 0),
        ([TrialState.WAITING] * 4, 2),
        ([TrialState.COMPLETE] * 5 + [TrialState.RUNNING], 0),
        ([TrialState.COMPLETE] * 6, 6),
        ([TrialState.COMPLETE] * 5 + [TrialState.DIVERGED], 1),
        ([TrialState.COMPLETE] * 4 + [TrialState.FAILED, TrialState.RUNNING], 1),
        ([TrialState.COMPLETE] * 6 + [TrialState.RUNNING], 6),
    ],
)
def test_a_generation_is_filled_up_and_waited_for(states: list[TrialState], left: int) -> None:
    definition = two_weights(CMAES)
    earlier = [in_generation(i, 0) for i in range(6)]
    records = [*earlier, *(in_generation(6 + i, 1, state) for i, state in enumerate(states))]
    assert batch_limit(definition, records) == left


@pytest.mark.parametrize(
    ("pruner", "left", "batch"),
    [
        (None, None, 8),
        (None, 10, 8),
        (None, 9, 9),
        (None, 8, 8),
        ("hyperband", 19, 16),
        ("hyperband", 18, 18),
        ("hyperband", 3, 16),
    ],
)
def test_a_learning_sampler_s_last_few_draws_come_with_those_before_them(pruner: str | None, left: int | None, batch: int) -> None:
    definition = two_weights(TPE, pruner=pruner and {"name": pruner})
    assert batch_limit(definition, [trial(0, {})], left) == batch


def test_a_generation_is_not_made_greater_for_the_last_few() -> None:
    assert batch_limit(two_weights(CMAES), [in_generation(i, 0) for i in range(6)], left=7) == 6


def test_a_value_that_is_not_finite_is_no_result_of_a_generation() -> None:
    records = [in_generation(i, 0, value=math.nan if i == 0 else 1.0) for i in range(6)]
    assert batch_limit(two_weights(CMAES), records) == 1


def test_how_many_workers_there_are_changes_nothing_of_cmaes() -> None:
    definition = two_weights(CMAES, trials=30, confirmation=None)
    alone, together = Play(definition, GENERATION), Play(definition, GENERATION)
    while alone.end is None:
        alone.claim("a")
        if "a" in alone.held:
            alone.finish("a", [TrialState.COMPLETE])
    while together.end is None:
        for worker in ("a", "b", "c"):
            together.claim(worker)
        for worker in sorted(together.held, reverse=True):
            together.finish(worker, [TrialState.COMPLETE])
    assert len(alone.trials) == 30
    assert [record.parameters for record in alone.trials] == [record.parameters for record in together.trials]


@given(st.lists(st.sampled_from(list("abc")), max_size=60), st.lists(st.sampled_from(list(TrialState)), min_size=1, max_size=7))
@settings(deadline=None, derandomize=True, max_examples=25)
def test_a_study_of_cmaes_comes_to_its_end_whatever_its_trials_do(workers: list[str], states: list[TrialState]) -> None:
    ends = [state for state in states if state not in (TrialState.RUNNING, TrialState.WAITING)] or [TrialState.COMPLETE]
    play = Play(two_weights(CMAES, trials=14, confirmation=None), 4)
    for worker in workers + ["a", "b", "c"] * 30:
        if worker in play.held:
            play.finish(worker, ends)
        elif play.end is None:
            play.claim(worker)
    assert play.end is not None
    assert len(play.trials) == 14


# Quasi-random points


@pytest.mark.parametrize("sequence", ["sobol", "halton"])
@pytest.mark.parametrize("index", [0, 1, 5, 31])
def test_a_quasi_random_point_is_a_function_of_its_index(sequence: str, index: int) -> None:
    definition = two_weights({"name": "qmc", "config": {"qmc_type": sequence}})
    whole = suggest(definition, [], DrawIndex(0, 0), 40)
    assert suggest(definition, [], DrawIndex(index + 3, index), 4) == whole[index : index + 4]


@pytest.mark.parametrize("sequence", ["sobol", "halton"])
@pytest.mark.parametrize("count", [32, 64])
def test_quasi_random_points_fill_a_range_more_evenly_than_random_ones(sequence: str, count: int) -> None:
    """Compare the greatest gap between neighbours on the log scale; even spacing has 6 / count."""

    def greatest_gap(sampler: Document, seed: int) -> float:
        definition = two_weights(sampler, seed=seed)
        drawn = sorted(math.log10(one.parameters["t0.error"]) for one in suggest(definition, [], DrawIndex(0, 0), count))
        return float(np.diff([-3, *drawn, 3]).max())

    qmc = [greatest_gap({"name": "qmc", "config": {"qmc_type": sequence}}, seed) for seed in range(5)]
    random = [greatest_gap({"name": "random"}, seed) for seed in range(5)]
    assert max(qmc) <= 2 * 6 / count + 1e-9
    assert statistics.median(qmc) < statistics.median(random) / 1.5


def test_a_power_of_two_sobol_points_has_one_in_each_stratum() -> None:
    drawn = [math.log10(one.parameters["t1.error"]) for one in suggest(two_weights(QMC), [], DrawIndex(0, 0), 64)]
    assert sorted(int((value + 3) / 6 * 64) for value in drawn) == list(range(64))


def test_a_choice_is_drawn_as_often_as_another() -> None:
    definition = define(study({"values": [5, 1, 3, 7]}, LOG, sampler=QMC))
    drawn = [one.parameters["t0.error"] for one in suggest(definition, [], DrawIndex(0, 0), 32)]
    assert {value: drawn.count(value) for value in set(drawn)} == {1.0: 8, 3.0: 8, 5.0: 8, 7.0: 8}


# Gaussian process


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("search.sampling.suggest.importlib.util.find_spec", lambda name: None if name == "torch" else found(name))


@pytest.mark.parametrize(("config", "first"), [({}, 10), ({"n_startup_trials": 5}, 5)])
def test_a_gaussian_process_gets_its_random_trials_at_once_then_four_at_a_time(config: Document, first: int) -> None:
    definition = two_weights({"name": "gp", "config": config})
    assert batch_limit(definition, []) == first
    assert batch_limit(definition, [trial(0)]) == 4


@pytest.mark.usefixtures("without_torch")
def test_a_study_whose_sampler_a_worker_lacks_fails_with_what_to_install() -> None:
    definition = define(study(log_range(current=1), sampler=GP))
    step = plan(definition, history(definition), 8)
    assert isinstance(step, End)
    assert (step.state, step.reason and step.reason.code) == (StudyState.FAILED, "sampler_unavailable")
    assert step.reason is not None
    assert step.reason.message.count("pip install steelyard[gp]") == 1


@pytest.mark.usefixtures("without_torch")
def test_what_runs_elsewhere_is_waited_for_before_the_study_fails() -> None:
    definition = define(study(log_range(), sampler=GP))
    step = plan(definition, history(definition, [trial(0, {"t0.error": 1.0}, state=TrialState.RUNNING)]), 8)
    assert isinstance(step, Wait)
    assert step.reason.code == "sampler_unavailable"


@pytest.mark.usefixtures("without_torch")
def test_a_search_that_is_over_needs_its_sampler_no_more() -> None:
    definition = define(study(log_range(), sampler=GP, trials=1, confirmation=None))
    step = plan(definition, history(definition, [trial(0, {"t0.error": 1.0})]), 8)
    assert isinstance(step, End)
    assert step.state is StudyState.COMPLETE


@pytest.mark.usefixtures("without_torch")
@pytest.mark.parametrize("name", ["tpe", "cmaes", "qmc", "random"])
def test_no_other_sampler_needs_more_than_what_is_installed(name: str) -> None:
    definition = define(study(log_range(), sampler={"name": name}))
    assert isinstance(plan(definition, history(definition), 4), Run)


def test_a_gaussian_process_finds_the_top_of_a_hill() -> None:
    pytest.importorskip("torch", reason="the sampler gp needs the extra steelyard[gp]")
    definition = two_weights(GP)
    records: list[TrialRecord] = []
    for number in range(30):
        drawn = suggest(definition, records, DrawIndex(number, number), 1)[0]
        records.append(trial(number, drawn.parameters, value=hill(drawn.parameters), sampler_state=drawn.sampler_state))
    running = replace(records[-1], number=30, state=TrialState.RUNNING, value=None)
    assert len(suggest(definition, [*records, running], DrawIndex(31, 31), 2)) == 2
    assert max(record.value or -math.inf for record in records) > -0.01
