"""Which range of each searched parameter is as good as the winner, in used units, and the sentences that say so.

Pure functions for workers: the model behind them needs numpy and scipy. The API reads what they stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from search.analysis.edges import Edge, End, edge, end_of, everywhere
from search.analysis.profiles import LEVEL, Finding, Profile, profile
from search.analysis.story import unit_of
from search.definition.axes import Axis
from search.definition.finite import finite_space
from search.definition.schema import StudyDefinition
from search.definition.space import SearchSpace, shared_by
from search.sampling.beliefs import Beliefs
from search.sampling.places import coordinate
from storage.records import TrialRecord, Values

FEW = 12
"""After so many search trials or fewer the winner may be far from the best, which is then said too."""

MOSTLY = 0.5
"""The best lies at an end, says the model, where it does in so great a share of its curves."""

Place = float | str
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The profile at one value: the posterior mean and the 95 % band of the objective, the other parameters tuned to it."""

    at: Place
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Range:
    """What is known of one parameter, in the units of `weights`.

    From `low` to `high` it costs at most `delta` of the objective against the winner, whose value is `best`. `worse` and `untold`
    (not enough trials to tell) are the rest of what was `searched`, as spans in ascending order. Of a choice all three list values:
    `values` are as good. `to_lowest`, `to_highest`: it is as good to the end of what was searched. `of` is the term whose weight
    the numbers are, where that is not the parameter's own. Shapes of a schedule go by their names and have no ends.
    """

    low: float | None
    high: float | None
    best: Place
    to_lowest: bool
    to_highest: bool
    searched: Span | None
    delta: float
    worse: tuple[Span | Place, ...]
    untold: tuple[Span | Place, ...]
    curve: tuple[CurvePoint, ...]
    edge: Edge | None
    sentence: str
    of: str | None = None
    values: tuple[Place, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Unit:
    """How values along an axis become used weights: times `factor`. `name` says what they are, `of` where it is another term's."""

    name: str
    factor: float
    of: str | None


def ranges(beliefs: Beliefs, winner: TrialRecord, delta: float, divisors: Values) -> dict[str, Range]:
    """Return the range of each parameter around a winner that has all of them, by parameter path.

    `delta`: what a value may cost against the winner and still be as good, in the objective's units. `divisors` are what losses are
    divided by under `normalize`.
    """
    return {path: _range(beliefs, winner, axis, delta, divisors) for path, axis in beliefs.places.axes.items()}


def ranges_document(found: Mapping[str, Range]) -> dict[str, Any]:
    """Return the ranges as JSON has them; `values` only of a choice."""
    return {
        path: {key: value for key, value in asdict(each).items() if (key, value) != ("values", None)}
        for path, each in found.items()
    }


def _range(beliefs: Beliefs, winner: TrialRecord, axis: Axis, delta: float, divisors: Values) -> Range:
    definition = beliefs.places.definition
    found, unit = profile(beliefs, winner, axis.path, delta), _unit(definition, axis.path, divisors)
    values = [value * unit.factor for value in found.values]
    shown: list[Place] = [axis.names[int(value)] for value in found.values] if axis.names else list(values)
    best = shown[found.winner]
    points = zip(shown, found.mean, found.low, found.high, strict=True)
    good, worse, untold = (_parts(found, shown if axis.choices else values, answer, axis) for answer in Finding)
    sentence = _Sentence(
        unit.name,
        f"{delta:.3g}{unit_of(definition.objective)}",
        others=len(beliefs.places.axes) > 1,
        bounded=bool(beliefs.bounds),
        broken=beliefs.breaks(winner.parameters),
        trials=len(beliefs.tried),
        all_tried=_all_tried(beliefs),
    )
    numbers = [value for value, each in zip(values, found.answers, strict=True) if each is Finding.AS_GOOD and not axis.names]
    return Range(
        low=min(numbers, default=None),
        high=max(numbers, default=None),
        best=best,
        to_lowest=not axis.names and found.answers[0] is Finding.AS_GOOD,
        to_highest=not axis.names and found.answers[-1] is Finding.AS_GOOD,
        searched=None if axis.names else (axis.low * unit.factor, axis.high * unit.factor),
        delta=delta,
        worse=tuple(worse),
        untold=tuple(untold),
        curve=tuple(CurvePoint(*point) for i, point in enumerate(points) if i != found.beside),
        edge=_edge(definition, axis, found, unit),
        sentence=sentence.of_choice(best, good, worse, untold) if axis.choices else sentence.of_range(best, good, worse, untold),
        of=unit.of,
        values=tuple(good) if axis.choices else None,
    )


def _all_tried(beliefs: Beliefs) -> bool:
    """Return whether the space has finitely many settings, and each was tried."""
    finite = finite_space(beliefs.places.definition)
    tried = set() if finite is None else {finite.setting(trial.parameters) for trial in beliefs.tried}
    return finite is not None and finite.count(len(tried) + 1) == len(tried)


def _parts(found: Profile, values: Sequence[Any], answer: Finding, axis: Axis) -> list[Any]:
    """Return where an answer holds: of a choice its values, else spans from the first to the last value of each run."""
    pairs = list(zip(values, found.answers, strict=True))
    if axis.choices:
        return [value for value, each in pairs if each is answer]
    runs = [(each, [value for value, _ in group]) for each, group in groupby(pairs, key=lambda pair: pair[1])]
    return [(run[0], run[-1]) for each, run in runs if each is answer]


def _unit(definition: StudyDefinition, path: str, divisors: Values) -> _Unit:
    """Return how values along a parameter's axis become the weights that trials have.

    A shared weight is a number of its own until its readers are divided by different values: then it is the first's weight.
    """
    readers = {
        term.path: shared for term in SearchSpace(definition).terms if (shared := shared_by(term.weight)) and shared[0] == path
    }
    divided = [term for term in readers if term in divisors]
    if divided:
        term = divided[0]
        return _Unit(f"{term} (by {path})", readers[term][1] / divisors[term], term)
    return _Unit(path, 1 / divisors.get(path, 1.0), None)


def _edge(definition: StudyDefinition, axis: Axis, found: Profile, unit: _Unit) -> Edge | None:
    """Return the edge where the winner lies in the outer tenth of the axis, or the best does by most of the model's curves.

    Where every value is as good, both ends are.
    """
    if not axis.names and all(each is Finding.AS_GOOD for each in found.answers):
        searched = f"{found.values[0] * unit.factor:.3g} to {found.values[-1] * unit.factor:.3g}"
        return everywhere(definition, axis.path, f"{unit.name} that was searched, {searched},")
    own = found.values[found.winner]
    if (end := end_of(axis, coordinate(axis, own))) is not None:
        return edge(definition, axis.path, end, own, f"the winner's {unit.name} of {own * unit.factor:.3g}")
    ends: list[tuple[End, int]] = [("low", 0), ("high", -1)]
    for end, place in ends:
        at = [i for i, value in enumerate(found.values) if end_of(axis, coordinate(axis, value)) == end]
        if sum(found.peaks[i] for i in at) >= MOSTLY:
            return edge(definition, axis.path, end, found.values[place], f"the best {unit.name} by the model of all trainings")
    return None


@dataclass(frozen=True, slots=True)
class _Sentence:
    """What is said of the parameter `name`, judged within a `cost` in the objective's unit after so many search trials.

    `others`: it is not the only one; `bounded`: there are constraints; `broken`: the winner breaks one; `all_tried`: there are
    no other settings.
    """

    name: str
    cost: str
    others: bool
    bounded: bool
    broken: bool
    trials: int
    all_tried: bool = False

    def of_range(self, best: Place, good: Sequence[Span], worse: Sequence[Span], untold: Sequence[Span]) -> str:
        low, high = good[0]
        alone = f"no {self.name} beside the winner's {_shown(best)} is known to be as good"
        head = alone if low == high else f"any {self.name} from {low:.3g} to {high:.3g} {self._cost()}"
        spans = [*good, *worse, *untold]
        ends = min(span[0] for span in spans), max(span[1] for span in spans)
        beyond = [_beyond(span, ends) for span in worse]
        gaps = f"{'between' if worse else 'elsewhere'}, there are not enough trials to tell" if untold else ""
        return self._joined(head, f"{_listed(beyond)} it is {self._worse()}" if beyond else "", gaps)

    def of_choice(self, best: Place, good: Sequence[Place], worse: Sequence[Place], untold: Sequence[Place]) -> str:
        fine = [_shown(value) for value in good if value != best]
        alone = f"no {self.name} beside the winner's {_shown(best)} is known to be as good"
        head = f"{self.name} {_listed(fine)} {self._cost()}" if fine else alone
        lost = (
            f"{_listed([_shown(value) for value in worse])} {'is' if len(worse) == 1 else 'are'} {self._worse()}" if worse else ""
        )
        gaps = f"of {_listed([_shown(value) for value in untold])} there are not enough trials to tell" if untold else ""
        return self._joined(head, lost, gaps)

    def _cost(self) -> str:
        sure = f"{LEVEL:.0%} sure".replace("%", " %")
        tuned = ", the other parameters tuned to it" if self.others else ""
        as_it_does = " as well as it does" if self.broken else ""
        kept = f" and keeps the constraints{as_it_does}" if self.bounded else ""
        return f"costs at most {self.cost} against the winner{kept}, {sure}{tuned}"

    def _worse(self) -> str:
        return "worse or breaks a constraint" if self.bounded else "worse"

    def _joined(self, *parts: str) -> str:
        which = " that keep the constraints" if self.bounded else ""
        far = f"{self.trials} trials{which} do not show how far the winner is from the best"
        few = "every setting that there is was tried" if self.all_tried else far if self.trials <= FEW else ""
        return "; ".join(part for part in (*parts, few) if part)


def _beyond(span: Span, ends: Span) -> str:
    if span[0] == ends[0]:
        return f"below {span[1]:.3g}"
    return f"above {span[0]:.3g}" if span[1] == ends[1] else f"from {span[0]:.3g} to {span[1]:.3g}"


def _shown(value: Place) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
