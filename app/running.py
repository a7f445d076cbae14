"""Say what runs now of a study."""

from __future__ import annotations

from datetime import datetime

from app.schemas.running import CohortBody, CohortList, CohortTrialBody
from app.study_views import definition_of
from storage import cohorts
from storage.cohorts import RunningCohort
from storage.database import Session
from storage.records import StudyRecord


def cohort_list(session: Session, study: StudyRecord, now: datetime) -> CohortList:
    """Return the live cohorts and preflights of a study, and the seconds trained so far."""
    an_epoch = cohorts.seconds_an_epoch(session, study.id)
    epochs = definition_of(study).training.epochs
    return CohortList(
        study=study.name,
        state=study.state.value,
        trained_seconds=cohorts.trained_seconds(session, study.id),
        cohorts=[_body(each, epochs, an_epoch, now) for each in cohorts.running_cohorts(session, study.id)],
    )


def _body(cohort: RunningCohort, epochs: int, an_epoch: float | None, now: datetime) -> CohortBody:
    left = sum((epochs - trial.epochs) * trial.trainings for trial in cohort.trials)
    known = an_epoch is not None and cohort.id is not None
    return CohortBody(
        cohort=cohort.id,
        purpose=cohort.purpose,
        worker=cohort.worker,
        engine=cohort.engine,
        engine_why=next((trial.why for trial in cohort.trials), None),
        trials=[
            CohortTrialBody(number=trial.number, role=trial.role.value, rule=trial.rule, epochs=trial.epochs)
            for trial in cohort.trials
        ],
        epochs_planned=epochs,
        seconds_left=left * an_epoch if known and an_epoch is not None else None,
        started_at=cohort.acquired_at,
        lease_age_seconds=max(0.0, (now - (cohort.written_at or cohort.acquired_at)).total_seconds()),
        lease_expires_at=cohort.expires_at,
    )
