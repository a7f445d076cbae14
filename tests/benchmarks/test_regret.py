"""Played studies, in miniature: what a played winner is worth, and how often a gain is claimed."""

from __future__ import annotations

from benchmarks import regret
from benchmarks.options import Options
from search.planning.looks import Judgement


def test_a_study_plays_the_same_again() -> None:
    assert regret.play("lopsided", 2.0, 5, trials=16) == regret.play("lopsided", 2.0, 5, trials=16)


def test_a_gain_of_two_standard_deviations_is_called_in_seven_of_ten_within_one_and_a_half_times_the_searchs_trainings() -> None:
    found = [each for each in regret.plays(2.0, [3, 4]) if each.rule == regret.NOW]
    assert sum(each.call is Judgement.BETTER for each in found) >= 0.7 * len(found)
    assert all(each.trainings <= 60 for each in found)


def test_where_nothing_can_be_gained_none_is_claimed() -> None:
    found = [each for each in regret.plays(0.0, [7], trials=16) if each.rule == regret.NOW]
    assert len(found) == 7
    assert all(each.call is not Judgement.BETTER for each in found)


def test_the_table_says_what_was_called() -> None:
    before, now = regret.table(Options(quick=True)).lines
    assert (before[:3], now[:3]) == (("0 s", "before", "7"), ("0 s", "now", "7"))
