"""What a confirmation says: the winner, whether it is better than the best baselines and how sure that is. Pure functions.

The winner met the two best baselines on fresh seeds that chose nothing (`search.planning.meeting`), and is compared with each in
pairs of equal seeds. Four verdicts: *better*, where both intervals lie above zero; *worse*, where one lies below; *as good*, where
one lies within one training's luck of zero; else there are *not enough trainings* to tell. Its worth is measured on the test
split where there is one, which nothing was chosen by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from search.analysis.story import story
from search.definition.schema import Objective, ObjectiveMetric
from search.objective.anchors import resolve_anchors
from search.objective.scoring import evaluate
from search.planning.candidates import Candidate
from search.planning.looks import LEVEL, Judgement, Look
from search.planning.meeting import Meeting, MeetingEnd, Trained
from storage.records import ADAPTIVE_ORIGIN, AnchorRecord, Values

FIXED_START = "every training started from the same weights, so this covers the order of rows alone"

FEW_SEEDS = 6
"""A verdict from fewer seeds says what it could have detected."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation (of the sample) over `n` seeds."""

    mean: float
    std: float
    n: int


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean of the winner's paired differences to a baseline (above 0: the winner is better), and its interval.

    It is that of the last look at the baseline: wrong in at most 5 % of studies, whatever made the looks stop. `call` is what is
    said by it.
    """

    against: str
    told_as: str
    difference: float
    low: float
    high: float
    n: int
    call: Judgement

    @property
    def above_zero(self) -> bool:
        return self.low > 0

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2


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
        return f"{self.metric} {' and '.join(bounds)} holds in {self.held} of {self.n}"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to train with: a baseline's rule where one is better or as good, else None for the tuned weights. `trial` has them."""

    rule: str | None
    trial: int
    adaptive: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the confirmation says. `split` is what the numbers are of; `optimism` the search score minus the confirmed one.

    `seeds` are those that the winner's numbers are of. `call` is None where there is no baseline. `margin` is one training's luck;
    `detectable` the smallest lead that the seeds could have shown, None where nothing was compared. `story` has what the tuned
    weights change metric by metric, from the baseline it is against.
    """

    winner: Candidate
    split: str
    seeds: tuple[int, ...]
    values: Mapping[str, Spread]
    metrics: Mapping[str, Mapping[str, Spread]]
    intervals: tuple[Interval, ...]
    constraints: tuple[ConstraintRate, ...]
    anchors: tuple[AnchorRecord, ...]
    optimism: float
    sentence: str
    call: Judgement | None
    margin: float | None
    detectable: float | None
    story: str
    recommended: Recommendation
    meeting: Meeting
    trainings: int


def judge(objective: Objective, meeting: Meeting | None, trained: Trained, *, fixed_start: bool = False) -> Verdict | None:
    """Return the verdict over a confirmation, or None where no winner was chosen or it was not trained on two seeds.

    `objective` gives trials a value. `fixed_start`: every training started from the same weights.
    """
    if meeting is None or meeting.winner is None:
        return None
    winner, split = meeting.winner, meeting.split
    seeds = tuple(seed for seed in meeting.design.meeting if seed in winner.measured) or tuple(sorted(winner.measured))
    if len(seeds) < 2:
        return None
    judged = resolve_anchors(objective, meeting.anchors)
    subject = _Subject(judged, meeting, seeds)
    values = {each.name: spread(list(subject.here(each).values(judged, split).values())) for each in _competing(trained)}
    intervals = tuple(_interval(rival, look) for rival in meeting.rivals if (look := _last(meeting, rival)) is not None)
    held = _held(judged, winner.on(seeds), split)
    broken = _broken(judged, winner.on(seeds), meeting.rivals, split)
    call, rival = _call(meeting, intervals, broken)
    detectable = max((each.half for each in intervals), default=None)
    changes = subject.story(rival)
    sentence = _sentence(subject, call, rival, intervals, values, changes, detectable)
    notes = [
        *map(str, held),
        *(f"{name} break a constraint" for name in broken.values()),
        *_unfinished(meeting, trained),
        *([FIXED_START] if fixed_start else []),
    ]
    return Verdict(
        winner=winner,
        split=split,
        seeds=seeds,
        values=values,
        metrics={each.name: _metrics(subject.here(each), split) for each in trained.candidates},
        intervals=intervals,
        constraints=held,
        anchors=meeting.anchors,
        optimism=(math.nan if winner.trial.value is None else winner.trial.value) - values[winner.name].mean,
        sentence=f"{'; '.join([sentence, *notes])}.{_stopped(meeting, trained)}",
        call=call,
        margin=_margin(meeting, rival),
        detectable=detectable,
        story=changes,
        recommended=_recommended(winner, meeting.rivals, call, rival),
        meeting=meeting,
        trainings=len(trained.planned),
    )


def _competing(trained: Trained) -> list[Candidate]:
    return [candidate for candidate in trained.candidates if not candidate.is_reference]


@dataclass(frozen=True, slots=True)
class _Subject:
    """What sentences are made of: the objective with its anchors, the meeting, and the winner's seeds."""

    objective: Objective
    meeting: Meeting
    seeds: tuple[int, ...]

    @property
    def winner(self) -> Candidate:
        assert self.meeting.winner is not None
        return self.meeting.winner

    @property
    def name(self) -> str:
        return f"the tuned weights ({self.winner.name})"

    def here(self, candidate: Candidate) -> Candidate:
        """Return a candidate on the seeds it is judged by: those that compare if it met them, else those that chose."""
        met = candidate.on(self.seeds)
        return met if met.measured and candidate in (self.winner, *self.meeting.rivals) else candidate

    def story(self, rival: Interval | None) -> str:
        """Return the metrics of a baseline and the winner's, over the seeds that both finished."""
        other = next((each for each in self.meeting.rivals if rival is not None and each.name == rival.against), None)
        if other is None:
            return ""
        both = tuple(seed for seed in self.seeds if seed in other.measured)
        before, after = (each.on(both).means(self.meeting.split) for each in (other, self.winner))
        return story([entry.metric for entry in self.objective.metrics if entry.strategy != "store"], before, after)


def _last(meeting: Meeting, rival: Candidate) -> Look | None:
    look = meeting.last(rival.name)
    return look if look is not None and look.difference is not None else None


def _interval(rival: Candidate, look: Look) -> Interval:
    assert look.difference is not None and look.low is not None and look.high is not None  # noqa: PT018
    return Interval(rival.name, rival.told_as, look.difference, look.low, look.high, look.n, look.call)


def _broken(objective: Objective, winner: Candidate, rivals: Sequence[Candidate], split: str) -> dict[str, str]:
    """Return the rivals that break a constraint on the mean where the winner does not, by name, as sentences name them."""
    if not evaluate(objective, winner.means(split)).feasible:
        return {}
    return {each.name: each.told_as for each in rivals if not evaluate(objective, each.means(split)).feasible}


def _call(meeting: Meeting, intervals: Sequence[Interval], broken: Mapping[str, str]) -> tuple[Judgement | None, Interval | None]:
    """Return the verdict in a word, and the baseline it is against: one that breaks a constraint can only be beaten."""
    if not meeting.rivals:
        return None, None
    for call in (Judgement.WORSE, Judgement.AS_GOOD):
        found = [each for each in intervals if each.call is call and each.against not in broken]
        if found:
            return call, min(found, key=lambda each: each.difference)
    better = len(intervals) == len(meeting.rivals) and all(each.call is Judgement.BETTER for each in intervals)
    undecided = [each for each in intervals if better or each.call is not Judgement.BETTER]
    closest = min(undecided, key=lambda each: (each.against in broken, each.difference), default=None)
    return (Judgement.BETTER if better else Judgement.NOT_ENOUGH), closest


def _margin(meeting: Meeting, rival: Interval | None) -> float | None:
    """Return one training's luck as it was when the rival was last looked at: what its call was made by."""
    look = None if rival is None else meeting.last(rival.against)
    return look.margin if look is not None else meeting.looks[-1].margin if meeting.looks else None


def _recommended(
    winner: Candidate, rivals: Sequence[Candidate], call: Judgement | None, rival_of: Interval | None
) -> Recommendation:
    """Return what to train with: weights that need no search are good news, so a baseline that is as good goes first."""
    other = next((each for each in rivals if rival_of is not None and each.name == rival_of.against), None)
    adaptive = other is not None and other.trial.origin == ADAPTIVE_ORIGIN
    if other is None or call not in (Judgement.WORSE, Judgement.AS_GOOD) or (adaptive and call is Judgement.AS_GOOD):
        unsure = "" if call in (Judgement.BETTER, Judgement.AS_GOOD) else "; it is not certain that they are better"
        return Recommendation(None, winner.number, False, f"Use the tuned weights of {winner.name}{unsure}.")
    how = "better than" if call is Judgement.WORSE else "as good as"
    end = "It moves weights in training, so it hands over no fixed weights." if adaptive else "They need no search."
    return Recommendation(other.name, other.number, adaptive, f"Use {other.told_as}: {how} the tuned weights. {end}")


def _held(objective: Objective, winner: Candidate, split: str) -> tuple[ConstraintRate, ...]:
    violations = [evaluate(objective, getattr(measured, split)).violations for measured in winner.measured.values()]
    return tuple(
        ConstraintRate(entry.metric, *_bounds(entry), sum(each[entry.metric] == 0 for each in violations), len(violations))
        for entry in objective.metrics
        if entry.strategy == "constraint"
    )


def _bounds(entry: ObjectiveMetric) -> tuple[float | None, float | None]:
    at_least, at_most = (bound if isinstance(bound, float) else None for bound in (entry.at_least, entry.at_most))
    return at_least, at_most


def spread(values: Sequence[float]) -> Spread:
    """Return mean, standard deviation and number of values."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return Spread(math.nan, math.nan, 0)
    return Spread(fmean(finite), stdev(finite) if len(finite) > 1 else math.nan, len(finite))


def _metrics(candidate: Candidate, split: str) -> dict[str, Spread]:
    subject: list[Values] = [getattr(measured, split) for measured in candidate.measured.values()]
    return {path: spread([values[path] for values in subject if path in values]) for path in (subject[0] if subject else {})}


# What is said


def _sentence(
    subject: _Subject,
    call: Judgement | None,
    rival: Interval | None,
    intervals: Sequence[Interval],
    values: Mapping[str, Spread],
    changes: str,
    detectable: float | None,
) -> str:
    """Return the verdict as a sentence without its end."""
    they = subject.name[0].upper() + subject.name[1:]
    if call is None:
        worth = f"{values[subject.winner.name].mean:.4g} on {len(subject.seeds)} fresh seeds ({subject.meeting.split} split)"
        return f"{they} are worth {worth}; there is no baseline to hold them against"
    if rival is None:
        return _nothing_to_compare(subject, they, intervals)
    seeds = f"{rival.n} fresh seeds that chose nothing, {subject.meeting.split} split"
    ends = f"; {changes}" if changes else ""
    ends += _could_detect(call, rival, detectable)
    if call is Judgement.BETTER:
        by = " and ".join(f"by {each.difference:.3g} over {each.told_as} ({_ends(each)})" for each in intervals)
        return f"{they} are better than the best baselines: {by}, {seeds}{ends}"
    first = "".join(
        f"better than {each.told_as} ({_difference(each)}), but " for each in intervals if each.call is Judgement.BETTER
    )
    if call is Judgement.WORSE:
        return f"{they} are {first}worse than {rival.told_as}: by {-rival.difference:.3g} ({_ends(rival)}), {seeds}{ends}"
    if call is Judgement.AS_GOOD:
        within = f"within one training's luck ({_margin(subject.meeting, rival) or 0.0:.3g})"
        return f"{they} are {first}as good as {rival.told_as}: {_difference(rival)}, {within}, {seeds}{ends}"
    lead, who = (f"{they} are {first}there", "they") if first else ("There", subject.name)
    undecided = f"are not enough trainings to tell whether {who} are better than {rival.told_as}"
    return f"{lead} {undecided} ({_difference(rival)}, {seeds}){ends}"


def _nothing_to_compare(subject: _Subject, they: str, intervals: Sequence[Interval]) -> str:
    """Say which rivals have no interval: too few trainings on common seeds, or one without a finite value."""
    if not intervals:
        return (
            f"There are not enough trainings to tell whether {subject.name} are better than a baseline: none finished on two seeds"
        )
    beaten = " and ".join(f"{each.told_as} ({_difference(each)})" for each in intervals)
    known = {each.against for each in intervals}
    others = " or ".join(each.told_as for each in subject.meeting.rivals if each.name not in known)
    seeds = f"{intervals[0].n} fresh seeds that chose nothing, {subject.meeting.split} split"
    return (
        f"{they} are better than {beaten}, {seeds}, but there are not enough trainings to tell whether they are better than "
        f"{others}: fewer than two finished, or one has no finite value"
    )


def _could_detect(call: Judgement, rival: Interval, detectable: float | None) -> str:
    """Say what so few seeds could have detected, or what they did not suffice for."""
    if detectable is None or (call is not Judgement.NOT_ENOUGH and rival.n >= FEW_SEEDS):
        return ""
    return f"; a lead of less than {detectable:.3g} could not have been detected"


def _difference(interval: Interval) -> str:
    return f"{interval.difference:+.3g}, {_ends(interval)}"


def _ends(interval: Interval) -> str:
    return f"{LEVEL * 100:.0f} % interval {interval.low:+.3g} to {interval.high:+.3g}"


def _unfinished(meeting: Meeting, trained: Trained) -> list[str]:
    """Say on how many of its fresh seeds the winner did not finish: what it is worth leaves them out."""
    winner = meeting.winner
    planned = [seed for number, seed in trained.planned if winner is not None and number == winner.number]
    lost = len(planned) - len(winner.measured) if winner is not None else 0
    return [f"{lost} of its {len(planned)} trainings on fresh seeds did not finish"] if lost > 0 else []


def _stopped(meeting: Meeting, trained: Trained) -> str:
    """Say what stopping early saved."""
    spent, most = len(trained.planned), meeting.design.most
    if meeting.stop not in (MeetingEnd.DECIDED, MeetingEnd.FUTILE) or spent >= most:
        return ""
    return f" Stopped after {spent} of at most {most} trainings."
