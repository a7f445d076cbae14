"""What the pruning benchmark says of a study's seconds, from its trials by hand."""

from __future__ import annotations

from typing import Any, cast

from benchmarks import pruning
from benchmarks.turns import Row
from steelyard.documents import Trial


def trial(role: str, cohort: int, started: int, ended: int) -> Trial:
    at = "2026-01-01T00:00:{:02d}+00:00".format
    return cast(Trial, {"role": role, "cohort": cohort, "started_at": at(started), "ended_at": at(ended)})


TRIALS = [
    trial("baseline", 1, 1, 4),
    trial("reference", 2, 4, 9),
    trial("search", 2, 5, 8),
    trial("search", 3, 9, 11),
    trial("confirmation", 4, 11, 20),
]


def test_a_cohort_lasts_until_its_last_trial_has_ended_and_those_on_fresh_seeds_are_left_out() -> None:
    assert pruning._cohorts(TRIALS) == [(1, 3.0), (2, 5.0), (1, 2.0)]


def test_training_is_held_against_training_from_the_first_baseline_on() -> None:
    def row(name: str, trained: float) -> Row:
        details: dict[str, Any] = {"epochs": 10, "searched": 6.0, "trained": trained, "confirmed": 0.0, "std": 1.0}
        return Row(name, 2, (1.0,), (details,))

    found = {ratio.name: ratio.value for ratio in pruning._ratios([row(pruning.WITHOUT, 8.0), row("hyperband", 5.0)])}
    assert found["seconds, hyperband / no pruner"] == 1.0
    assert found["seconds of training, hyperband / no pruner"] == 0.625
