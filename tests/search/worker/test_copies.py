"""A cohort of trials on several seeds, each a setting for each seed with the child."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from search.training.child.protocol import CancelSettings, GoOn, RungReached
from search.training.interface import Ended, Setting
from search.worker.copies import Cohort, SeedEpoch
from storage.records import Measured, Reason, TrialState
from tests.search.histories import trial

SEEDS = {5: None, 6: None, 7: None}


def cohort() -> tuple[Cohort, list[Setting]]:
    """Return a cohort of a reference on one seed and two trials on three, with its settings in order."""
    trials = [trial(0, seed=5), trial(1, seed=5, by_seed=SEEDS), trial(2, seed=5, by_seed=SEEDS)]
    made = Cohort(trials)
    return made, made.settings({each.number: Setting(each.number, each.seed, {"a": float(each.number)}) for each in trials})


def numbers(settings: Sequence[Setting], weight: float) -> list[int]:
    return [setting.number for setting in settings if setting.weights["a"] == weight]


def report(value: float) -> SeedEpoch:
    return SeedEpoch(Measured({"a": value}, {"b": 2 * value}), 0.5, {"a": value})


def test_settings_come_trial_by_trial_with_numbers_of_their_own() -> None:
    _, settings = cohort()
    assert [(setting.seed, setting.weights["a"]) for setting in settings] == [
        (5, 0.0), (5, 1.0), (6, 1.0), (7, 1.0), (5, 2.0), (6, 2.0), (7, 2.0),
    ]  # fmt: skip
    assert [setting.number for setting in settings if setting.seed == 5] == [0, 1, 2]
    assert len({setting.number for setting in settings}) == 7


def test_a_trial_reports_means_once_all_its_settings_are_there() -> None:
    made, settings = cohort()
    first, second, third = numbers(settings, 1.0)
    copies = made.of(second)
    assert copies.trial.number == 1
    assert copies.add(first, 3, report(1.0)) is None
    assert copies.add(first, 4, report(9.0)) is None
    assert copies.add(second, 3, report(2.0)) is None
    whole = copies.add(third, 3, report(6.0))
    assert whole == SeedEpoch(Measured({"a": 3.0}, {"b": 6.0}), 1.5, {"a": 3.0})


def test_a_trial_on_one_seed_reports_at_once() -> None:
    made, _ = cohort()
    assert made.of(0).add(0, 1, report(1.0)) == report(1.0)
    assert made.by_seed(0) == {}


def test_curves_are_kept_by_seed() -> None:
    made, settings = cohort()
    first, second, third = numbers(settings, 2.0)
    for number, value in ((first, 1.0), (second, 2.0), (third, 3.0)):
        made.of(number).add(number, 1, report(value))
    assert {seed: curve.reports[1].train["a"] for seed, curve in made.by_seed(2).items()} == {5: 1.0, 6: 2.0, 7: 3.0}


C, P, D, F, X = TrialState.COMPLETE, TrialState.PRUNED, TrialState.DIVERGED, TrialState.FAILED, TrialState.CANCELLED


@pytest.mark.parametrize(("states", "whole"), [((C, C, C), C), ((C, C, P), P), ((C, D, X), D), ((C, X, C), X), ((D, F, C), F)])
def test_a_trial_ends_as_the_worst_of_its_settings(states: Sequence[TrialState], whole: TrialState) -> None:
    made, settings = cohort()
    copies = made.of(1)
    ends = [copies.end(Ended(number, state, 10)) for number, state in zip(numbers(settings, 1.0), states, strict=True)]
    assert ends[:2] == [None, None]
    assert ends[2] == Ended(1, whole, 10)


def test_the_reason_of_a_trials_end_names_the_seed() -> None:
    made, settings = cohort()
    first, second, third = numbers(settings, 1.0)
    copies = made.of(1)
    copies.end(Ended(first, C, 10))
    copies.end(Ended(second, D, 3, Reason("diverged", "epoch 4: the term a is infinite")))
    assert copies.end(Ended(third, X, 0)) == Ended(1, D, 3, Reason("diverged", "under seed 6: epoch 4: the term a is infinite"))


def test_settings_of_a_trial_that_diverged_under_another_seed_are_dropped_once() -> None:
    made, settings = cohort()
    first, second, third = numbers(settings, 1.0)
    assert made.to_drop() is None
    made.of(first).end(Ended(first, D, 3))
    assert made.to_drop() == CancelSettings([second, third])
    assert made.to_drop() is None


def test_a_rung_is_the_trials_once_their_means_are_known() -> None:
    made, settings = cohort()
    last = [numbers(settings, weight)[2] for weight in (1.0, 2.0)]
    reached = RungReached(3, last)
    assert made.trials_at(reached, measured={2}) == RungReached(3, [2])
    assert made.reply(reached, GoOn(3, {2: "why"})) == GoOn(3, {last[1]: "why"})
