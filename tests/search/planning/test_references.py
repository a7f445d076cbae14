"""Trainings of one task alone, and how many trainings a whole study has."""

from __future__ import annotations

import pytest

from search.names import MAX_RULE, rule_for
from search.planning.phases import phases
from search.planning.references import one_of_each, reference_seeds, references
from storage.records import Role, TrialState
from tests.search.definitions import Document, changed, define, flagship, log_range, study
from tests.search.histories import trial


def delta(**search: object) -> Document:
    """Return a study of two tasks under delta_m; the first weight is searched."""
    return changed(study(log_range(current=4.0), 2.0, **search), {"objective.aggregate": "delta_m"})


def test_each_task_is_trained_alone_on_each_seed_the_studys_own_first() -> None:
    definition = define(delta(seed=5))
    planned = references(definition)
    assert [each.rule for each in planned] == ["alone:t0", "alone:t1"] * 3
    assert [each.seed for each in planned[::2]] == reference_seeds(definition)
    assert reference_seeds(definition)[0] == 5
    assert len(set(reference_seeds(definition))) == 3


def test_alone_only_the_tasks_own_terms_count_as_they_do_today() -> None:
    first, second = references(define(delta()))[:2]
    assert dict(first.weights) == {"t0.error": 4.0, "t1.error": 0.0}
    assert dict(second.weights) == {"t0.error": 0.0, "t1.error": 2.0}
    assert first.role is Role.REFERENCE


def test_a_penalty_has_no_say_in_what_a_task_reaches_alone() -> None:
    definition = define(changed(flagship(), {"search.references": {"seeds": 1}}))
    assert all(planned.weights["agreement"] == 0.0 for planned in references(definition))


def test_a_study_that_needs_no_reference_has_none_unless_it_asks() -> None:
    assert references(define(study(log_range()))) == []
    assert len(references(define(study(log_range(), references={"seeds": 2})))) == 2


def test_what_there_is_is_not_planned_again() -> None:
    definition = define(delta())
    planned = references(definition)
    there = {(each.rule, each.seed) for each in planned[:4]}
    assert references(definition, there) == planned[4:]


def test_a_bound_relative_to_the_reference_needs_references_too() -> None:
    bound = {"metric": "t0.mse", "strategy": "constraint", "at_most": {"of": "reference", "times": 1.1}}
    document = changed(study(log_range(), 1.0), {"objective.metrics": [{"metric": "t1.mse"}, bound], "objective.aggregate": "mean"})
    assert len(references(define(document))) == 6


def test_one_complete_reference_stands_for_its_task_in_the_confirmation() -> None:
    trained = [
        trial(0, role=Role.REFERENCE, rule="alone:a", state=TrialState.DIVERGED),
        trial(1, role=Role.REFERENCE, rule="alone:b"),
        trial(2, role=Role.REFERENCE, rule="alone:a"),
        trial(3, role=Role.REFERENCE, rule="alone:a"),
    ]
    assert sorted(each.number for each in one_of_each(trained)) == [1, 2]


def test_the_phases_are_counted_before_anything_runs() -> None:
    document = delta(trials=20, confirmation={"top": 3, "seeds": 8}, baselines=["equal", "inverse_initial_loss", "dwa"])
    counted = phases(define(document))
    # 2 tasks x 3 seeds; current + 3 rules; of 1.5 x 20: (2 finalists + 3 baselines) x 2 + 2 references x 2 + (1 + 2) x 5 seeds
    assert counted == {Role.REFERENCE: 6, Role.BASELINE: 4, Role.SEARCH: 20, Role.CONFIRMATION: 29}


@pytest.mark.parametrize(("trials", "confirmed"), [(1, 8), (2, 12), (50, 14)])
def test_no_more_finalists_are_counted_than_there_are_trials(trials: int, confirmed: int) -> None:
    """The finalists choose on two seeds where there are several, and one of them trains on eight more."""
    document = study(log_range(), trials=trials, confirmation={"top": 3, "seeds": 8}, baselines=[])
    assert phases(define(document))[Role.CONFIRMATION] == confirmed


def test_a_rule_for_a_long_name_is_short_enough_to_be_kept_and_still_its_own() -> None:
    one, other = (rule_for("without", "p" * 63 + last) for last in "ab")
    assert len(one) == len(other) == MAX_RULE
    assert one != other
    assert rule_for("without", "agreement") == "without:agreement"
