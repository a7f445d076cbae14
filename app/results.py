"""What a study found: its best weights, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app import sensitivity
from app.refusals import NoSensitivity, NoSensitivityYet
from app.schemas.common import finite_document
from app.study_views import definition_of
from search.analysis import answer
from search.analysis.answer import Answer
from search.analysis.evidence import Evidence, gather
from search.definition.schema import Objective
from search.export import best_weights
from search.objective.scoring import evaluate
from search.planning.initial_values import divisors
from storage import derived, workloads
from storage.database import Session
from storage.records import STUDY_ENDS, Measured, Moment, StudyRecord, StudyState, TrialRecord
from storage.study_rows import counted_moment


def best_document(session: Session, study: StudyRecord) -> dict[str, Any]:
    """Return the best-weights document, numbers as JSON can say them. Raises NoTrialYet, NoTrialEver, NoFeasibleTrial."""
    found = gather(session, study, definition_of(study), sensitivity=study.state is StudyState.COMPLETE)
    best = answer.best(found)
    return winner_document(session, found, best, matters=sensitivity.document(found, best.verdict))


def sensitivity_document(session: Session, study: StudyRecord) -> dict[str, Any]:
    """Return how much each parameter matters and what range is as good as the best. Raises NoSensitivityYet, NoSensitivity."""
    found = gather(session, study, definition_of(study), sensitivity=True)
    document = sensitivity.document(found, answer.verdict_of(found))
    if document is None:
        refusal = NoSensitivity if study.state in STUDY_ENDS else NoSensitivityYet
        raise refusal(study.name, study.state.value)
    return finite_document({"study": study.name, "state": study.state.value, "final": study.state in STUDY_ENDS, **document})


def winner_document(
    session: Session,
    found: Evidence,
    best: Answer,
    *,
    objective: Objective | None = None,
    matters: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the best-weights document of a trial, judged by `objective` where it is another than the study's."""
    study, definition = found.study, found.definition
    described = workloads.find_workload(session, study.workload)
    if objective is not None:
        definition = definition.model_copy(update={"objective": objective})
    initial = derived.initial_values(session, study.id) if definition.search.normalize is not None else {}
    return finite_document(
        best_weights.best_weights(
            best_weights.Winner(
                study=study,
                definition=definition,
                best=_tried(found, best.trial, objective),
                baselines=[_tried(found, baseline, objective) for baseline in found.baselines],
                description=None if described is None else described.description,
                workload_version=None if described is None else described.version,
                versions=best_weights.installed_versions(),
                verdict=best.verdict,
                picked_by=best.picked_by,
                sensitivity=matters,
                divisors=divisors(definition, initial),
                confirmed_epochs=found.counted_epochs(best.trial.number) if best.verdict is not None else {},
            )
        )
    )


def _tried(found: Evidence, trial: TrialRecord, objective: Objective | None) -> best_weights.Tried:
    """Return a trial with its numbers at the epoch that counts, judged anew by `objective` where there is one."""
    measured = found.measured[trial.number]
    if objective is None:
        return best_weights.Tried(trial, measured)
    score = evaluate(objective, measured.validation)
    judged = replace(trial, value=score.value, values=score.values, feasible=score.feasible, violations=score.violations)
    return best_weights.Tried(judged, measured)


def counted(study: StudyRecord, measured: Mapping[Moment, Measured]) -> Measured:
    """Return a trial's numbers at the epoch that counts for its study; empty ones before its end."""
    return measured.get(counted_moment(study), Measured())
