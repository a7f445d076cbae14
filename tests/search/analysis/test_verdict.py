"""What a confirmation says, against numbers by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from search.analysis.verdict import judge, spread
from search.planning.candidates import Candidate, rule_in_words
from search.planning.looks import Judgement
from search.planning.meeting import MeetingEnd
from storage.records import ADAPTIVE_ORIGIN, Measured
from tests.search.meetings import OBJECTIVE, candidate, met, trained, verdict

STEADY = [0.01, -0.01, 0.02, -0.02]


def around(mean: float) -> list[float]:
    return [mean + each for each in STEADY]


def equal(mean: float) -> Candidate:
    """Return equal weights of this mean accuracy, which move the other way from seed to seed."""
    return candidate(0, [mean + each for each in reversed(STEADY)], rule="equal")


def test_the_interval_is_the_paired_t_interval_of_95_percent() -> None:
    three = verdict([candidate(1, [0.9, 0.8, 0.95, 0.85]), candidate(0, [0.5, 0.5, 0.55, 0.45], rule="equal")], 4)
    (interval,) = three.intervals
    # differences .4 .3 .4 .4: mean .375, standard deviation .05; t(3) at .975 is 3.1824
    assert interval.difference == pytest.approx(0.375)
    assert interval.high - interval.difference == pytest.approx(3.1824 * 0.05 / 2, rel=1e-4)
    assert interval.n == 4


def test_the_winner_is_chosen_on_validation_and_reported_on_test() -> None:
    chosen = candidate(1, [0.9, 0.9, 0.9, 0.9], [0.1, 0.1, 0.6, 0.7])
    luckier = candidate(2, [0.8, 0.8, 0.8, 0.8], [0.9, 0.9, 0.9, 0.9])
    three = verdict([chosen, luckier], 4, choosing=2)
    assert (three.winner.trial.number, three.split, three.seeds) == (1, "test", (2, 3))
    assert three.values["trial 1"].mean == pytest.approx(0.65)
    assert three.optimism == pytest.approx(0.35)


def test_a_clear_gain_over_the_best_baselines_is_called_better() -> None:
    three = verdict([candidate(3, around(0.9)), equal(0.7), candidate(1, around(0.8), rule="current")], 4)
    assert three.call is Judgement.BETTER
    begin = "The tuned weights (trial 3) are better than the best baselines: by 0.2 in a accuracy over equal weights (95 % interval"
    assert three.sentence.startswith(begin)
    assert "and by 0.1 in a accuracy over your weights of today (95 % interval" in three.sentence
    assert "4 fresh seeds not used for choosing, validation split; a accuracy 80.0 -> 90.0 %" in three.sentence
    assert (three.recommended.rule, three.recommended.trial) == (None, 3)


def test_an_accuracy_that_is_not_said_to_be_a_share_is_read_as_it_is() -> None:
    three = verdict([candidate(3, around(0.9)), equal(0.7)], 4, percent=())
    assert three.story == "a accuracy 0.700 -> 0.900"


def test_a_single_baseline_is_not_called_the_best_ones() -> None:
    three = verdict([candidate(3, around(0.9)), equal(0.7)], 4)
    assert three.sentence.startswith(
        "The tuned weights (trial 3) are better than equal weights: by 0.2 in a accuracy (95 % interval"
    )


def test_an_interval_below_zero_is_called_worse_and_the_baseline_recommended() -> None:
    three = verdict([candidate(3, around(0.7)), equal(0.9)], 4)
    assert three.call is Judgement.WORSE
    assert three.sentence.startswith(
        "The tuned weights (trial 3) are worse than equal weights: by 0.2 in a accuracy (95 % interval -0.2"
    )
    assert three.recommended.rule == "equal"
    assert three.recommended.sentence == "Use equal weights: better than the tuned weights. They need no search."


def test_an_interval_within_one_trainings_luck_of_zero_is_called_as_good() -> None:
    moves = [0.1, -0.1, 0.2, -0.2]
    both = [candidate(3, [0.5 + each for each in moves]), candidate(0, [0.51 + each for each in moves], rule="equal")]
    three = verdict([both[0], Candidate(both[1].trial, {**both[1].measured, 0: Measured(validation={"a.accuracy": 0.6})})], 4)
    assert three.call is Judgement.AS_GOOD
    assert three.sentence.startswith("The tuned weights (trial 3) are as good as equal weights: -0.0075")
    assert three.recommended.rule == "equal"


def test_what_cannot_be_reported_says_what_could_have_been_detected() -> None:
    three = verdict([candidate(3, [0.90, 0.70, 0.92, 0.75]), candidate(0, [0.80, 0.81, 0.79, 0.80], rule="equal")], 4)
    assert three.call is Judgement.NOT_ENOUGH
    begin = "There are not enough trainings to tell whether the tuned weights (trial 3) are better than equal weights"
    assert three.sentence.startswith(begin)
    # differences .1 -.11 .13 -.05: standard deviation .11587; 3.1824 x .11587 / 2
    assert three.detectable == pytest.approx(0.18437, rel=1e-4)
    assert "; a lead of less than 0.184 in a accuracy could not have been detected" in three.sentence
    assert three.recommended.rule is None


def test_a_baseline_that_leads_is_recommended_though_it_is_not_certain() -> None:
    three = verdict([candidate(3, [0.70, 0.90, 0.72, 0.85]), candidate(0, [0.80, 0.81, 0.81, 0.80], rule="equal")], 4)
    assert (three.call, three.recommended.rule) == (Judgement.NOT_ENOUGH, "equal")
    why = "on average they lead the tuned weights, though that is not certain"
    assert three.recommended.sentence == f"Use equal weights: {why}. They need no search."


def test_what_could_have_been_detected_is_of_the_baseline_that_is_undecided() -> None:
    """The lead over the other is as uncertain as it is large."""
    beaten = candidate(1, [0.1, 0.5, 0.2, 0.6], rule="current")
    three = verdict([candidate(3, [0.90, 0.70, 0.92, 0.75]), candidate(0, [0.80, 0.81, 0.79, 0.80], rule="equal"), beaten], 4)
    assert three.detectable == pytest.approx(0.18437, rel=1e-4)


def test_a_gain_over_one_baseline_alone_is_reported_so() -> None:
    other = candidate(1, [0.89, 0.93, 0.90, 0.92], rule="dwa")
    three = verdict([candidate(3, around(0.9)), equal(0.7), other], 4)
    assert three.call is not Judgement.BETTER
    assert "better than equal weights (+0.2 in a accuracy, " in three.sentence
    assert "dynamic weight averaging" in three.sentence


def test_a_baseline_that_breaks_down_beside_one_that_is_beaten_is_the_one_that_is_undecided() -> None:
    broken = candidate(1, [0.9, math.nan, 0.9, 0.9], rule="dwa")
    three = verdict([candidate(3, around(0.9)), equal(0.7), broken], 4)
    assert three.call is Judgement.NOT_ENOUGH
    assert three.sentence.startswith("The tuned weights (trial 3) are better than equal weights (+0.2 in a accuracy, ")
    end = "not enough trainings to tell whether they are better than dynamic weight averaging: fewer than two finished"
    assert end in three.sentence


def test_several_baselines_that_are_beaten_come_in_one_breath() -> None:
    """One finalist meets all baselines."""
    moves = [0.1, -0.1, 0.1, -0.1]
    alike = candidate(0, [1.0, 0.8, 1.01, 0.79], rule="equal")
    beaten = [candidate(1 + i, [0.5 + each for each in moves], rule=rule) for i, rule in enumerate(("dwa", "gradnorm"))]
    sentence = verdict([alike, *beaten, candidate(3, [0.9 + each for each in moves])], 4).sentence
    assert sentence.startswith("The tuned weights (trial 3) are better than dynamic weight averaging (+0.4 in a accuracy, ")
    assert ") and GradNorm (+0.4 in a accuracy, 95 % interval +0.4 to +0.4), but only as good as equal weights: " in sentence


def test_as_good_is_reported_with_the_luck_it_was_called_by() -> None:
    """A rival that is as good after 4 seeds trains no further; the other one's later looks know another luck."""
    moves = [0.1, -0.1, 0.2, -0.2]
    winner = candidate(3, [0.5 + each for each in moves * 3])
    alike = candidate(0, [0.5 + each for each in moves], rule="equal")
    other = candidate(1, [0.5 - each for each in (0.3, 0.1, 0.0, 0.2, -0.1, -0.3, 0.2, 0.1, 0.3, -0.2, 0.0, 0.1)], rule="dwa")
    meeting = met([winner, alike, other], 12)
    first, last = meeting.last("equal"), meeting.last("dwa")
    assert first is not None and last is not None and first.call is Judgement.AS_GOOD and last.after > first.after  # noqa: PT018
    assert first.margin != pytest.approx(last.margin, rel=1e-3)
    three = verdict([winner, alike, other], 12)
    assert (three.call, three.margin) == (Judgement.AS_GOOD, first.margin)
    assert f"within one training's luck ({first.margin:.3g})" in three.sentence


def test_a_rule_that_moves_weights_is_recommended_only_where_it_is_better() -> None:
    def adaptive(mean: float) -> Candidate:
        own = candidate(0, [mean + each for each in reversed(STEADY)], rule="uncertainty")
        return Candidate(replace(own.trial, origin=ADAPTIVE_ORIGIN), own.measured)

    worse = verdict([candidate(3, around(0.7)), adaptive(0.9)], 4).recommended
    assert (worse.rule, worse.adaptive) == ("uncertainty", True)
    assert worse.sentence.endswith("It moves weights in training, so it hands over no fixed weights.")
    alike = [candidate(3, [0.4, 0.6, 0.5, 0.7]), Candidate(adaptive(0).trial, candidate(0, [0.4, 0.6, 0.5, 0.7]).measured)]
    assert verdict(alike, 4).call is Judgement.AS_GOOD
    assert verdict(alike, 4).recommended.rule is None


def adaptive(own: Candidate) -> Candidate:
    return Candidate(replace(own.trial, origin=ADAPTIVE_ORIGIN), own.measured)


@pytest.mark.parametrize(
    ("fixed", "why"),
    [
        ([0.5, 0.5, 0.72, 0.71], "on average they lead the tuned weights, though that is not certain"),
        ([0.4, 0.6, 0.5, 0.7], "as good as the tuned weights"),
    ],
)
def test_fixed_weights_that_are_no_worse_are_recommended_where_a_moving_rule_leads(fixed: list[float], why: str) -> None:
    rule = adaptive(candidate(1, [0.7, 0.5, 0.8, 0.65], rule="uncertainty"))
    three = verdict([candidate(3, [0.4, 0.6, 0.5, 0.7]), rule, candidate(0, fixed, rule="equal")], 4)
    assert min(three.intervals, key=lambda each: each.difference).against == "uncertainty"
    assert (three.recommended.rule, three.recommended.sentence) == ("equal", f"Use equal weights: {why}. They need no search.")


def test_fixed_weights_that_the_tuned_ones_lead_are_not_recommended_for_a_rule_that_leads() -> None:
    rule = adaptive(candidate(1, [0.7, 0.5, 0.8, 0.65], rule="uncertainty"))
    behind = candidate(0, [0.5, 0.4, 0.5, 0.6], rule="equal")
    three = verdict([candidate(3, [0.4, 0.6, 0.5, 0.7]), rule, behind], 4)
    assert (three.call, three.recommended.rule) == (Judgement.NOT_ENOUGH, None)


def test_settings_that_differ_alike_on_all_seeds_are_not_judged() -> None:
    """Without luck an interval has no width: it says nothing of other starts or orders."""
    constant = [candidate(3, [0.9] * 12), candidate(0, [0.7] * 12, rule="equal")]
    three = verdict(constant, 12, fixed_start=True, fixed_order=True)
    assert (three.call, three.detectable) == (Judgement.NOT_ENOUGH, None)
    same = "every training started from the same weights and took the rows in the same order."
    assert f"; all seeds gave the same; {same}" in three.sentence
    assert (three.meeting.stop, three.meeting.looks[-1].after) == (MeetingEnd.FUTILE, 4)


def test_stopping_early_is_reported() -> None:
    three = verdict(
        [candidate(3, [5 + each for each in STEADY * 3]), candidate(0, [0.5 - each for each in STEADY], rule="equal")], 12
    )
    assert three.sentence.endswith(" Stopped after 16 of at most 1000 trainings.")


def test_the_seeds_that_choose_are_no_part_of_the_comparison() -> None:
    finalists = [candidate(3, [0.99, 0.99, *around(0.5)]), candidate(4, [0.1] * 6)]
    three = verdict([*finalists, candidate(0, [0.1, 0.1, *around(0.9)[::-1]], rule="equal")], 6, choosing=2)
    assert (three.call, three.seeds) == (Judgement.WORSE, (2, 3, 4, 5))
    assert three.values["trial 3"].mean == pytest.approx(0.5)
    assert three.values["trial 4"].n == 4


def test_a_winner_that_failed_on_fresh_seeds_says_so() -> None:
    three = verdict([candidate(1, [0.9, None, 0.8, 0.9]), candidate(0, around(0.5), rule="equal")], 4, failed=[(1, 1)])
    assert "1 of its 4 trainings on fresh seeds did not finish" in three.sentence


def test_what_trainings_from_the_same_weights_cover_is_said() -> None:
    candidates = [candidate(1, [0.9, 0.8]), candidate(0, [0.7, 0.9], rule="equal")]
    free, fixed = verdict(candidates, 2), verdict(candidates, 2, fixed_start=True)
    three = "; every training started from the same weights, so this covers the order of rows alone."
    assert fixed.sentence == free.sentence.removesuffix(".") + three
    assert fixed.intervals == free.intervals


def test_seeds_that_only_one_of_two_has_are_left_out_of_their_comparison() -> None:
    three = verdict([candidate(1, [0.9, 0.8, 0.7]), candidate(0, [0.5, 0.5, None], rule="equal")], 3, failed=[(0, 2)])
    assert three.intervals[0].n == 2


def test_a_winner_without_a_number_on_a_seed_is_compared_with_nothing() -> None:
    three = verdict([candidate(1, [0.9, math.nan, 0.9]), candidate(0, [0.5, 0.5, 0.5], rule="equal")], 3)
    assert (three.call, three.intervals) == (Judgement.NOT_ENOUGH, ())


def test_without_a_finalist_there_is_no_verdict() -> None:
    alone = [candidate(0, [0.5, 0.5], rule="equal")]
    assert judge(OBJECTIVE, met(alone, 2), trained(alone, 2)) is None


def test_a_spread_is_of_the_sample() -> None:
    three = spread([1.0, 2.0, 3.0])
    assert (three.mean, three.std, three.n) == (2.0, 1.0, 3)


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
    assert rule_in_words(rule) == words


def test_your_own_weights_are_called_equal_where_they_are() -> None:
    yours = candidate(0, [0.8, 0.8], rule="current")
    equal = Candidate(replace(yours.trial, weights={"a.loss": 1.0, "b.loss": 1.0}), yours.measured)
    assert "are as good as equal weights" in verdict([candidate(3, [0.8, 0.8]), equal], 2).sentence
