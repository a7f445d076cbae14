"""What constraints say of the winner and its rivals on fresh seeds, and the sentences that say so. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.analysis.intervals import Interval, difference
from search.definition.schema import Objective, ObjectiveMetric
from search.objective.scoring import evaluate
from search.planning.candidates import Candidate
from search.planning.constraints import Kept
from search.planning.looks import Judgement


@dataclass(frozen=True, slots=True)
class ConstraintRate:
    """In how many of `n` trainings on fresh seeds the winner kept a constraint; the bound is that of the named split."""

    metric: str
    at_least: float | None
    at_most: float | None
    held: int
    n: int

    def __str__(self) -> str:
        bounds = [f"at least {self.at_least:.4g}"] if self.at_least is not None else []
        bounds += [f"at most {self.at_most:.4g}"] if self.at_most is not None else []
        return f"{self.metric} is {' and '.join(bounds)} on {self.held} of {self.n} fresh seeds"


def rates(objective: Objective, winner: Candidate, split: str) -> tuple[ConstraintRate, ...]:
    """Return in how many trainings the winner kept each constraint."""
    violations = [evaluate(objective, getattr(measured, split)).violations for measured in winner.measured.values()]
    return tuple(
        ConstraintRate(entry.metric, *_bounds(entry), sum(each[entry.metric] == 0 for each in violations), len(violations))
        for entry in objective.metrics
        if entry.strategy == "constraint"
    )


def _bounds(entry: ObjectiveMetric) -> tuple[float | None, float | None]:
    at_least, at_most = (bound if isinstance(bound, float) else None for bound in (entry.at_least, entry.at_most))
    return at_least, at_most


def on(metrics: Sequence[str]) -> str:
    """Return constraints as a sentence names them."""
    return f"the constraint{'s' if len(metrics) > 1 else ''} on {' and '.join(metrics)}"


def does(subjects: Sequence[Candidate], verb: str) -> str:
    """Return a verb in the number of its subjects: weights and several settings are plural, a trial or a rule is not."""
    plural = len(subjects) != 1 or "weights" in subjects[0].in_words.split()
    return verb if plural else f"{verb}es" if verb.endswith("o") else f"{verb}s"


def by_constraints(
    name: str, rivals: Sequence[Candidate], intervals: Sequence[Interval], who: Kept, call: Judgement | None
) -> str | None:
    """Return the verdict as a sentence without its end where constraints decide it; None where values do.

    `name` is that of the tuned weights in a sentence.
    """
    they = name[:1].upper() + name[1:]
    leads = {each.against: f" ({difference(each)})" for each in intervals}
    if who.winner:
        if call is Judgement.WORSE and not who.worse_than:
            return None
        among = who.worse_than or who.keeping
        better = " and ".join(each.in_words + leads.get(each.name, "") for each in rivals if each.name in among)
        it, it_is = ("it", "it is") if len(who.winner) == 1 else ("them", "they are")
        if call is Judgement.WORSE:
            return f"{they} are worse than {better} by {on(who.winner)}: they break {it} on fresh seeds, and {it_is} kept there"
        claim = f"{name} keep {on(who.winner)}: their mean over fresh seeds breaks {it}, and that of {better} keeps {it}"
        return f"There are not enough trainings to tell whether {claim}"
    beaten = [each for each in intervals if each.call is Judgement.BETTER]
    lost = [each for each in rivals if who.beaten(each.name) and each.name not in {one.against for one in beaten}]
    if call is not Judgement.BETTER or not lost:
        return None
    first = " and ".join(f"{each.in_words} ({difference(each)})" for each in beaten)
    broken = "; ".join(keeping(lost, who, leads))
    return f"{they} are better than {first}, and {broken}" if first else f"{they} are better by a constraint: {broken}"


def keeping(rivals: Sequence[Candidate], who: Kept, leads: Mapping[str, str] | None = None) -> list[str]:
    """Return what the tuned weights keep and rivals break, once for all rivals that break the same. `leads` by rival follow it.

    Where they break it themselves, they miss it by less.
    """
    by_metrics: dict[tuple[str, ...], list[Candidate]] = {}
    for each in rivals:
        if who.breaks(each.name):
            by_metrics.setdefault(who.rivals[each.name], []).append(each)
    found = []
    for metrics, breaking in by_metrics.items():
        names = " and ".join(each.in_words + (leads or {}).get(each.name, "") for each in breaking)
        less = f"they miss {on(metrics)} by less than {names}"
        found.append(less if who.alike else f"they keep {on(metrics)}, which {names} {does(breaking, 'break')}")
    return found
