"""Which search trials are hopeless: at a few epochs, the rungs, those that reach one are compared with all others there.

Pure functions of a definition and of numbers, so that a study can be replayed. Optuna's pruners keep their rungs in a trial's
attributes and take one objective alone; these compare by the study's own aggregate at equal epochs, or by dominance.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, count, takewhile
from statistics import median_low
from typing import Any

from search.catalog import implementation
from search.catalog.plugins import PRUNER_KIND
from search.definition.plugins import pruner_of
from search.definition.schema import Objective, Pruner, StudyDefinition, Training
from search.errors import PluginFailed
from search.objective.anchors import is_resolved
from search.objective.pareto import Point
from search.objective.scoring import Score, evaluate, sign
from storage.records import Rival

Config = Mapping[str, Any]
"""A pruner's arguments, with defaults filled in."""

FIRST_RUNG_SHARE, WARMUP_SHARE, INTERVAL_SHARE = 9, 4, 10
"""Where the definition leaves it open: the first rung is at a ninth of all epochs, a warm-up takes a quarter, and between two looks
lies a tenth; each at least one epoch."""


def rungs(definition: StudyDefinition, index: int) -> tuple[int, ...]:
    """Return the reported epochs before the last at which search trial `index` (from 0, among the search trials) is judged."""
    pruner = definition.search.pruner
    if pruner is None:
        return ()
    every = ladder(pruner, definition.training)
    return every[Brackets.of(definition, pruner).skipped(index) :]


def ladder(pruner: Pruner, training: Training) -> tuple[int, ...]:
    """Return all rungs of a pruner: what it wants, each put off to the next epoch that is reported; never the last epoch."""
    epochs, every = training.epochs, training.report_every
    reported = (-(-epoch // every) * every for epoch in _wanted(pruner, epochs))
    return tuple(dict.fromkeys(epoch for epoch in reported if epoch < epochs))


def _wanted(pruner: Pruner, epochs: int) -> Iterable[int]:
    """Return the epochs of the rungs if every epoch were reported.

    Halving: r, r eta, r eta^2, ... as long as eta times as many epochs are no more than all (Li et al. 2018, with the epochs R
    rounded down to r eta^s). Others: every `interval_epochs` after the warm-up.
    """
    if pruner_of(pruner).halving:
        first, factor = _whole(pruner, "min_epochs", epochs // FIRST_RUNG_SHARE), _whole(pruner, "reduction_factor")
        return takewhile(lambda epoch: epoch * factor <= epochs, (first * factor**k for k in count()))
    warmup, interval = (
        _whole(pruner, name, epochs // share)
        for name, share in (("warmup_epochs", WARMUP_SHARE), ("interval_epochs", INTERVAL_SHARE))
    )
    return range(warmup + 1, epochs, interval)


@dataclass(frozen=True, slots=True)
class Brackets:
    """How hyperband shares trials out: bracket k skips the first k rungs. `bounds` are the brackets' cumulative sizes.

    Li et al., "Hyperband" (JMLR 2018), algorithm 1: bracket s has ceil((s_max + 1) / (s + 1) eta^s) trials and s rungs; here
    s = s_max - k, and s_max is the number of rungs. Bracket 0, which is never judged, is left out where the objective needs
    references: the trials that are trained beside them cannot be judged, and are its share. All other pruners have one bracket.
    """

    bounds: tuple[int, ...]

    @classmethod
    def of(cls, definition: StudyDefinition, pruner: Pruner) -> Brackets:
        if not pruner_of(pruner).brackets:
            return cls((1,))
        most, factor = len(ladder(pruner, definition.training)), _whole(pruner, "reduction_factor")
        least = 0 if is_resolved(definition.objective) else min(most, 1)
        return cls(tuple(accumulate(-(-(most + 1) * factor**s // (s + 1)) for s in range(most, least - 1, -1))))

    def skipped(self, index: int) -> int:
        """Return the bracket of search trial `index`, by the van der Corput sequence.

        Every 2^n trials in a row from a multiple of 2^n are spread as evenly as can be, so each cohort has some of all brackets.
        """
        return bisect(self.bounds, _radical_inverse(index) * self.bounds[-1])


def _radical_inverse(index: int) -> float:
    """Return the binary digits of `index` mirrored behind the point: 0, 1/2, 1/4, 3/4, 1/8, ..."""
    digits = f"{index:b}"[::-1]
    return int(digits, 2) / float(1 << len(digits))


@dataclass(frozen=True, slots=True)
class RungScore:
    """A trial at a rung as it is compared: its score, and its optimised metrics turned so that greater is better."""

    number: int
    score: Score
    point: Point

    @property
    def finite(self) -> bool:
        return all(map(math.isfinite, self.point))


def trials_to_prune(
    definition: StudyDefinition, objective: Objective, epoch: int, judged: Sequence[Rival], others: Sequence[Rival]
) -> dict[int, str]:
    """Return which of the `judged` trials shall end at a rung, by number, each with the reason.

    `objective` is the definition's, with numbers for what it is relative to; as long as some are lacking nothing is ended.
    `judged` are those of a cohort that are at this rung now; `others` all else that was measured at this epoch: the rest of the
    cohort, and search trials that had ended before it. All of them count before any is ended, but for those planned later: a trial
    that is tried again is not held against what came after it. Under hyperband a trial is compared within its bracket alone. NaN,
    infinite and infeasible numbers rank last (`Score.rank`).
    """
    pruner = definition.search.pruner
    if pruner is None or not is_resolved(objective):
        return {}
    brackets = Brackets.of(definition, pruner)
    known: dict[int, list[tuple[Rival, RungScore]]] = {}
    for rival in (*judged, *others):
        known.setdefault(brackets.skipped(rival.index), []).append((rival, _standing(objective, rival)))
    found: dict[int, str] = {}
    for rival in judged:
        bracket = [score for other, score in known[brackets.skipped(rival.index)] if other.counts_for(rival)]
        mine = next(each for each in bracket if each.number == rival.number)
        if why := _judged(pruner, mine, bracket):
            found[rival.number] = f"epoch {epoch}: {why}"
    return found


def _standing(objective: Objective, rival: Rival) -> RungScore:
    optimized = [entry for entry in objective.metrics if entry.strategy == "optimize"]
    point = tuple(sign(entry) * rival.values.get(entry.metric, math.nan) for entry in optimized)
    return RungScore(rival.number, evaluate(objective, rival.values), point)


def below_median(config: Config, mine: RungScore, known: Sequence[RungScore]) -> str | None:
    """Return whether a trial is worse than the median of the others; of an even number, the worse of the two in the middle."""
    ranks = [other.score.rank for other in known if other is not mine]
    if len(ranks) < _whole_of(config, "n_startup_trials") or mine.score.rank >= median_low(ranks):
        return None
    return f"worse than the median of {len(ranks)} others"


def not_kept(config: Config, mine: RungScore, known: Sequence[RungScore], which: str = "there") -> str | None:
    """Return why a trial is outside the best n // eta of a rung, or None; the best one and its ties always go on."""
    kept = max(len(known) // _whole_of(config, "reduction_factor"), 1)
    if sum(other.score.rank > mine.score.rank for other in known) < kept:
        return None
    return f"not among the best {kept} of {len(known)} trials {which}"


def not_kept_in_bracket(config: Config, mine: RungScore, known: Sequence[RungScore]) -> str | None:
    """Judge as `not_kept` where the n are those of the trial's bracket."""
    return not_kept(config, mine, known, "in its bracket")


def dominated(config: Config, mine: RungScore, known: Sequence[RungScore]) -> str | None:
    """Return whether another trial is better in every optimised metric by `margin` times the metric's range among all.

    A metric that is the same for all takes no part. A feasible trial is only held against feasible ones. One with a metric that is
    not finite is beaten by any without.
    """
    if len(known) - 1 < _whole_of(config, "n_startup_trials"):
        return None
    others = [each for each in known if each is not mine and each.finite and each.score.feasible >= mine.score.feasible]
    columns = list(zip(*(each.point for each in known if each.finite), strict=True))
    least = [float(config["margin"]) * (max(column) - min(column)) for column in columns]
    if others and not mine.finite:
        return "an optimised metric is not finite"
    better = next((other.number for other in others if _beats(other.point, mine.point, least)), None)
    return None if better is None else f"trial {better} beats it in every optimised metric"


def _beats(one: Point, other: Point, least: Sequence[float]) -> bool:
    ahead = [mine - theirs for mine, theirs in zip(one, other, strict=True)]
    return any(gain > 0 for gain in ahead) and all(gain >= margin for gain, margin in zip(ahead, least, strict=True))


def _judged(pruner: Pruner, mine: RungScore, known: Sequence[RungScore]) -> str | None:
    """Return why a trial is hopeless among all that were measured at an epoch, itself included; None where it is not.

    Raises PluginFailed for what a rule from outside raises or returns in place of a text, PluginMissing.
    """
    entry = pruner_of(pruner)
    rule, config = implementation(PRUNER_KIND, entry), entry.arguments(pruner.config)
    if pruner.plugin is None:
        return rule(config, mine, known)  # type: ignore[no-any-return]
    try:
        why = rule(config, mine, known)
    except Exception as error:
        raise PluginFailed(f"the pruner {entry.name!r} failed: {type(error).__name__}: {error}") from error
    if why is not None and not isinstance(why, str):
        raise PluginFailed(f"the pruner {entry.name!r} should return why a trial is hopeless, or None: got {why!r}")
    return why


def _whole(pruner: Pruner, name: str, otherwise: int = 1) -> int:
    """Return a pruner's argument: as given, else the catalog's default, else `otherwise`, at least 1."""
    return _whole_of(pruner_of(pruner).arguments(pruner.config), name, otherwise)


def _whole_of(config: Config, name: str, otherwise: int = 1) -> int:
    value = config.get(name)
    return int(value) if isinstance(value, int | float) else max(otherwise, 1)
