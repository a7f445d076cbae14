"""What a confirmation says, against numbers by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from search.analysis.verdict import LEVEL, Candidate, half_width, judge, paired, spread, told_rule
from search.definition.schema import Objective
from storage.records import AnchorRecord, Measured, Role
from tests.search.histories import trial

OBJECTIVE = Objective.model_validate({"metrics": [{"metric": "a.accuracy", "direction": "maximize"}]})


def candidate(
    number: int, validation: Sequence[float], test: Sequence[float] = (), rule: str | None = None, value: float = 1.0
) -> Candidate:
    """Return a candidate with one accuracy a seed."""
    own = trial(number, role=Role.BASELINE if rule else Role.SEARCH, rule=rule, value=value)
    measured = {
        seed: Measured(validation={"a.accuracy": each}, test={"a.accuracy": test[seed]} if test else {})
        for seed, each in enumerate(validation)
    }
    return Candidate(own, measured)


def test_the_interval_is_the_paired_t_interval_with_bonferroni() -> None:
    winner, other = candidate(1, [0.9, 0.8, 0.95, 0.85]), candidate(0, [0.5, 0.5, 0.55, 0.45], rule="equal")
    interval = paired(winner, other, OBJECTIVE, "validation", comparisons=3)
    assert interval is not None
    # differences .4 .3 .4 .4: mean .375, standard deviation .05; t(3) at 1 - .01 / 6 is 8.5752 (R: qt(1 - .01/6, 3))
    assert interval.difference == pytest.approx(0.375)
    assert interval.high - interval.difference == pytest.approx(8.5752 * 0.05 / 2, rel=1e-4)
    assert interval.n == 4


def test_more_finalists_make_the_interval_wider() -> None:
    assert half_width([0.1, 0.2, 0.4], 3) > half_width([0.1, 0.2, 0.4], 1)
    assert pytest.approx(0.99) == LEVEL


def test_the_winner_is_chosen_on_validation_and_told_on_test() -> None:
    chosen = candidate(1, [0.9, 0.9], [0.6, 0.7])
    luckier = candidate(2, [0.8, 0.8], [0.9, 0.9])
    verdict = judge(OBJECTIVE, [chosen, luckier])
    assert verdict is not None
    assert (verdict.winner.trial.number, verdict.split) == (1, "test")
    assert verdict.values["trial 1"].mean == pytest.approx(0.65)
    assert verdict.optimism == pytest.approx(0.35)


def test_a_clear_gain_over_the_best_baseline_is_called_better() -> None:
    candidates = [
        candidate(3, [0.90, 0.91, 0.92, 0.91]),
        candidate(0, [0.70, 0.71, 0.72, 0.70], rule="equal"),
        candidate(1, [0.80, 0.80, 0.82, 0.81], rule="current"),
    ]
    verdict = judge(OBJECTIVE, candidates)
    assert verdict is not None
    assert verdict.sentence.startswith("trial 3 is better than the best baseline, your weights of today (+0.1025")
    assert {interval.against for interval in verdict.intervals} == {"equal", "current"}


def test_a_difference_within_noise_is_said_plainly() -> None:
    verdict = judge(OBJECTIVE, [candidate(3, [0.90, 0.70, 0.92, 0.75]), candidate(0, [0.80, 0.81, 0.79, 0.80], rule="equal")])
    assert verdict is not None
    assert verdict.sentence.startswith("trial 3 is no better than equal weights within noise")
    assert not verdict.intervals[0].above_zero


def test_what_trainings_from_the_same_weights_cover_is_said() -> None:
    candidates = [candidate(1, [0.9, 0.8]), candidate(0, [0.7, 0.9], rule="equal")]
    free, fixed = judge(OBJECTIVE, candidates), judge(OBJECTIVE, candidates, fixed_start=True)
    assert free is not None
    assert fixed is not None
    told = "; every training started from the same weights, so this covers the order of rows alone."
    assert fixed.sentence == free.sentence.removesuffix(".") + told
    assert fixed.intervals == free.intervals


def test_seeds_that_only_one_of_two_has_are_left_out_of_their_comparison() -> None:
    winner, other = candidate(1, [0.9, 0.8, 0.7]), candidate(0, [0.5, 0.5], rule="equal")
    interval = paired(winner, other, OBJECTIVE, "validation", 1)
    assert interval is not None
    assert interval.n == 2


def test_a_finalist_that_failed_on_a_seed_does_not_win() -> None:
    verdict = judge(OBJECTIVE, [candidate(1, [0.9, math.nan]), candidate(2, [0.5, 0.5])])
    assert verdict is not None
    assert verdict.winner.trial.number == 2


def test_without_a_finalist_there_is_no_verdict() -> None:
    assert judge(OBJECTIVE, [candidate(0, [0.5, 0.5], rule="equal")]) is None


def test_a_spread_is_of_the_sample() -> None:
    told = spread([1.0, 2.0, 3.0])
    assert (told.mean, told.std, told.n) == (2.0, 1.0, 3)


def test_a_gain_over_equal_weights_that_another_baseline_has_too_is_said_so() -> None:
    candidates = [
        candidate(3, [0.90, 0.91, 0.92, 0.91]),
        candidate(0, [0.70, 0.71, 0.72, 0.70], rule="equal"),
        candidate(1, [0.89, 0.92, 0.91, 0.91], rule="uncertainty"),
    ]
    verdict = judge(OBJECTIVE, candidates)
    assert verdict is not None
    assert verdict.sentence.startswith("trial 3 is better than equal weights (+0.2025")
    assert "but is no better than uncertainty weighting within noise" in verdict.sentence


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("without:agreement", "equal weights without agreement"),
        ("inverse_initial_loss", "inverse-initial-loss weights"),
        ("famo", "FAMO"),
        ("a_plug_in", "a_plug_in"),
    ],
)
def test_a_sentence_names_a_baseline_in_words(rule: str, words: str) -> None:
    assert told_rule(rule) == words


def test_no_gain_over_equal_weights_is_the_verdict_whatever_the_other_baselines_are() -> None:
    candidates = [
        candidate(3, [0.80, 0.81, 0.82, 0.80]),
        candidate(0, [0.81, 0.80, 0.82, 0.80], rule="equal"),
        candidate(1, [0.5, 0.5, 0.51, 0.5], rule="current"),
    ]
    verdict = judge(OBJECTIVE, candidates)
    assert verdict is not None
    assert verdict.sentence.startswith("trial 3 is no better than equal weights within noise")


def test_your_own_weights_are_called_equal_where_they_are() -> None:
    yours = candidate(0, [0.8, 0.8], rule="current")
    equal = Candidate(replace(yours.trial, weights={"a.loss": 1.0, "b.loss": 1.0}), yours.measured)
    verdict = judge(OBJECTIVE, [candidate(3, [0.8, 0.8]), equal])
    assert verdict is not None
    assert "no better than equal weights within noise" in verdict.sentence


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


def test_a_relative_constraint_is_judged_again_on_the_fresh_seeds() -> None:
    reference = both(0, [0.1, 0.1, 0.1], [0.8, 0.9, 0.7], role=Role.REFERENCE, rule="alone:b")
    verdict = judge(RELATIVE, [both(3, [0.9, 0.9, 0.9], [0.5, 0.39, 0.6]), reference])
    assert verdict is not None
    # half of the reference's mean .8 is .4: kept on two of three seeds
    (held,) = verdict.constraints
    assert (held.at_least, held.held, held.n) == (pytest.approx(0.4), 2, 3)
    assert verdict.sentence.endswith("; b.accuracy at least 0.4 holds in 2 of 3.")


def test_a_finalist_whose_mean_keeps_the_constraints_goes_before_a_better_one() -> None:
    reference = both(0, [0.1, 0.1], [0.8, 0.8], role=Role.REFERENCE, rule="alone:b")
    better, feasible = both(1, [0.95, 0.95], [0.3, 0.45]), both(2, [0.9, 0.9], [0.5, 0.5])
    verdict = judge(RELATIVE, [better, feasible, reference])
    assert verdict is not None
    assert verdict.winner.trial.number == 2


def test_a_reference_is_no_candidate_and_has_no_value() -> None:
    reference = both(0, [0.1, 0.1], [0.8, 0.8], role=Role.REFERENCE, rule="alone:b")
    verdict = judge(RELATIVE, [both(2, [0.9, 0.9], [0.5, 0.5]), reference])
    assert verdict is not None
    assert set(verdict.values) == {"trial 2"}
    assert set(verdict.metrics) == {"trial 2", "alone:b"}
    assert [anchor.value for anchor in verdict.anchors] == [pytest.approx(0.8)]


def test_what_was_not_confirmed_is_held_against_what_the_search_knew() -> None:
    known = [AnchorRecord("reference", "b.accuracy", 0.6, None, (0,))]
    verdict = judge(RELATIVE, [both(2, [0.9, 0.9], [0.31, 0.5])], known)
    assert verdict is not None
    assert verdict.constraints[0].at_least == pytest.approx(0.3)
    assert verdict.constraints[0].held == 2
