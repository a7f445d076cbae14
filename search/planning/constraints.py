"""Who keeps the objective's constraints on fresh seeds, by the mean over them, and how sure it is. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from search.definition.schema import Objective, ObjectiveMetric
from search.objective.scoring import evaluate
from search.planning.candidates import Candidate
from search.planning.looks import half_width


def broken(objective: Objective, candidate: Candidate, split: str) -> tuple[str, ...]:
    """Return the metrics whose mean over the candidate's seeds misses a bound; none of one that was trained on no seed."""
    if not candidate.measured:
        return ()
    return tuple(path for path, by in evaluate(objective, candidate.means(split)).violations.items() if by > 0)


def surely_broken(objective: Objective, candidate: Candidate, split: str, error: float) -> tuple[str, ...]:
    """Return the metrics of which a mean that keeps its bound is as unlikely as `error`, by Student's t over the seeds."""
    entries = [entry for entry in objective.metrics if entry.metric in broken(objective, candidate, split)]
    return tuple(entry.metric for entry in entries if _least(entry, candidate, split, error) > 0)


def _least(entry: ObjectiveMetric, candidate: Candidate, split: str, error: float) -> float:
    """Return by how much a bound is missed at least."""
    by_seed = [getattr(each, split).get(entry.metric, math.nan) for each in candidate.measured.values()]
    least = -math.inf
    for bound, way in ((entry.at_least, 1.0), (entry.at_most, -1.0)):
        if isinstance(bound, float):
            missed = [way * (bound - value) for value in by_seed]
            if len(missed) > 1 and all(map(math.isfinite, missed)):
                least = max(least, fmean(missed) - half_width(stdev(missed), len(missed), error))
    return least


@dataclass(frozen=True, slots=True)
class Kept:
    """Which constraints the winner and its rivals break, by name, and which of that is sure.

    `winner` are those that it breaks while a rival keeps all. `rivals` has those that rivals break, by name. Where the winner and
    all its rivals break some, there is nothing here: they are compared by their values alone. `surely`: rivals that are out.
    """

    winner: tuple[str, ...]
    winner_surely: bool
    rivals: dict[str, tuple[str, ...]]
    surely: frozenset[str]

    def keeps(self, rival: str) -> bool:
        return rival not in self.rivals

    def beaten(self, rival: str) -> bool:
        """Return whether a rival is surely out by a constraint that the winner keeps."""
        return rival in self.surely


def kept(objective: Objective, winner: Candidate, rivals: Sequence[Candidate], split: str, error: float) -> Kept:
    """Return who breaks what, where it is sure unless with the probability `error`."""
    own = broken(objective, winner, split)
    by_name = {each.name: found for each in rivals if (found := broken(objective, each, split))}
    if own:
        if not any(each.measured and each.name not in by_name for each in rivals):
            return Kept((), False, {}, frozenset())
        return Kept(own, bool(surely_broken(objective, winner, split, error)), by_name, frozenset())
    sure = {each.name for each in rivals if surely_broken(objective, each, split, error)}
    return Kept((), False, by_name, frozenset(sure))
