"""Baselines, and the finalists' trainings on fresh seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from search.catalog import WEIGHTING_RULES, WeightingRule
from search.definition.rules import weighting_of
from search.planning.baselines import baselines
from search.planning.candidates import rule_in_words
from search.planning.confirmation import budget_of, design, fresh_seeds
from search.planning.plan import End, Run, Wait, choose_finalists, confirmation, plan
from storage.records import ADAPTIVE_ORIGIN, AnchorRecord, Measured, PlannedTrial, Role, StudyState, TrialRecord, TrialState
from tests.search.definitions import Document, changed, define, flagship, log_range, study
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
    definition = define(confirmed(seeds=8))  # two that choose, eight to meet on, and the search's own
    assert len({*fresh_seeds(definition), definition.search.seed}) == 11


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
    assert rule_in_words(rule.name) == rule.title


@pytest.mark.parametrize("rule", [None, "current", "equal", "without:agreement", "alone:digit"])
def test_all_other_trials_train_under_their_own_weights(rule: str | None) -> None:
    assert weighting_of(rule) == "fixed"


def test_penalties_of_one_shared_weight_are_left_out_together() -> None:
    document = confirmed()
    second = {**document["penalties"][0], "name": "other", "weight": "walls"}
    document["penalties"] = [{**document["penalties"][0], "weight": "walls"}, second]
    document["weights"] = {"walls": {"low": 0.01, "high": 10}}
    document["tasks"][1]["losses"][0]["weight"] = log_range()  # no weights of today, which would be those without the penalties
    found = baselines(define(changed(document, {"search.baselines": ["equal", "without"]})), INITIAL)
    assert [rule for rule in found if rule.startswith("without")] == ["without:walls"]
    assert (found["without:walls"].weights["agreement"], found["without:walls"].weights["other"]) == (0.0, 0.0)


def laid_out(trials: int, finalists: int, baselines: int, tasks: int = 0, **confirmation: int) -> tuple[int, int, int, int, int]:
    """Return how many finalists and baselines train, the seeds that choose and compare, and the trainings at most."""
    document = changed(flagship(), {"search.trials": trials, "search.confirmation": confirmation})
    budget = budget_of(define(document), tasks)
    assert budget is not None
    some, others = budget.field(finalists, baselines)
    found = design(fresh_seeds(define(document)), budget, some, others)
    return some, others, len(found.choosing), len(found.meeting), found.most


def test_by_default_fresh_seeds_take_one_and_a_half_times_the_searchs_trainings_and_at_least_24() -> None:
    assert laid_out(32, 3, 4) == (3, 4, 2, 11, 47)  # (3 + 4) x 2 + (1 + 2) x 11 of 48
    assert laid_out(40, 3, 4) == (3, 4, 2, 12, 50)  # of 60: twelve seeds are the most
    assert laid_out(12, 3, 3)[4] <= 24
    assert laid_out(4, 3, 3)[4] <= 24


def test_a_reference_trains_on_four_fresh_seeds_at_most_and_on_fewer_of_a_small_budget() -> None:
    assert laid_out(40, 3, 4, tasks=2) == (3, 4, 2, 12, 58)  # 14 + 2 x 4 + 36 of 60
    assert laid_out(8, 3, 3, tasks=2) == (2, 3, 2, 3, 23)  # 10 + 2 x 2 + 9 of 24


def test_finalists_and_then_baselines_give_way_where_hardly_a_seed_would_be_left_to_meet_on() -> None:
    assert laid_out(8, 3, 5) == (2, 3, 2, 4, 22)


def test_what_a_definition_says_is_what_there_is() -> None:
    assert laid_out(32, 3, 4, trainings=100, seeds=20) == (3, 4, 2, 20, 74)
    assert laid_out(32, 5, 4, trainings=100, top=5, seeds=3) == (5, 4, 2, 3, 27)


@pytest.mark.parametrize("trials", [4, 16, 100])
@pytest.mark.parametrize("trainings", [16, 24, 31])
@pytest.mark.parametrize("tasks", [0, 1, 2, 5, 20])
def test_no_layout_exceeds_its_trainings_and_each_meets_on_two_seeds_at_least(trials: int, trainings: int, tasks: int) -> None:
    for finalists in range(1, 6):
        for others in range(12):
            *_, seeds, most = laid_out(trials, finalists, others, tasks, trainings=trainings, top=5)
            assert (seeds >= 2, most <= trainings) == (True, True), (finalists, others)


def rules(document: Document) -> list[TrialRecord]:
    """Return the study's baselines, complete, with the first numbers."""
    return [
        trial(number, role=Role.BASELINE, rule=rule, weights=planned.weights)
        for number, (rule, planned) in enumerate(baselines(define(document)).items())
    ]


EQUAL = changed(confirmed(), {"search.baselines": ["equal"]})
"""Two finalists and two baselines, `current` and `equal`; three seeds to meet on."""

SEARCHED = [*rules(EQUAL), *(trial(number, {"agreement": float(number)}, value=number / 10) for number in range(2, 6))]


def measured(planned: PlannedTrial) -> Measured:
    return Measured(
        validation={
            "digit.sparse_categorical_accuracy": 0.5 + planned.weights.get("agreement", 0.0) / 100 + 0.01 * (planned.seed % 7),
            "parity.binary_accuracy": 0.5,
        }
    )


def done(planned: Sequence[PlannedTrial], there: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [
        *there,
        *(
            trial(len(there) + i, role=Role.CONFIRMATION, rule=each.rule, confirms=each.confirms, seed=each.seed)
            for i, each in enumerate(planned)
        ),
    ]


def test_confirmations_come_after_the_search_and_the_study_ends_after_them() -> None:
    definition, trials, repeated = define(EQUAL), SEARCHED, dict[tuple[int, int], Measured]()
    running = [*SEARCHED[:-1], trial(5, state=TrialState.RUNNING)]
    assert isinstance(plan(definition, history(definition, running), 64), Wait)
    asked = []
    while isinstance(step := plan(definition, replace(history(definition, trials), repeated=repeated), 64), Run):
        asked.append(sorted({each.confirms for each in step.trials if each.confirms is not None}))
        repeated |= {(each.confirms or 0, each.seed): measured(each) for each in step.trials}
        trials = done(step.trials, trials)
    assert asked == [[4, 5], [0, 1, 4]]  # the finalists choose; equal in all, the earlier meets both baselines
    assert step == End(StudyState.COMPLETE)
    assert len(repeated) == 2 * 2 + 3 * 3


@pytest.mark.parametrize(("room", "planned"), [(64, [2, 2]), (4, [2, 2]), (3, [2, 1]), (2, [2]), (1, [1])])
def test_fresh_seeds_fill_the_cohort_one_after_another(room: int, planned: list[int]) -> None:
    step = plan(define(EQUAL), history(define(EQUAL), SEARCHED), room)
    assert isinstance(step, Run)
    assert list(Counter(trial.seed for trial in step.trials).values()) == planned


def test_a_choice_of_finalists_stays_as_it_was_made() -> None:
    definition = define(EQUAL)
    step = plan(definition, replace(history(definition, SEARCHED), finalists=(2, 3)), 64)
    assert isinstance(step, Run)
    assert {each.confirms for each in step.trials} == {2, 3}
    assert choose_finalists(definition, history(definition, SEARCHED)).finalists == (5, 4)


HALF_OF_YOURS = {"of": "current", "times": 0.5}


@pytest.mark.parametrize(
    ("bounds", "met"),
    [
        ({"at_most": {"of": "equal"}}, [1]),
        ({"at_most": {"of": "current"}}, [0]),
        ({"at_most": {"of": "equal"}, "at_least": HALF_OF_YOURS}, [0, 1]),
    ],
)
def test_one_setting_is_no_two_rivals_unless_constraints_are_relative_to_both(bounds: dict[str, Any], met: list[int]) -> None:
    """Yours are equal weights, and both were trained: what a constraint is relative to is trained on fresh seeds."""
    yours = {"low": 0.01, "high": 100.0, "current": 1.0}
    bound = {"metric": "t1.mse", "strategy": "constraint", **bounds}
    document = changed(
        study(yours, yours, trials=4, baselines=["equal"], confirmation={"top": 2, "seeds": 3}),
        {"objective.metrics": [{"metric": "t0.mse"}, bound]},
    )
    both = rules(changed(document, {"objective.metrics": [{"metric": "t0.mse"}, {**bound, "at_most": {"of": "equal"}}]}))
    assert [(each.rule, each.weights) for each in both] == [("current", both[0].weights), ("equal", both[0].weights)]
    searched = [trial(number, {"t0.error": 1.0, "t1.error": float(number)}, value=number / 10) for number in range(2, 6)]
    known = replace(
        history(define(document), [*both, *searched]),
        anchors=tuple(AnchorRecord(of["of"], "t1.mse", 0.5, None, (0,)) for of in bounds.values()),
    )
    found = confirmation(define(document), known)
    assert found is not None
    assert [each.number for each in found.trained.candidates if each.is_baseline] == met


def test_a_study_without_a_finalist_confirms_nothing() -> None:
    document = changed(confirmed(), {"search.baselines": ["equal"]})
    failed = [*rules(document), *(trial(number, state=TrialState.DIVERGED) for number in range(2, 6))]
    step = plan(define(document), history(define(document), failed), 64)
    assert isinstance(step, End)
    assert step.state is StudyState.FAILED
