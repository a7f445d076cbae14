"""What a confirmation says where the objective has constraints, against numbers by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from search.analysis.verdict import Verdict
from search.definition.schema import Objective
from search.planning.candidates import Candidate
from search.planning.looks import Judgement
from storage.records import AnchorRecord, Measured, Role
from tests.search.analysis.test_verdict import STEADY, adaptive, around
from tests.search.histories import trial
from tests.search.meetings import verdict

RELATIVE = Objective.model_validate(
    {
        "metrics": [
            {"metric": "a.accuracy", "direction": "maximize"},
            {
                "metric": "b.accuracy",
                "direction": "maximize",
                "strategy": "constraint",
                "at_least": {"of": "reference", "times": 0.5},
            },
        ]
    }
)


def both(number: int, a: Sequence[float], b: Sequence[float], **fields: Any) -> Candidate:
    """Return a candidate with an accuracy of two tasks a seed."""
    pairs = enumerate(zip(a, b, strict=True))
    measured = {seed: Measured(validation={"a.accuracy": one, "b.accuracy": other}) for seed, (one, other) in pairs}
    return Candidate(trial(number, **fields), measured)


def test_a_baseline_that_surely_breaks_a_constraint_counts_as_beaten() -> None:
    reference = both(1, [0.1] * 4, [0.8] * 4, role=Role.REFERENCE, rule="alone:b")
    cheat = both(4, [0.95, 0.96, 0.95, 0.94], [0.1] * 4, role=Role.BASELINE, rule="dwa")
    beaten = both(0, [0.5, 0.51, 0.5, 0.49], [0.5] * 4, role=Role.BASELINE, rule="equal")
    three = verdict([both(2, [0.9] * 4, [0.5] * 4), beaten, cheat, reference], 4, objective=RELATIVE)
    assert three.call is Judgement.BETTER
    assert three.sentence.startswith("The tuned weights (trial 2) are better than equal weights (+0.4 in a accuracy, ")
    assert "and they keep the constraint on b.accuracy, which dynamic weight averaging" in three.sentence


UNSURE = [0.1, 0.5, 0.2, 0.6]
"""An accuracy by seed whose mean misses the bound of 0.4, perhaps by chance."""


def test_an_open_rival_is_named_and_not_a_beaten_one_that_leads_it() -> None:
    """The other breaks the constraint, perhaps by chance: it can only be beaten, and it is not yet."""
    reference = both(1, [0.1] * 4, [0.8] * 4, role=Role.REFERENCE, rule="alone:b")
    cheat = both(4, [0.95, 0.96, 0.95, 0.94], UNSURE, role=Role.BASELINE, rule="dwa")
    beaten = both(0, [0.5, 0.51, 0.5, 0.49], [0.5] * 4, role=Role.BASELINE, rule="equal")
    three = verdict([both(2, [0.9] * 4, [0.5] * 4), beaten, cheat, reference], 4, objective=RELATIVE)
    assert three.call is Judgement.NOT_ENOUGH
    assert "whether they are better than dynamic weight averaging" in three.sentence
    assert three.sentence.count("equal weights") == 1


def test_a_relative_constraint_is_judged_again_on_the_fresh_seeds() -> None:
    reference = both(0, [0.1, 0.1, 0.1], [0.8, 0.9, 0.7], role=Role.REFERENCE, rule="alone:b")
    three = verdict([both(3, [0.9, 0.9, 0.9], [0.5, 0.39, 0.6]), reference], 3, objective=RELATIVE)
    # half of the reference's mean .8 is .4: kept on two of three seeds
    (held,) = three.constraints
    assert (held.at_least, held.held, held.n) == (pytest.approx(0.4), 2, 3)
    assert three.sentence.endswith("; b.accuracy is at least 0.4 on 2 of 3 fresh seeds.")


def test_a_finalist_whose_mean_keeps_the_constraints_goes_before_a_better_one() -> None:
    reference = both(0, [0.1] * 4, [0.8] * 4, role=Role.REFERENCE, rule="alone:b")
    better, feasible = both(1, [0.95] * 4, [0.3, 0.45, 0.5, 0.5]), both(2, [0.9] * 4, [0.5] * 4)
    assert verdict([better, feasible, reference], 4, choosing=2, objective=RELATIVE).winner.trial.number == 2


def beside_equal(winner: Sequence[float], equal: Sequence[float], value: float = 0.95) -> Verdict:
    """Return the verdict over a winner worth 0.9 beside equal weights, by their accuracies on the constraint's task."""
    reference = both(1, [0.1] * 4, [0.8] * 4, role=Role.REFERENCE, rule="alone:b")
    baseline = both(0, [value + each / 10 for each in reversed(STEADY)], equal, role=Role.BASELINE, rule="equal")
    return verdict([both(2, [0.9 + each / 10 for each in STEADY], winner), baseline, reference], 4, objective=RELATIVE)


def test_a_better_baseline_that_breaks_a_constraint_is_not_recommended() -> None:
    three = beside_equal([0.5] * 4, [0.1] * 4)
    assert (three.call, three.recommended.rule) == (Judgement.BETTER, None)
    assert three.recommended.sentence == (
        "Use the tuned weights of trial 2: they keep the constraint on b.accuracy, which equal weights break."
    )
    assert (
        "(trial 2) are better by a constraint: they keep the constraint on b.accuracy, which equal weights (-0.05 in a accuracy, "
        in three.sentence
    )


def test_a_leading_baseline_that_may_break_a_constraint_by_chance_alone_is_not_called_beaten() -> None:
    three = beside_equal([0.5] * 4, UNSURE)
    assert (three.call, three.recommended.rule) == (Judgement.NOT_ENOUGH, None)
    assert "; equal weights break the constraint on b.accuracy" in three.sentence
    assert three.recommended.sentence.endswith("they keep the constraint on b.accuracy, which equal weights break.")


@pytest.mark.parametrize("value", [0.7, 0.95])
def test_a_winner_that_breaks_a_constraint_which_a_baseline_keeps_is_not_recommended(value: float) -> None:
    three = beside_equal([0.1] * 4, [0.5] * 4, value)
    assert (three.call, three.recommended.rule) == (Judgement.WORSE, "equal")
    assert three.sentence.startswith("The tuned weights (trial 2) are worse than equal weights (")
    assert " by the constraint on b.accuracy: they break it on fresh seeds" in three.sentence
    assert three.recommended.sentence == (
        "Use equal weights: they keep the constraint on b.accuracy, which the tuned weights break on fresh seeds. "
        "They need no search."
    )


def test_a_winner_that_may_break_a_constraint_by_chance_is_not_recommended_before_a_baseline_that_keeps_it() -> None:
    three = beside_equal(UNSURE, [0.5] * 4, 0.7)
    assert (three.call, three.recommended.rule) == (Judgement.NOT_ENOUGH, "equal")
    assert "not enough trainings to tell whether the tuned weights (trial 2) keep the constraint on b.accuracy" in three.sentence


def test_a_winner_is_worse_by_a_constraint_only_where_the_baseline_surely_keeps_it() -> None:
    three = beside_equal([0.1] * 4, [0.3, 0.6, 0.3, 0.6], 0.7)
    assert (three.call, three.recommended.rule) == (Judgement.NOT_ENOUGH, "equal")


def test_a_winner_that_is_worth_less_is_worse_even_if_it_may_break_a_constraint_by_chance() -> None:
    three = beside_equal(UNSURE, [0.5] * 4, 0.95)
    assert (three.call, three.recommended.rule) == (Judgement.WORSE, "equal")
    assert three.sentence.startswith("The tuned weights (trial 2) are worse than equal weights: by 0.05 ")


def test_a_baseline_without_a_value_that_surely_breaks_a_constraint_is_beaten_in_words_too() -> None:
    three = beside_equal([0.5] * 4, [0.1] * 4, math.nan)
    assert three.call is Judgement.BETTER
    assert three.sentence.startswith(
        "The tuned weights (trial 2) are better by a constraint: they keep the constraint on b.accuracy, which equal weights break"
    )


def test_where_all_break_a_constraint_alike_values_decide_and_it_is_said_of_what_is_recommended() -> None:
    three = beside_equal([0.1] * 4, [0.1] * 4, 0.7)
    assert three.call is Judgement.BETTER
    broken = "; by their mean over fresh seeds the tuned weights break the constraint on b.accuracy, and no baseline that they met"
    assert f"{broken} keeps all. " in three.sentence
    assert three.recommended.sentence == (
        "Use the tuned weights of trial 2; but nothing that was trained on fresh seeds keeps the constraint on b.accuracy."
    )


def test_where_all_break_a_constraint_one_that_misses_it_by_more_can_only_be_beaten() -> None:
    three = beside_equal([0.38] * 4, [0.1] * 4, 0.95)
    assert (three.call, three.recommended.rule) == (Judgement.BETTER, None)
    assert (
        "by a constraint: they miss the constraint on b.accuracy by less than equal weights (-0.05 in a accuracy, "
        in three.sentence
    )


def test_baselines_that_break_the_same_constraint_are_named_together() -> None:
    reference = both(1, [0.1] * 4, [0.8] * 4, role=Role.REFERENCE, rule="alone:b")
    others = [both(i, [0.95] * 4, [0.1] * 4, role=Role.BASELINE, rule=rule) for i, rule in ((0, "equal"), (4, "dwa"))]
    three = verdict([both(2, [0.9] * 4, [0.5] * 4), *others, reference], 4, objective=RELATIVE)
    assert three.recommended.sentence == (
        "Use the tuned weights of trial 2: they keep the constraint on b.accuracy, which equal weights and dynamic weight "
        "averaging break."
    )


def test_of_rivals_that_keep_what_the_winner_breaks_fixed_weights_are_recommended_first() -> None:
    reference = both(1, [0.1] * 4, [0.8] * 4, role=Role.REFERENCE, rule="alone:b")
    rule = adaptive(both(4, around(0.95), [0.5] * 4, role=Role.BASELINE, rule="uncertainty"))
    fixed = both(0, around(0.85), [0.5] * 4, role=Role.BASELINE, rule="equal")
    three = verdict([both(2, around(0.9)[::-1], [0.1] * 4), rule, fixed, reference], 4, objective=RELATIVE)
    assert three.recommended.rule == "equal"
    alone = verdict([both(2, around(0.9)[::-1], [0.1] * 4), rule, reference], 4, objective=RELATIVE).recommended
    assert alone.sentence.startswith("Use uncertainty weighting: it keeps the constraint on b.accuracy, which the tuned weights")


def test_what_keeps_a_constraint_that_the_winner_and_its_rivals_break_is_named() -> None:
    """Both finalists keep the bound on the two seeds that choose; on those that compare, the winner does no longer."""
    reference = both(1, [0.1] * 6, [0.8] * 6, role=Role.REFERENCE, rule="alone:b")
    later = [0.5, 0.5, 0.1, 0.1, 0.1, 0.1]
    other = both(5, [0.8] * 2, [0.5] * 2)
    baseline = both(0, [0.7, 0.7, *around(0.7)[::-1]], later, role=Role.BASELINE, rule="equal")
    three = verdict([both(2, [0.9, 0.9, *around(0.9)], later), other, baseline, reference], 6, choosing=2, objective=RELATIVE)
    assert three.recommended.sentence == (
        "Use the tuned weights of trial 2; but neither the tuned weights nor a baseline that they met keeps the constraint on "
        "b.accuracy: trial 5 does on fresh seeds."
    )


def test_a_reference_is_no_candidate_and_has_no_value() -> None:
    reference = both(0, [0.1, 0.1], [0.8, 0.8], role=Role.REFERENCE, rule="alone:b")
    three = verdict([both(2, [0.9, 0.9], [0.5, 0.5]), reference], 2, objective=RELATIVE)
    assert set(three.values) == {"trial 2"}
    assert set(three.metrics) == {"trial 2", "alone:b"}
    assert [anchor.value for anchor in three.anchors] == [pytest.approx(0.8)]


def test_what_was_not_confirmed_is_held_against_what_the_search_knew() -> None:
    known = [AnchorRecord("reference", "b.accuracy", 0.6, None, (0,))]
    three = verdict([both(2, [0.9, 0.9], [0.31, 0.5])], 2, objective=RELATIVE, known=known)
    assert three.constraints[0].at_least == pytest.approx(0.3)
    assert three.constraints[0].held == 2
