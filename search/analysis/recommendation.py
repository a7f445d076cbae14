"""What to train with after a confirmation, and the sentence that says why. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search.analysis.constraints import does, keeping, on
from search.analysis.intervals import Interval
from search.definition.schema import Objective
from search.planning.candidates import Candidate
from search.planning.constraints import Kept
from search.planning.looks import Judgement
from storage.records import ADAPTIVE_ORIGIN

HANDS_OVER = {True: "It moves weights in training, so it hands over no fixed weights.", False: "They need no search."}
"""What else to know of a recommended baseline, by whether a rule moves its weights."""

WHY_A_BASELINE = {
    Judgement.WORSE: "better than the tuned weights",
    Judgement.AS_GOOD: "as good as the tuned weights",
    Judgement.NOT_ENOUGH: "on average they lead the tuned weights, though that is not certain",
}
"""Why a baseline is recommended. Where it is not certain, only one of fixed weights that leads."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to train with: a baseline's rule where one is better or as good, or leads uncertainly; None for the tuned weights.

    `trial` has them.
    """

    rule: str | None
    trial: int
    adaptive: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a recommendation is made from: the winner, the rivals that it met with their intervals, and who keeps the constraints.

    `despite` is what follows where what is recommended breaks a constraint.
    """

    winner: Candidate
    rivals: Sequence[Candidate]
    intervals: Sequence[Interval]
    who: Kept
    despite: str

    def recommend(self, call: Judgement | None, rival_of: Interval | None) -> Recommendation:
        """Return what to train with, given the verdict and the interval that it is of: what keeps the constraints.

        A baseline that is as good goes first, since it needs no search; one of fixed weights before a rule that moves them.
        """
        if self.who.winner:
            rival = self._keeper()
            keep = "it keeps" if _moves(rival) else "they keep"
            return self._baseline(rival, f"{keep} {on(self.who.winner)}, which the tuned weights break on fresh seeds")
        other = next((each for each in self.rivals if rival_of is not None and each.name == rival_of.against), None)
        if other is not None and _moves(other) and call is not Judgement.WORSE:
            rival_of = self._fixed_that_is_no_worse()
            call = call if rival_of is None else rival_of.call
            other = next((each for each in self.rivals if rival_of is not None and each.name == rival_of.against), other)
        if other is not None and self.who.breaks(other.name):
            return self._tuned(f": {'; '.join(keeping(self.rivals, self.who))}")
        leads = call is not Judgement.NOT_ENOUGH or (rival_of is not None and rival_of.difference < 0)
        only_moves = other is not None and _moves(other) and call is not Judgement.WORSE
        if other is None or call is None or call is Judgement.BETTER or not leads or only_moves:
            unsure = "" if call in (Judgement.BETTER, Judgement.AS_GOOD) else "; it is not certain that they are better"
            return self._tuned(unsure)
        return self._baseline(other, f"{WHY_A_BASELINE[call]}{self.despite}")

    def _keeper(self) -> Candidate:
        """Return the rival to take where the winner breaks a constraint that rivals keep: fixed weights first, by their lead."""
        leads = {each.against: each.difference for each in self.intervals}
        among = [each for each in self.rivals if each.name in (self.who.worse_than or self.who.keeping)]
        return min(among, key=lambda each: (_moves(each), leads.get(each.name, math.inf)))

    def _fixed_that_is_no_worse(self) -> Interval | None:
        """Return the interval against the best rival of fixed weights that is as good as the winner, or leads it on average."""
        fixed = {each.name for each in self.rivals if not _moves(each) and self.who.keeps(each.name)}
        fine = [
            each
            for each in self.intervals
            if each.against in fixed
            and (each.call is Judgement.AS_GOOD or (each.call is Judgement.NOT_ENOUGH and each.difference < 0))
        ]
        return min(fine, key=lambda each: each.difference, default=None)

    def _tuned(self, why: str) -> Recommendation:
        sentence = f"Use the tuned weights of {self.winner.name}{why}{self.despite}."
        return Recommendation(None, self.winner.number, False, sentence)

    def _baseline(self, rival: Candidate, why: str) -> Recommendation:
        moves = _moves(rival)
        return Recommendation(rival.name, rival.number, moves, f"Use {rival.in_words}: {why}. {HANDS_OVER[moves]}")


def _moves(candidate: Candidate) -> bool:
    """Return whether a rule moves the candidate's weights in training."""
    return candidate.trial.origin == ADAPTIVE_ORIGIN


def despite(objective: Objective, who: Kept, rivals: Sequence[Candidate], keepers: Sequence[Candidate]) -> str:
    """Say that what is recommended breaks a constraint, where the winner and its rivals all do.

    keepers: what else was trained on fresh seeds and keeps all constraints by its means there.
    """
    if not who.alike:
        return ""
    bounded = [entry.metric for entry in objective.metrics if entry.strategy == "constraint"]
    all_of_it = on(bounded) if len(bounded) == 1 else "all constraints"
    if not keepers:
        return f"; but nothing that was trained on fresh seeds keeps {all_of_it}"
    broken = "neither the tuned weights nor a baseline that they met keeps" if rivals else "the tuned weights do not keep"
    named = " and ".join(each.in_words for each in keepers)
    return f"; but {broken} {all_of_it}: {named} {does(keepers, 'do')} on fresh seeds"
