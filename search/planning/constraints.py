"""Who keeps the objective's constraints on fresh seeds, by the mean over them, and how sure it is. Pure functions.

A metric that moves in steps, such as accuracy on few rows, may come out the same on all seeds of a setting by chance. Then its
spread there is that of the settings beside it that move. Taken for none, a setting that just keeps its bound would surely break it
in 8 % of played meetings of 4 seeds (steps twice as wide as the metric's standard deviation). It does in 0.5 % beside two others,
in 1.5 % beside one; 2.5 % are allowed. Two or three seeds make nothing sure where no setting moves: it would be wrong in 1 to 12 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType

from search.definition.schema import Objective, ObjectiveMetric, RelativeBound
from search.objective.scoring import evaluate
from search.planning.candidates import Candidate
from search.planning.looks import FEWEST, half_width, luck

Spreads = Mapping[str, float]
"""The standard deviation of constrained metrics over seeds, pooled over the settings that move, by path."""

NONE_KNOWN: Spreads = MappingProxyType({})


def broken(objective: Objective, candidate: Candidate, split: str) -> tuple[str, ...]:
    """Return the metrics whose mean over the candidate's seeds misses a bound; none of one that was trained on no seed."""
    if not candidate.measured:
        return ()
    return tuple(path for path, by in evaluate(objective, candidate.means(split)).violations.items() if by > 0)


def surely_broken(
    objective: Objective, candidate: Candidate, split: str, error: float, spreads: Spreads = NONE_KNOWN
) -> tuple[str, ...]:
    """Return the metrics of which a mean that keeps its bound is unlikely, by Student's t over the seeds.

    `error` is how often any is named of a candidate that truly keeps all: it is divided among the bounds.
    """
    missing = broken(objective, candidate, split)
    each = error / max(sum(len(_bounds(entry)) for entry in objective.metrics), 1)
    entries = [entry for entry in objective.metrics if entry.metric in missing]
    return tuple(entry.metric for entry in entries if any(low > 0 for low, _ in _missed(entry, candidate, split, each, spreads)))


def surely_kept(objective: Objective, candidate: Candidate, split: str, error: float, spreads: Spreads = NONE_KNOWN) -> bool:
    """Return whether a candidate that truly breaks some bound is as unlikely as `error` to have kept all of them so clearly."""
    return all(high <= 0 for entry in objective.metrics for _, high in _missed(entry, candidate, split, error, spreads))


def _spreads(objective: Objective, candidates: Sequence[Candidate], split: str) -> Spreads:
    entries = [entry for entry in objective.metrics if _bounds(entry)]
    found = {entry.metric: luck(_moving(entry, candidates, split)) for entry in entries}
    return {path: spread for path, spread in found.items() if spread is not None}


def _moving(entry: ObjectiveMetric, candidates: Sequence[Candidate], split: str) -> dict[str, list[float]]:
    """Return the metric by seed of the settings in which seeds change it, by name."""
    found = {each.name: _by_seed(entry, each, split) for each in candidates}
    return {name: by_seed for name, by_seed in found.items() if luck({name: by_seed})}


def _by_seed(entry: ObjectiveMetric, candidate: Candidate, split: str) -> list[float]:
    return [getattr(each, split).get(entry.metric, math.nan) for each in candidate.measured.values()]


def _missed(entry: ObjectiveMetric, candidate: Candidate, split: str, error: float, spreads: Spreads) -> list[tuple[float, float]]:
    """Return by how much each bound is missed at least and at most; anything may be where the seeds do not say."""
    by_seed = _by_seed(entry, candidate, split)
    moves = luck({candidate.name: by_seed}) or spreads.get(entry.metric, 0.0)
    found = []
    for bound, way in _bounds(entry):
        missed = [way * (bound - value) for value in by_seed] if isinstance(bound, float) else []
        if len(missed) > 1 and all(map(math.isfinite, missed)) and (moves or len(missed) >= FEWEST):
            half = half_width(moves, len(missed), error)
            found.append((fmean(missed) - half, fmean(missed) + half))
        else:
            found.append((-math.inf, math.inf))
    return found


def _bounds(entry: ObjectiveMetric) -> list[tuple[float | RelativeBound, float]]:
    """Return the bounds of a metric; -1 with one that it must not exceed."""
    return [(bound, way) for bound, way in ((entry.at_least, 1.0), (entry.at_most, -1.0)) if bound is not None]


@dataclass(frozen=True, slots=True)
class Kept:
    """Which constraints the winner and its rivals break, by name, and which of that is sure.

    `winner` are those that it breaks while a rival keeps all, and `worse_than` the rivals that surely keep them while it surely
    breaks one. `rivals` has those that rivals break, by name; `keeping` are the rivals that were measured and break none, `out`
    those that are surely out. Where the winner and all its rivals break some, `alike` are those that the winner breaks, and only
    rivals that miss the bounds by more than the winner count as breaking any.
    """

    winner: tuple[str, ...]
    rivals: dict[str, tuple[str, ...]]
    keeping: frozenset[str]
    worse_than: frozenset[str] = frozenset()
    out: frozenset[str] = frozenset()
    alike: tuple[str, ...] = ()

    @property
    def is_unsure(self) -> bool:
        """Whether the winner breaks a constraint that a rival keeps, perhaps by chance."""
        return bool(self.winner) and not self.worse_than

    def keeps(self, rival: str) -> bool:
        return rival in self.keeping

    def breaks(self, rival: str) -> bool:
        return rival in self.rivals

    def beaten(self, rival: str) -> bool:
        """Return whether a rival is surely out by a constraint that the winner keeps."""
        return rival in self.out


def kept(objective: Objective, winner: Candidate, rivals: Sequence[Candidate], split: str, error: float) -> Kept:
    """Return who breaks what, where it is sure unless with the probability `error`."""
    own = broken(objective, winner, split)
    measured = frozenset(each.name for each in rivals if each.measured)
    by_name = {each.name: found for each in rivals if (found := broken(objective, each, split))}
    keeping, spreads = measured - by_name.keys(), _spreads(objective, (winner, *rivals), split)
    if own and not keeping:
        return _closest(objective, winner, rivals, split, error, own)
    if own:
        able = [each for each in rivals if each.name in keeping] if surely_broken(objective, winner, split, error, spreads) else []
        keep = [each.name for each in able if surely_kept(objective, each, split, error, spreads)]
        return Kept(own, by_name, keeping, worse_than=frozenset(keep))
    out = frozenset(each.name for each in rivals if surely_broken(objective, each, split, error, spreads))
    return Kept((), by_name, keeping, out=out)


def _closest(
    objective: Objective, winner: Candidate, rivals: Sequence[Candidate], split: str, error: float, own: tuple[str, ...]
) -> Kept:
    """Return who breaks what where all break some: one that misses the bounds by more than the winner can only be beaten."""

    def missed(candidate: Candidate) -> float:
        return sum(evaluate(objective, candidate.means(split)).violations.values())

    measured = [each for each in rivals if each.measured]
    farther = {each.name: broken(objective, each, split) for each in measured if missed(each) > missed(winner)}
    spreads = _spreads(objective, (winner, *rivals), split)
    out = frozenset(
        each.name for each in measured if each.name in farther and surely_broken(objective, each, split, error, spreads)
    )
    keeping = frozenset(each.name for each in measured) - farther.keys()
    return Kept((), farther, keeping, out=out, alike=own)
