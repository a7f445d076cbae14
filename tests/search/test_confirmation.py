"""Baselines, and the finalists' trainings on fresh seeds."""

from __future__ import annotations

from search.baselines import baselines
from search.confirmation import confirmations, finalists, fresh_seeds, most_confirmations
from search.plan import End, Run, Wait, plan
from storage.records import Role, StudyState, TrialState
from tests.search.definitions import define, flagship
from tests.search.histories import history, trial


def confirmed(top: int = 2, seeds: int = 3, trials: int = 4) -> dict:
    document = flagship()
    document["search"] = {**document["search"], "trials": trials, "confirmation": {"top": top, "seeds": seeds}}
    return document


def test_a_study_without_confirmation_has_only_the_users_own_weights() -> None:
    assert list(baselines(define(flagship()))) == ["current"]


def test_equal_weights_and_each_penalty_at_zero_are_baselines_of_a_confirmed_study_each_setting_once() -> None:
    found = baselines(define(confirmed()))
    assert list(found) == ["current", "equal"]  # without:agreement would be current's weights again
    assert dict(found["equal"].weights) == {"digit.crossentropy": 1.0, "parity.crossentropy": 1.0, "agreement": 1.0}
    assert dict(found["current"].weights) == {"digit.crossentropy": 1.0, "parity.crossentropy": 1.0, "agreement": 0.0}


def test_fresh_seeds_differ_from_each_other_and_from_the_studys() -> None:
    definition = define(confirmed(seeds=8))
    assert len({*fresh_seeds(definition), definition.search.seed}) == 9


def test_finalists_are_the_best_feasible_and_complete_of_equals_the_earlier() -> None:
    searched = [
        trial(1, value=0.5),
        trial(2, value=0.9, feasible=False),
        trial(3, value=0.8),
        trial(4, value=0.8),
        trial(5, state=TrialState.DIVERGED),
        trial(6, value=float("nan")),
    ]
    assert [each.number for each in finalists(define(confirmed()), searched)] == [3, 4]


def test_every_candidate_is_trained_on_every_fresh_seed_once() -> None:
    definition = define(confirmed())
    candidates = [trial(3), trial(4, role=Role.BASELINE, rule="equal")]
    first = fresh_seeds(definition)[0]
    planned = confirmations(definition, candidates, {(3, first)})
    assert [(each.confirms, each.seed) for each in planned] == [
        (number, seed) for seed in fresh_seeds(definition) for number in (3, 4) if (number, seed) != (3, first)
    ]
    assert {each.role for each in planned} == {Role.CONFIRMATION}
    assert most_confirmations(definition, 2) == 12


def test_confirmations_come_after_the_search_and_the_study_ends_after_them() -> None:
    definition = define(confirmed())
    rules = [trial(number, role=Role.BASELINE, rule=rule) for number, rule in enumerate(baselines(definition))]
    running = [*rules, *(trial(number, value=number / 10) for number in range(2, 5)), trial(5, state=TrialState.RUNNING)]
    assert isinstance(plan(definition, history(definition, running), 64), Wait)
    searched = [*running[:-1], trial(5, value=0.5)]
    step = plan(definition, history(definition, searched), 64)
    assert isinstance(step, Run)
    assert sorted({each.confirms for each in step.trials}) == [0, 1, 4, 5]
    assert len(step.trials) == 12
    assert len(plan(definition, history(definition, searched), 5).trials) == 5
    done = [
        trial(6 + place, role=Role.CONFIRMATION, rule=each.rule, confirms=each.confirms, seed=each.seed)
        for place, each in enumerate(step.trials)
    ]
    assert plan(definition, history(definition, [*searched, *done]), 64) == End(StudyState.COMPLETE)
