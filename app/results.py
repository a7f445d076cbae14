"""What a study found: its best weights, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app import sensitivity
from app.confirmed import confirmed_epochs, verdict_of
from app.reading import definition_of
from app.refusals import BadParameter, NoFeasibleTrial, NoSensitivity, NoSensitivityYet, NoTrialEver, NoTrialYet, Refusal
from app.schemas.common import NumberSplitter
from search.analysis.verdict import Verdict
from search.definition.schema import Objective
from search.errors import Fault
from search.export import best_weights
from search.objective.scoring import evaluate, is_pareto
from search.planning.initial_values import divisors
from storage import answers, curves, progress, trial_rows, workers
from storage.database import Session
from storage.records import STUDY_ENDS, Measured, Moment, Role, StudyRecord, StudyState, TrialRecord, TrialState
from storage.study_rows import counted_moment


def best_document(session: Session, study: StudyRecord) -> dict[str, Any]:
    """Return the best-weights document, numbers as JSON can say them. Raises NoTrialYet, NoTrialEver, NoFeasibleTrial."""
    winner = progress.best_trial(session, study.id)
    if winner is None:
        raise _nothing_complete(study)
    if not winner.feasible:
        raise NoFeasibleTrial(study.name, _closest(session, study))
    verdict = verdict_of(session, study)
    if verdict is not None:
        winner = verdict.winner.trial
    matters = sensitivity.told(session, study) if study.state is StudyState.COMPLETE else None
    return winner_document(session, study, winner, verdict=verdict, matters=matters)


def sensitivity_document(session: Session, study: StudyRecord) -> dict[str, Any]:
    """Return how much each parameter matters and what range is as good as the winner. Raises NoSensitivityYet, NoSensitivity."""
    found = sensitivity.told(session, study)
    if found is None:
        refusal = NoSensitivity if study.state in STUDY_ENDS else NoSensitivityYet
        raise refusal(study.name, study.state.value)
    return finite_document({"study": study.name, "state": study.state.value, "final": study.state in STUDY_ENDS, **found})


def winner_document(
    session: Session,
    study: StudyRecord,
    winner: TrialRecord,
    *,
    verdict: Verdict | None = None,
    picked_by: str | None = None,
    objective: Objective | None = None,
    matters: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the best-weights document of a trial, judged by `objective` where it is another than the study's."""
    definition, described = definition_of(study), workers.find_workload(session, study.workload)
    if objective is not None:
        definition = definition.model_copy(update={"objective": objective})
    baselines = trial_rows.trials_of(session, study.id, roles=[Role.BASELINE], states=[TrialState.COMPLETE])
    return finite_document(
        best_weights.best_weights(
            best_weights.Winner(
                study=study,
                definition=definition,
                best=tried(session, study, winner, objective),
                baselines=[tried(session, study, baseline, objective) for baseline in baselines],
                description=None if described is None else described.description,
                versions=best_weights.installed_versions(),
                verdict=verdict,
                picked_by=picked_by,
                sensitivity=matters,
                divisors=divisors(definition, answers.initial_values(session, study.id)),
                confirmed_epochs=confirmed_epochs(session, study, winner.number) if verdict is not None else {},
            )
        )
    )


def tried(session: Session, study: StudyRecord, trial: TrialRecord, objective: Objective | None = None) -> best_weights.Tried:
    """Return a trial with its numbers at the epoch that counts, judged anew by `objective` where there is one."""
    measured = counted(study, curves.measured(session, trial.id))
    if objective is None:
        return best_weights.Tried(trial, measured)
    score = evaluate(objective, measured.validation)
    judged = replace(trial, value=score.value, values=score.values, feasible=score.feasible, violations=score.violations)
    return best_weights.Tried(judged, measured)


def no_winner(session: Session, study: StudyRecord, asked: Fault) -> Refusal:
    """Return why there are no weights: no trial, none that keeps the constraints, or none for just what was `asked`."""
    if is_pareto(definition_of(study).objective):  # whose trials have no value to be the best by
        winner = progress.closest_trial(session, study.id)
    else:
        winner = progress.best_trial(session, study.id)
    if winner is None or winner.feasible is None:
        return _nothing_complete(study)
    return BadParameter(asked) if winner.feasible else NoFeasibleTrial(study.name, _closest(session, study))


def counted(study: StudyRecord, measured: Mapping[Moment, Measured]) -> Measured:
    """Return a trial's numbers at the epoch that counts for its study; empty ones before its end."""
    return measured.get(counted_moment(study), Measured())


def _nothing_complete(study: StudyRecord) -> NoTrialYet | NoTrialEver:
    if study.state in STUDY_ENDS:
        return NoTrialEver(study.name, study.state.value, study.reason.message if study.reason else None)
    return NoTrialYet(study.name, study.state.value)


def _closest(session: Session, study: StudyRecord) -> dict[str, Any]:
    closest = progress.closest_trial(session, study.id)
    assert closest is not None  # an infeasible best trial is one of those it looks among
    return finite_document(
        {
            "trial": closest.number,
            "weights": dict(closest.weights),
            "value": closest.value,
            "values": dict(closest.values),
            "violations": dict(closest.violations),
        }
    )


def finite_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with null for every number that JSON cannot say, and those in `not_finite` by their place."""
    split = NumberSplitter()
    return {**_finite(document, split, ""), "not_finite": split.not_finite}


def _finite(value: Any, split: NumberSplitter, place: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item, split, f"{place}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item, split, f"{place}.{i}") for i, item in enumerate(value)]
    return split.one(place, value) if isinstance(value, float) else value
