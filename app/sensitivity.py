"""How much each parameter matters, and which range of it is as good as the best: from what a worker kept, and from the trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from search.analysis import sensitivity
from search.analysis.evidence import Evidence
from search.analysis.noise import Threshold, bar_of
from search.analysis.sensitivity import competing, winner_of
from search.analysis.verdict import Verdict
from search.definition.schema import StudyDefinition
from search.objective.anchors import resolved
from search.objective.scoring import is_pareto
from storage.records import TrialRecord

NO_WINNER = "no feasible search trial has a finite value"
NO_NOISE = "how much the value differs from seed to seed is not known: give the search a confirmation"
FRONT = "the objective is a front: there is no one best"


def told(evidence: Evidence, verdict: Verdict | None) -> dict[str, Any] | None:
    """Return what matters in a study, numbers as they are; None where no worker has worked it out."""
    analysis, definition, searched = evidence.analysis, evidence.definition, evidence.searched
    if analysis is None:
        return None
    winner = _winner(definition, searched, verdict)
    bar, why = _bar(evidence, winner)
    found = {} if bar is None or winner is None else sensitivity.ranges(definition, searched, winner, bar)
    return {
        "sequence": analysis.sequence,
        "trial": None if winner is None else winner.number,
        **sensitivity.importance_told(definition, analysis.document),
        "ranges": sensitivity.ranges_told(found),
        "noise": sensitivity.noise_told(bar, why),
        "rules": sensitivity.rules(definition, confirmed=bar is None or bar.confirmed),
    }


def _winner(definition: StudyDefinition, searched: Sequence[TrialRecord], verdict: Verdict | None) -> TrialRecord | None:
    """Return the trial that ranges are told around: none on a front, where a compromise may be confirmed, but is not the best."""
    if is_pareto(definition.objective):
        return None
    return verdict.winner.trial if verdict is not None else winner_of(searched)


def _bar(evidence: Evidence, winner: TrialRecord | None) -> tuple[Threshold | None, str | None]:
    """Return the least value that is as good as the winner's, or why it is not known."""
    objective, anchors = evidence.definition.objective, evidence.anchors
    if is_pareto(objective):
        return None, FRONT
    if winner is None:
        return None, NO_WINNER
    rivals = len(competing(evidence.searched)) - 1
    bar = bar_of(resolved(objective, anchors), winner, evidence.candidates, anchors, rivals)
    return bar, NO_NOISE if bar is None else None
