"""Baselines, and the finalists' trainings on fresh seeds."""

from __future__ import annotations

import pytest

from search.analysis.verdict import told_rule
from search.catalog import WEIGHTING_RULES, WeightingRule
from search.definition.rules import weighting_of
from search.planning.baselines import baselines
from search.planning.confirmation import confirmations, fresh_seeds
from search.planning.plan import End, Run, Wait, plan
from storage.records import ADAPTIVE_ORIGIN, Role, StudyState, TrialRecord, TrialState
from tests.search.definitions import Document, changed, define, flagship
from tests.search.histories import history, trial

INITIAL = {"digit.crossentropy": 2.0, "parity.crossentropy": 0.5, "agreement": 0.1}


def confirmed(top: int = 2, seeds: int = 3, trials: int = 4) -> Document:
    document = flagship()
    document["search"] = {**document["search"], "trials": trials, "confirmation": {"top": top, "seeds": seeds}}
    return document


def test_a_study_without_confirmation_has_only_the_users_own_weights() -> None:
    assert list(baselines(define(changed(flagship(), {"search.confirmation": None})))) == ["current"]


def test_equal_weights_and_each_penalty_at_zero_are_baselines_of_a_confirmed_study_each_setting_once() -> None:
    found = baselines(define(confirmed()), INITIAL)
    # without:agreement would be current's weights again
    assert list(found) == ["current", "equal", "inverse_initial_loss", "uncertainty"]
    assert dict(found["equal"].weights) == {"digit.crossentropy": 1.0, "parity.crossentropy": 1.0, "agreement": 1.0}
    assert dict(found["current"].weights) == {"digit.crossentropy": 1.0, "parity.crossentropy": 1.0, "agreement": 0.0}


def test_fresh_seeds_differ_from_each_other_and_from_the_studys() -> None:
    definition = define(confirmed(seeds=8))
    assert len({*fresh_seeds(definition), definition.search.seed}) == 9


def test_inverse_initial_loss_weighs_each_loss_by_its_inverse_with_the_sum_of_equal_weights() -> None:
    found = dict(baselines(define(confirmed()), INITIAL)["inverse_initial_loss"].weights)
    # 1/2 and 1/.5 are .5 and 2; times 2 / 2.5: .4 and 1.6. The penalty counts 1.
    assert found == pytest.approx({"digit.crossentropy": 0.4, "parity.crossentropy": 1.6, "agreement": 1.0})


def test_only_rules_that_were_asked_for_are_trained_where_some_were() -> None:
    asked = changed(confirmed(), {"search.baselines": ["dwa", "gradnorm"]})
    assert list(baselines(define(asked), INITIAL)) == ["current", "dwa", "gradnorm"]


def test_a_rule_that_adapts_weights_cannot_be_handed_over() -> None:
    found = baselines(define(confirmed()), INITIAL)
    assert [rule for rule, planned in found.items() if planned.origin == ADAPTIVE_ORIGIN] == ["uncertainty"]


@pytest.mark.parametrize("rule", WEIGHTING_RULES, ids=lambda rule: rule.name)
def test_every_weighting_rule_is_a_baseline_from_equal_weights_that_moves_them(rule: WeightingRule) -> None:
    planned = baselines(define(changed(confirmed(), {"search.baselines": [rule.name]})), INITIAL)[rule.name]
    assert (planned.origin, weighting_of(planned.rule), set(planned.weights.values())) == (ADAPTIVE_ORIGIN, rule.name, {1.0})
    assert told_rule(rule.name) == rule.title


@pytest.mark.parametrize("rule", [None, "current", "equal", "without:agreement", "alone:digit"])
def test_all_other_trials_train_under_their_own_weights(rule: str | None) -> None:
    assert weighting_of(rule) == "fixed"


def test_every_candidate_is_trained_on_every_fresh_seed_once() -> None:
    definition = define(confirmed())
    candidates = [trial(3), trial(4, role=Role.BASELINE, rule="equal")]
    first = fresh_seeds(definition)[0]
    planned = confirmations(definition, candidates, {(3, first)})
    assert [(each.confirms, each.seed) for each in planned] == [
        (number, seed) for seed in fresh_seeds(definition) for number in (3, 4) if (number, seed) != (3, first)
    ]
    assert {each.role for each in planned} == {Role.CONFIRMATION}


def rules(document: Document) -> list[TrialRecord]:
    """Return the study's baselines, complete, with the first numbers."""
    return [
        trial(number, role=Role.BASELINE, rule=rule, weights=planned.weights)
        for number, (rule, planned) in enumerate(baselines(define(document)).items())
    ]


def test_confirmations_come_after_the_search_and_the_study_ends_after_them() -> None:
    document = changed(confirmed(), {"search.baselines": ["equal"]})
    definition = define(document)
    searched = [*rules(document), *(trial(number, {"agreement": float(number)}, value=number / 10) for number in range(2, 6))]
    running = [*searched[:-1], trial(5, state=TrialState.RUNNING)]
    assert isinstance(plan(definition, history(definition, running), 64), Wait)
    step = plan(definition, history(definition, searched), 64)
    assert isinstance(step, Run)
    assert sorted({each.confirms for each in step.trials if each.confirms is not None}) == [0, 1, 4, 5]
    assert len(step.trials) == 12
    done = [
        trial(6 + place, role=Role.CONFIRMATION, rule=each.rule, confirms=each.confirms, seed=each.seed)
        for place, each in enumerate(step.trials)
    ]
    assert plan(definition, history(definition, [*searched, *done]), 64) == End(StudyState.COMPLETE)


@pytest.mark.parametrize(("room", "planned"), [(64, 12), (12, 12), (11, 8), (4, 4), (3, 3)])
def test_the_trainings_of_a_seed_are_planned_together_as_far_as_they_fit(room: int, planned: int) -> None:
    document = changed(confirmed(), {"search.baselines": ["equal"]})
    definition = define(document)
    searched = [*rules(document), *(trial(number, {"agreement": float(number)}, value=number / 10) for number in range(2, 6))]
    step = plan(definition, history(definition, searched), room)
    assert isinstance(step, Run)
    assert len(step.trials) == planned


def test_a_study_without_a_finalist_confirms_nothing() -> None:
    document = changed(confirmed(), {"search.baselines": ["equal"]})
    failed = [*rules(document), *(trial(number, state=TrialState.DIVERGED) for number in range(2, 6))]
    step = plan(define(document), history(define(document), failed), 64)
    assert isinstance(step, End)
    assert step.state is StudyState.FAILED
