"""Resolve a study's objective from what is stored, and score by it what ended before it could be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from search.definition.schema import Objective, StudyDefinition
from search.objective.anchors import Measurement, anchors, is_resolved, resolve_anchors
from search.objective.outcomes import TrialCurve, judged, outcome
from storage import curves, derived, outcomes, trial_rows
from storage.database import Session
from storage.records import AnchorRecord, Measured, Moment, Outcome, Role, StudyRecord, TrialRecord, TrialState
from storage.study_rows import counted_moment

SCORED = (Role.BASELINE, Role.SEARCH)
"""Roles of the trials that may win. A reference has no objective, and what a confirmation is worth is judged over all its seeds."""


def objective_of(session: Session, study_id: int, definition: StudyDefinition) -> Objective:
    """Return the study's objective with the anchors that are known; it is the definition's own where nothing is relative."""
    if is_resolved(definition.objective):
        return definition.objective
    return resolve_anchors(definition.objective, derived.anchors_of(session, study_id))


def judged_anew(session: Session, study: StudyRecord, objective: Objective) -> Objective:
    """Return another objective over what the study measures, with numbers for what is relative, as far as there are any.

    What the study did not keep is taken from its references and baselines, if it has them.
    """
    if is_resolved(objective):
        return objective
    kept = resolve_anchors(objective, derived.anchors_of(session, study.id))
    if is_resolved(kept):
        return kept
    fixed = trial_rows.trials_of(session, study.id, roles=[Role.REFERENCE, Role.BASELINE])
    return resolve_anchors(kept, anchors(kept, measurements(session, study, fixed)))


def measurements(session: Session, study: StudyRecord, measured: Sequence[TrialRecord]) -> list[Measurement]:
    """Return what references and baselines that have ended measured on validation, at the epoch that counts.

    A reference's is its last: the study's objective, which names a best epoch, is not defined for it.
    """
    return [
        Measurement(trial.role, trial.rule, trial.seed, _at(session, study, trial).validation)
        for trial in measured
        if trial.trained
    ]


def _at(session: Session, study: StudyRecord, trial: TrialRecord) -> Measured:
    moment = Moment.LAST if trial.role is Role.REFERENCE else counted_moment(study)
    return curves.measured(session, trial.id).get(moment, Measured())


def score(session: Session, study: StudyRecord, definition: StudyDefinition, found: Sequence[AnchorRecord], now: datetime) -> None:
    """Keep anchors, and score by them every trial that has ended. The study is locked."""
    derived.keep_anchors(session, study.id, found)
    objective = resolve_anchors(definition.objective, found)
    ended = trial_rows.trials_of(session, study.id, roles=SCORED, states=[TrialState.COMPLETE])
    outcomes.rescore(session, study, {trial.id: _rescored(session, trial, objective) for trial in ended}, now)


def _rescored(session: Session, trial: TrialRecord, objective: Objective) -> Outcome:
    curve = TrialCurve({each.epoch: Measured(each.train, each.validation) for each in curves.epochs_of(session, trial.id)})
    return judged(outcome(trial.number, curve, objective, trial.state, trial.reason, trial.epochs), objective)
