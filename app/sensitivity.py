"""How much each parameter matters, and which range of it is as good as the winner: what a worker worked out and kept."""

from __future__ import annotations

from typing import Any

from search.analysis import sensitivity
from search.analysis.evidence import Evidence
from search.analysis.verdict import Verdict
from search.objective.scoring import is_pareto


def document(evidence: Evidence, verdict: Verdict | None) -> dict[str, Any] | None:
    """Return what matters in a study, numbers as they are; None where no worker has worked it out."""
    analysis, definition = evidence.analysis, evidence.definition
    if analysis is None:
        return None
    kept = analysis.document
    return {
        "sequence": analysis.sequence,
        "trial": kept["trial"] if "trial" in kept else _winner(evidence, verdict),
        **sensitivity.importance_document(definition, kept),
        "ranges": kept.get("ranges", {}),
        "noise": kept.get("noise") or sensitivity.no_noise(sensitivity.EARLIER),
        "rules": sensitivity.rules(definition),
    }


def _winner(evidence: Evidence, verdict: Verdict | None) -> int | None:
    """Return the winner of a study whose worker was of a version that did not keep it."""
    return None if verdict is None or is_pareto(evidence.definition.objective) else verdict.winner.trial.number
