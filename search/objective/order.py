"""Who comes first: the feasible before the others, then the greatest value, then the lowest number. Written here and nowhere else.

A value is always to be maximised: an objective's directions are in it already (`search.objective.scoring`). One that is not finite
never wins. SQL fetches by `BEST_FIRST`; everything else compares by `rank` and `place`. Pure functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from storage.records import TrialRecord, TrialState, Values

Rank = tuple[bool, bool, float]
Place = tuple[Rank, int]

BEST_FIRST = (("feasible", True), ("value", True), ("number", False))
"""The same order as columns of a trial, each with whether it descends: SQL sorts finite values by it, to fetch the first ones."""


def rank(feasible: bool | None, value: float | None) -> Rank:
    """Return a sort key: feasible first, then finite, then by value; greater is better."""
    finite = value is not None and math.isfinite(value)
    return bool(feasible), finite, value if finite and value is not None else 0.0


def place(feasible: bool | None, value: float | None, number: int) -> Place:
    """Return a sort key that is greatest for the best: the rank, then the lowest number."""
    return rank(feasible, value), -number


def has_won(feasible: bool | None, value: float | None) -> bool:
    """Return whether the first may be handed over: it keeps all constraints and has a finite value."""
    return rank(feasible, value)[:2] == (True, True)


def winners(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the complete and feasible trials with a finite value, the best first."""
    able = [trial for trial in trials if trial.state is TrialState.COMPLETE and has_won(trial.feasible, trial.value)]
    return sorted(able, key=_place, reverse=True)


def leader(trials: Iterable[TrialRecord], *, valued: bool = True) -> TrialRecord | None:
    """Return the first of the complete and judged trials that may win, an infeasible one where no other is there; else None.

    `valued`: only one with a finite value. Without it, of a front, whose trials have none, it says whether any is feasible.
    """
    judged = [trial for trial in trials if trial.competes and trial.state is TrialState.COMPLETE and trial.feasible is not None]
    return max((trial for trial in judged if not valued or rank(True, trial.value)[1]), key=_place, default=None)


def closest(missed: Mapping[int, Values]) -> int | None:
    """Return the number of the trial with the smallest total violation (the lowest number on ties); None without trials.

    `missed` has by how much which constraint is missed, by trial. The fewer are missed by no finite amount, the closer.
    """

    def far(number: int) -> tuple[int, float, int]:
        finite = [amount for amount in missed[number].values() if math.isfinite(amount)]
        return len(missed[number]) - len(finite), sum(finite), number

    return min(missed, key=far, default=None)


def _place(trial: TrialRecord) -> Place:
    return place(trial.feasible, trial.value, trial.number)
