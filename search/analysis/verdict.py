"""What a confirmation says: the winner, whether it is better than the best baselines and how sure that is. Pure functions.

The winner met the two best baselines on fresh seeds that chose nothing (`search.planning.meeting`), and is compared with each in
pairs of equal seeds. Four verdicts: *better*, where both intervals lie above zero; *worse*, where one lies below; *as good*, where
one lies within one training's luck of zero; else there are *not enough trainings* to tell. Its worth is measured on the test
split where there is one, which nothing was chosen by.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from search.analysis.constraints import ConstraintRate, by_constraints, does, on, rates
from search.analysis.intervals import Interval, difference, ends
from search.analysis.recommendation import Grounds, Recommendation, despite
from search.analysis.story import story, unit_of
from search.definition.schema import Objective
from search.objective.anchors import resolve_anchors
from search.planning.candidates import Candidate, judged_on
from search.planning.constraints import Kept, broken, kept
from search.planning.looks import ERROR, Judgement, Look
from search.planning.meeting import Meeting, MeetingEnd, Trained
from storage.records import AnchorRecord, Values

SAME = "all seeds gave the same"
"""Every setting has one value, whatever the seed: what luck does was not seen, so no lead is certain."""

FIXED_START = "every training started from the same weights, so this covers the order of rows alone"
FIXED_ORDER = "every training started from the same weights and took the rows in the same order"

FEW_SEEDS = 6
"""A verdict from fewer seeds says what it could have detected."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation (of the sample) over `n` seeds."""

    mean: float
    std: float
    n: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the confirmation says. `split` is what the numbers are of; `optimism` the search score minus the confirmed one.

    `seeds` are those that the winner's numbers are of. `call` is None where there is no baseline. `margin` is one training's luck;
    `detectable` the smallest lead over the baseline it is against which the seeds could have shown, None where nothing was
    compared, or where all seeds gave the same. `breaks` has the metrics whose mean misses a bound, by setting; a reference has
    none. `story` has what the tuned weights change metric by metric, from that baseline.
    """

    winner: Candidate
    split: str
    seeds: tuple[int, ...]
    values: Mapping[str, Spread]
    metrics: Mapping[str, Mapping[str, Spread]]
    breaks: Mapping[str, tuple[str, ...]]
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


def judge(
    objective: Objective,
    meeting: Meeting | None,
    trained: Trained,
    *,
    fixed_start: bool = False,
    fixed_order: bool = False,
    percent: Collection[str] = frozenset(),
    baselines_planned: bool = False,
) -> Verdict | None:
    """Return the verdict over a confirmation, or None where no winner was chosen or it was not trained on two seeds.

    `objective` gives trials a value. `fixed_start`: every training started from the same weights; `fixed_order`: it took
    the rows in the same order. `percent` are the paths of metrics read in percent. `baselines_planned`: the study has some.
    """
    if meeting is None or meeting.winner is None:
        return None
    winner, split = meeting.winner, meeting.split
    seeds = tuple(seed for seed in meeting.design.meeting if seed in winner.measured) or tuple(sorted(winner.measured))
    if len(seeds) < 2:
        return None
    judged = resolve_anchors(objective, meeting.anchors)
    subject = _Subject(judged, meeting, seeds, percent, baselines_planned)
    values = {each.name: spread(list(subject.here(each).values(judged, split).values())) for each in _competing(trained)}
    intervals = tuple(subject.interval(rival, look) for rival in meeting.rivals if (look := _last(meeting, rival)) is not None)
    held = rates(judged, winner.on(seeds), split)
    who = kept(judged, winner.on(seeds), [rival.on(seeds) for rival in meeting.rivals], split, _last_error(meeting))
    call, rival = _call(meeting, intervals, who)
    margin, changes = _margin(meeting, rival), subject.story(rival)
    detectable = None if margin == 0 else rival.half if rival is not None else max((each.half for each in intervals), default=None)
    by_constraint = by_constraints(subject.name, meeting.rivals, intervals, who, call)
    sentence = by_constraint or _sentence(subject, call, rival, intervals, values, changes, detectable)
    alike = [*([SAME] if margin == 0 else []), *([FIXED_ORDER if fixed_order else FIXED_START] if fixed_start else [])]
    besides = [] if by_constraint else _breaking(meeting.rivals, who)
    notes = [*map(str, held), *besides, *_unfinished(meeting, trained), *alike]
    grounds = Grounds(winner, meeting.rivals, intervals, who, despite(judged, who, meeting.rivals, subject.keepers(trained)))
    return Verdict(
        winner=winner,
        split=split,
        seeds=seeds,
        values=values,
        metrics={each.name: _metrics(subject.here(each), split) for each in trained.candidates},
        breaks={each.name: broken(judged, subject.here(each), split) for each in _competing(trained)},
        intervals=intervals,
        constraints=held,
        anchors=meeting.anchors,
        optimism=(math.nan if winner.trial.value is None else winner.trial.value) - values[winner.name].mean,
        sentence=f"{'; '.join([sentence, *notes])}.{_stopped(meeting, trained)}",
        call=call,
        margin=margin,
        detectable=detectable,
        story=changes,
        recommended=grounds.recommend(call, rival),
        meeting=meeting,
        trainings=len(trained.planned),
    )


def _competing(trained: Trained) -> list[Candidate]:
    return [candidate for candidate in trained.candidates if not candidate.is_reference]


@dataclass(frozen=True, slots=True)
class _Subject:
    """What sentences are made of: the objective with its anchors, the meeting, the winner's seeds, and what is read in percent.

    `baselines_planned`: the study has baselines; where the winner met none, all of them failed.
    """

    objective: Objective
    meeting: Meeting
    seeds: tuple[int, ...]
    percent: Collection[str]
    baselines_planned: bool

    @property
    def winner(self) -> Candidate:
        assert self.meeting.winner is not None
        return self.meeting.winner

    @property
    def name(self) -> str:
        return f"the tuned weights ({self.winner.name})"

    def interval(self, rival: Candidate, look: Look) -> Interval:
        """Return the interval of the last look at a rival."""
        assert look.difference is not None and look.low is not None and look.high is not None  # noqa: PT018
        ends = (look.difference, look.low, look.high)
        return Interval(rival.name, rival.in_words, *ends, look.n, look.call, unit_of(self.objective))

    def here(self, candidate: Candidate) -> Candidate:
        """Return a candidate on the seeds it is judged by."""
        return candidate.on(judged_on(candidate.trial, candidate.measured, self.seeds))

    def keepers(self, trained: Trained) -> list[Candidate]:
        """Return what was trained on fresh seeds, met nobody there, and keeps all constraints by its means."""
        met = {self.winner.name, *(rival.name for rival in self.meeting.rivals)}
        others = [self.here(each) for each in _competing(trained) if each.name not in met and each.measured]
        return [each for each in others if not broken(self.objective, each, self.meeting.split)]

    def story(self, rival: Interval | None) -> str:
        """Return the metrics of a baseline and the winner's, over the seeds that both finished."""
        other = next((each for each in self.meeting.rivals if rival is not None and each.name == rival.against), None)
        if other is None:
            return ""
        both = tuple(seed for seed in self.seeds if seed in other.measured)
        before, after = (each.on(both).means(self.meeting.split) for each in (other, self.winner))
        metrics = [entry.metric for entry in self.objective.metrics if entry.strategy != "store"]
        return story(metrics, before, after, self.percent)


def _last(meeting: Meeting, rival: Candidate) -> Look | None:
    look = meeting.last(rival.name)
    return look if look is not None and look.difference is not None else None


def _breaking(rivals: Sequence[Candidate], who: Kept) -> list[str]:
    """Say who else breaks which constraint; the winner itself, where no rival keeps all."""
    if who.alike:
        others = ", and no baseline that they met keeps all" if rivals else ""
        return [f"by their mean over fresh seeds the tuned weights break {on(who.alike)}{others}"]
    return [f"{each.in_words} {does([each], 'break')} {on(who.rivals[each.name])}" for each in rivals if who.breaks(each.name)]


def _last_error(meeting: Meeting) -> float:
    """Return how often what the last look says may be wrong."""
    return meeting.looks[-1].error if meeting.looks else ERROR


def _call(meeting: Meeting, intervals: Sequence[Interval], who: Kept) -> tuple[Judgement | None, Interval | None]:
    """Return the verdict in a word, and the baseline it is against: one that breaks a constraint can only be beaten.

    A winner that breaks a constraint which a baseline keeps is worse than it, if both are sure, or if it is worth less too.
    """
    if not meeting.rivals:
        return None, None
    if who.winner:
        among = [each for each in intervals if each.against in (who.worse_than or who.keeping)]
        best = min(among, key=lambda each: each.difference, default=None)
        worse = who.worse_than or any(each.call is Judgement.WORSE for each in among)
        return (Judgement.WORSE if worse else Judgement.NOT_ENOUGH), best
    for call in (Judgement.WORSE, Judgement.AS_GOOD):
        found = [each for each in intervals if each.call is call and who.keeps(each.against)]
        if found:
            return call, min(found, key=lambda each: each.difference)
    beaten = {each.against for each in intervals if each.call is Judgement.BETTER}
    better = all(rival.name in beaten or who.beaten(rival.name) for rival in meeting.rivals)
    undecided = [each for each in intervals if better or not (each.call is Judgement.BETTER or who.beaten(each.against))]
    closest = min(undecided, key=lambda each: (who.breaks(each.against), each.difference), default=None)
    return (Judgement.BETTER if better else Judgement.NOT_ENOUGH), closest


def _margin(meeting: Meeting, rival: Interval | None) -> float | None:
    """Return one training's luck as it was when the rival was last looked at: what its call was made by."""
    look = None if rival is None else meeting.last(rival.against)
    return look.margin if look is not None else meeting.looks[-1].margin if meeting.looks else None


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
        none = "every baseline failed, so there is none" if subject.baselines_planned else "there is no baseline"
        return f"{they} are worth {worth}; {none} to hold them against"
    if rival is None:
        return _nothing_to_compare(subject, they, intervals)
    seeds = f"{rival.n} fresh seeds not used for choosing, {subject.meeting.split} split"
    more = f"; {changes}" if changes else ""
    more += _could_detect(call, rival, detectable)
    if call is Judgement.BETTER:
        if len(intervals) == 1:
            return f"{they} are better than {rival.in_words}: by {rival.difference:.3g}{rival.unit} ({ends(rival)}), {seeds}{more}"
        by = " and ".join(f"by {each.difference:.3g}{each.unit} over {each.in_words} ({ends(each)})" for each in intervals)
        return f"{they} are better than the best baselines: {by}, {seeds}{more}"
    beaten = [f"{each.in_words} ({difference(each)})" for each in intervals if each.call is Judgement.BETTER]
    first = f"better than {' and '.join(beaten)}, but " if beaten else ""
    if call is Judgement.WORSE:
        return (
            f"{they} are {first}worse than {rival.in_words}: by {-rival.difference:.3g}{rival.unit} ({ends(rival)}), {seeds}{more}"
        )
    if call is Judgement.AS_GOOD:
        within = f"within one training's luck ({_margin(subject.meeting, rival) or 0.0:.3g})"
        only = "only " if first else ""
        return f"{they} are {first}{only}as good as {rival.in_words}: {difference(rival)}, {within}, {seeds}{more}"
    lead, who = (f"{they} are {first}there", "they") if first else ("There", subject.name)
    undecided = f"are not enough trainings to tell whether {who} are better than {rival.in_words}"
    return f"{lead} {undecided} ({difference(rival)}, {seeds}){more}"


def _nothing_to_compare(subject: _Subject, they: str, intervals: Sequence[Interval]) -> str:
    """Say which rivals have no interval: too few trainings on common seeds, or one without a finite value."""
    if not intervals:
        return (
            f"There are not enough trainings to tell whether {subject.name} are better than a baseline: none finished on two seeds"
        )
    beaten = " and ".join(f"{each.in_words} ({difference(each)})" for each in intervals)
    known = {each.against for each in intervals}
    others = " or ".join(each.in_words for each in subject.meeting.rivals if each.name not in known)
    seeds = f"{intervals[0].n} fresh seeds not used for choosing, {subject.meeting.split} split"
    return (
        f"{they} are better than {beaten}, {seeds}, but there are not enough trainings to tell whether they are better than "
        f"{others}: fewer than two finished, or one has no finite value"
    )


def _could_detect(call: Judgement, rival: Interval, detectable: float | None) -> str:
    """Say what so few seeds could have detected, or what they did not suffice for."""
    if detectable is None or (call is not Judgement.NOT_ENOUGH and rival.n >= FEW_SEEDS):
        return ""
    return f"; a lead of less than {detectable:.3g}{rival.unit} could not have been detected"


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
