"""How much each parameter matters, and which range of it is as good as the winner: what a worker worked out and kept."""

from __future__ import annotations

from typing import Any

from app.confirmed import verdict_of
from app.reading import definition_of
from search.analysis import sensitivity
from search.definition.schema import StudyDefinition
from search.objective.scoring import is_pareto
from storage import answers
from storage.database import Session
from storage.records import StudyRecord


def told(session: Session, study: StudyRecord) -> dict[str, Any] | None:
    """Return what matters in a study, numbers as they are; None where no worker has worked it out."""
    analysis = answers.find_analysis(session, study.id, sensitivity.KIND)
    if analysis is None:
        return None
    definition, kept = definition_of(study), analysis.document
    return {
        "sequence": analysis.sequence,
        "trial": kept["trial"] if "trial" in kept else _winner(session, study, definition),
        **sensitivity.importance_told(definition, kept),
        "ranges": kept.get("ranges", {}),
        "noise": kept.get("noise") or sensitivity.no_noise(sensitivity.EARLIER),
        "rules": sensitivity.rules(definition),
    }


def _winner(session: Session, study: StudyRecord, definition: StudyDefinition) -> int | None:
    """Return the winner of a study whose worker was of a version that did not keep it."""
    verdict = None if is_pareto(definition.objective) else verdict_of(session, study)
    return None if verdict is None else verdict.winner.trial.number
