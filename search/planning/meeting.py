"""Who wins, and whether it is better than the best baselines: first choose, then meet on seeds that chose nothing. Pure functions.

*Choose*: the finalists train on two fresh seeds, and so do the baselines where there are more than two of them. The finalist with
the best mean wins, those first that keep the constraints; the two best baselines are its rivals. *Meet*: the winner and its rivals
train on further seeds, and are compared after thirds of them (`search.planning.looks`). A rival that a call was made about trains
no further, nor does one that surely breaks a constraint which the winner keeps: it can only be beaten. One that keeps a constraint
which the winner breaks trains until that is sure. All stops when every call is made, when the winner is worse than a rival that
keeps the constraints, or when no call has a chance any more.

Which seeds chose and which compare never mixes: the best of several means over two seeds is partly the luckiest, and so is the best
of several baselines. Two baselines are kept since the truly best one may come second by luck.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean

from search.definition.schema import Objective
from search.objective.anchors import Measurement, anchors, resolve_anchors
from search.objective.order import Place, place
from search.objective.scoring import VALUE_PATH, evaluate
from search.planning.candidates import Candidate
from search.planning.constraints import Kept, kept
from search.planning.looks import FUTILE, Judgement, Look, chance, compare, error_of, luck, schedule
from storage.records import AnchorRecord, TrialRecord

CHOOSING = 2
"""Seeds that finalists and baselines are chosen on."""

RIVALS = 2
"""Baselines that the winner meets."""

Training = tuple[int, int]
"""A trial's number, and the fresh seed that it trains on again."""


class MeetingEnd(StrEnum):
    """Why no more was trained."""

    DECIDED = "decided"  # a call was made about every rival, or the winner is worse than one
    FUTILE = "futile"  # no call had a chance any more under the present trend
    SEEDS = "seeds"  # all planned seeds were trained


@dataclass(frozen=True, slots=True)
class Design:
    """How a confirmation is laid out. `most`: trainings on fresh seeds at most.

    `choosing`, `meeting` and `referenced` are seeds: those that choose, those that compare, and the first of both, on which what
    the objective is relative to is measured.
    """

    choosing: tuple[int, ...]
    meeting: tuple[int, ...]
    referenced: tuple[int, ...]
    most: int


@dataclass(frozen=True, slots=True)
class Meeting:
    """How far a confirmation is. `winner` is None before it was chosen; `due` are the trainings to plan now.

    `split` is what was compared: the test split where the workload has one. `stop` is None as long as there is more to train.
    `anchors` are what the objective is relative to, on that split. `open` are the rivals that no call was made about.
    """

    design: Design
    due: tuple[Training, ...] = ()
    winner: Candidate | None = None
    rivals: tuple[Candidate, ...] = ()
    split: str = "validation"
    anchors: tuple[AnchorRecord, ...] = ()
    looks: tuple[Look, ...] = ()
    stop: MeetingEnd | None = None

    def last(self, rival: str) -> Look | None:
        """Return the last look at a rival."""
        return next((look for look in reversed(self.looks) if look.against == rival), None)


@dataclass(frozen=True, slots=True)
class Trained:
    """What there is of a confirmation: the candidates, and which trainings were planned and are not finished yet.

    `planned` has those that were planned, finished or not; one of them that is in no candidate's `measured` failed.
    """

    candidates: Sequence[Candidate]
    planned: Collection[Training]
    unfinished: Collection[Training] = field(default_factory=frozenset)

    def missing(self, wanted: Sequence[Training]) -> tuple[Training, ...]:
        return tuple(each for each in wanted if each not in self.planned)

    def waits(self, wanted: Sequence[Training]) -> bool:
        return any(each in self.unfinished for each in wanted)


def meet(objective: Objective, design: Design, trained: Trained, known: Sequence[AnchorRecord] = ()) -> Meeting:
    """Return how far the confirmation is: what to train next, or what came of it.

    `objective` gives trials a value; `known` are the anchors of the search, for what was not trained on fresh seeds.
    """
    finalists = [each for each in trained.candidates if each.is_finalist]
    baselines = [each for each in trained.candidates if each.is_baseline]
    references = [each for each in trained.candidates if each.is_reference]
    to_choose_from = [*finalists, *(baselines if len(baselines) > RIVALS else ())]
    choosing = _trainings(design.choosing, to_choose_from, references, design)
    if due := trained.missing(choosing):
        return Meeting(design, due)
    if trained.waits(choosing) or not finalists:
        return Meeting(design)
    winner, rivals = _chosen(objective, design, trained.candidates, finalists, baselines, known)
    return _met(objective, design, trained, Meeting(design, winner=winner, rivals=rivals), known)


def _trainings(
    seeds: Sequence[int], competing: Sequence[Candidate], references: Sequence[Candidate], design: Design
) -> list[Training]:
    """Return who trains on which seed, seed by seed: where not all fit into one cohort, the first seeds are whole."""
    return [(each.number, seed) for seed in seeds for each in (*competing, *(references if seed in design.referenced else ()))]


def _chosen(
    objective: Objective,
    design: Design,
    candidates: Sequence[Candidate],
    finalists: Sequence[Candidate],
    baselines: Sequence[Candidate],
    known: Sequence[AnchorRecord],
) -> tuple[Candidate, tuple[Candidate, ...]]:
    """Return the winner and its rivals, by validation on the seeds that choose.

    Baselines were not picked among many by their value in the search, so that counts for them as one more seed.
    """
    judged = resolve_anchors(objective, anchors_on(objective, candidates, design.choosing, "validation", known))

    def mean_place(candidate: Candidate) -> Place:
        here = candidate.on(design.choosing)
        values = list(here.values(judged, "validation").values())
        means = [here.means("validation")]
        if candidate.is_baseline and candidate.trial.values:
            searched = _in_search(judged, candidate.trial)
            values.append(evaluate(judged, searched).value)
            means.append(searched)
        whole = len(here.measured) == len(design.choosing) and all(map(math.isfinite, values))
        feasible = all(evaluate(judged, each).feasible for each in means if each)
        return place(feasible, fmean(values) if values and whole else None, candidate.number)

    winner = max(finalists, key=mean_place) if len(finalists) > 1 else finalists[0]
    if not design.choosing or len(baselines) <= RIVALS:
        return winner, tuple(baselines)
    return winner, tuple(sorted(baselines, key=mean_place, reverse=True)[:RIVALS])


def _in_search(objective: Objective, trial: TrialRecord) -> dict[str, float]:
    """Return the validation numbers of a trial that `evaluate` reads, with the stored value of an aggregate from outside."""
    value = {} if objective.plugin is None or trial.value is None else {VALUE_PATH: trial.value}
    return {**trial.values, **value}


def _met(objective: Objective, design: Design, trained: Trained, chosen: Meeting, known: Sequence[AnchorRecord]) -> Meeting:
    """Return the meeting as far as it got: look after look, each once all its trainings have ended."""
    assert chosen.winner is not None
    references = [each for each in trained.candidates if each.is_reference]
    seeds, looks, still, before = len(design.meeting), list[Look](), list(chosen.rivals), 0
    known_on = dict[str, tuple[int, ...]]()  # each rival's seeds at its last look: what came later decided nothing then
    split = _split(chosen.winner)
    found = anchors_on(objective, trained.candidates, design.referenced, split, known)
    judged = resolve_anchors(objective, found)
    stop: MeetingEnd | None = None

    def so_far(due: tuple[Training, ...] = ()) -> Meeting:
        return Meeting(design, due, chosen.winner, chosen.rivals, split, found, tuple(looks), stop)

    for after in schedule(seeds):
        wanted = _trainings(design.meeting[:after], [chosen.winner, *still], references, design)
        if due := trained.missing(wanted):
            return so_far(due)
        if trained.waits(wanted):
            return so_far()
        now = design.meeting[:after]
        margin = _luck(judged, [chosen.winner, *chosen.rivals], now, split)
        latest = [
            compare(rival.name, differences(chosen.winner, rival, judged, now, split), margin, after, before, seeds)
            for rival in still
        ]
        looks += latest
        error = error_of(before / seeds, after / seeds)
        known_on |= {rival.name: now for rival in still}
        held = kept(judged, chosen.winner.on(now), [rival.on(known_on[rival.name]) for rival in chosen.rivals], split, error)
        still = _still(chosen.rivals, latest, held)
        stop, before = _stop(latest, held, bool(still), after, seeds), after
        if stop is not None:
            return so_far()
    stop = MeetingEnd.SEEDS
    return so_far()


def _still(rivals: Sequence[Candidate], latest: Sequence[Look], held: Kept) -> list[Candidate]:
    """Return who trains on: those that are open, and one that keeps what the winner breaks, perhaps by chance."""
    open_ones = {look.against for look in latest if _is_open(look, held)}
    if held.is_unsure and not open_ones & held.keeping:
        open_ones.add(next(rival.name for rival in rivals if held.keeps(rival.name)))
    return [rival for rival in rivals if rival.name in open_ones]


def _is_open(look: Look, held: Kept) -> bool:
    """Return whether a rival trains on: nothing is called about it; one that breaks a constraint can only be beaten.

    One that keeps a constraint which the winner breaks is open, whatever it is worth, until that is sure.
    """
    if held.beaten(look.against):
        return False
    if held.winner and held.keeps(look.against):
        return held.is_unsure and look.call is not Judgement.WORSE
    return look.call is Judgement.NOT_ENOUGH or (look.call is not Judgement.BETTER and held.breaks(look.against))


def _stop(latest: Sequence[Look], held: Kept, is_open: bool, after: int, seeds: int) -> MeetingEnd | None:
    if held.worse_than:
        return MeetingEnd.DECIDED
    if latest and (not is_open or any(look.call is Judgement.WORSE and held.keeps(look.against) for look in latest)):
        return MeetingEnd.DECIDED
    if after == seeds:
        return MeetingEnd.SEEDS
    if held.is_unsure:
        return None
    hopeless = [look.call is Judgement.NOT_ENOUGH and chance(look, seeds) < FUTILE for look in latest if _is_open(look, held)]
    return MeetingEnd.FUTILE if hopeless and all(hopeless) else None


def _split(winner: Candidate) -> str:
    """Return what is compared: the test split where the workload has one, which nothing was chosen by."""
    return "test" if winner.measured and all(each.test for each in winner.measured.values()) else "validation"


def differences(winner: Candidate, other: Candidate, objective: Objective, seeds: tuple[int, ...], split: str) -> list[float]:
    """Return the winner's value minus the other's on the seeds that both finished."""
    mine, theirs = (each.on(seeds).values(objective, split) for each in (winner, other))
    return [mine[seed] - theirs[seed] for seed in seeds if seed in mine and seed in theirs]


def _luck(objective: Objective, candidates: Sequence[Candidate], seeds: tuple[int, ...], split: str) -> float | None:
    return luck({each.name: list(each.on(seeds).values(objective, split).values()) for each in candidates})


def anchors_on(
    objective: Objective, candidates: Sequence[Candidate], seeds: Sequence[int], split: str, known: Sequence[AnchorRecord]
) -> tuple[AnchorRecord, ...]:
    """Return what the objective is relative to, measured on a split of these fresh seeds; else as the search knew it."""
    measured = [
        Measurement(candidate.trial.role, candidate.trial.rule, seed, getattr(candidate.measured[seed], split))
        for candidate in candidates
        for seed in dict.fromkeys(seeds)
        if seed in candidate.measured
    ]
    found = {(anchor.of, anchor.path): anchor for anchor in (*known, *anchors(objective, measured))}
    return tuple(found.values())
