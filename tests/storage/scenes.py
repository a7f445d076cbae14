"""Situations that storage's tests begin from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage import leases, progress, studies, study_rows, trial_rows, trials, workers
from storage.database import Database
from storage.models import LEASES
from storage.records import (
    LeaseRecord,
    Measured,
    Moment,
    Outcome,
    PlannedTrial,
    Role,
    StudyRecord,
    TermRecord,
    Throughput,
    TrialRecord,
    TrialState,
)

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

TERMS = (
    TermRecord("digit.crossentropy", "loss", "minimize", "digit"),
    TermRecord("parity.crossentropy", "loss", "minimize", "parity"),
    TermRecord("agreement", "penalty", "minimize"),
    TermRecord("agreement.violations", "metric", "minimize"),
    TermRecord("digit.accuracy", "metric", "maximize", "digit"),
)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def new_study(name: str = "study", *, definition: Mapping[str, Any] | None = None, **changes: Any) -> studies.NewStudy:
    fields: dict[str, Any] = {
        "name": name,
        "definition": {"workload": {"name": "digits"}} if definition is None else definition,
        "definition_version": 1,
        "definition_sha256": "d" * 64,
        "problem_sha256": "p" * 64,
        "workload": "digits",
        "description": None,
        "labels": {},
        "warnings": (),
        "trial_budget": 32,
        "terms": TERMS,
    }
    return studies.NewStudy(**{**fields, **changes})


def planned(place: int = 0, role: Role = Role.SEARCH, rule: str | None = None) -> PlannedTrial:
    """Plan a trial whose numbers show which one it is."""
    weight = 0.5 + place
    return PlannedTrial(
        role=role,
        rule=rule,
        parameters={"walls": weight, "agreement": 0.1},
        weights={"digit.crossentropy": 1.0, "parity.crossentropy": weight, "agreement": 0.1},
        seed=7,
        origin="sampler",
        sampler_state={"place": place},
    )


def outcome(number: int, value: float | None = 0.5, state: TrialState = TrialState.COMPLETE, **changes: Any) -> Outcome:
    """End a trial with a value, which is its validation accuracy at the last epoch too."""
    accuracy = {} if value is None else {"digit.accuracy": value}
    fields: dict[str, Any] = {
        "number": number,
        "state": state,
        "epochs": 2,
        "best_epoch": 1,
        "value": value,
        "values": accuracy,
        "feasible": True,
        "violations": {},
        "measured": {Moment.LAST: Measured(train={"agreement": 0.25}, validation=accuracy)},
    }
    return Outcome(**{**fields, **changes})


def create(session: Session, name: str = "study", **changes: Any) -> StudyRecord:
    return studies.create_study(session, new_study(name, **changes), NOW)


def prepare(session: Session, study: StudyRecord) -> StudyRecord:
    return studies.prepared(session, study.id, cohort_size=8, engine="stacked", warnings=(), now=NOW)


def add(session: Session, study: StudyRecord, count: int, role: Role = Role.SEARCH) -> None:
    locked = study_rows.lock_study(session, study.id)
    trials.add_trials(session, locked, [planned(place, role) for place in range(count)], beside=(), now=NOW)


def register(session: Session, name: str = "w1", workloads: Sequence[str] = ("digits",)) -> int:
    worker = workers.register(session, name=name, host="here", pid=11, version="1", workloads=workloads, now=NOW)
    return worker.id


def find_lease(session: Session, token: int) -> LeaseRecord | None:
    """Look a lease up, ended ones too."""
    row = session.execute(select(LEASES).where(LEASES.c.id == token)).one_or_none()
    return None if row is None else leases.lease_record(row)


def start(session: Session, study: StudyRecord, numbers: Sequence[int] | None = None, *, at: datetime = NOW) -> LeaseRecord:
    """Put waiting trials (all, or these) into training under a lease of 60 seconds by a new worker."""
    locked = study_rows.lock_study(session, study.id)
    chosen = [each for each in trial_rows.waiting_trials(session, study.id) if numbers is None or each.number in numbers]
    lease = leases.acquire(session, study.id, register(session), leases.COHORT, 60.0, at)
    trials.start_cohort(session, locked, chosen, lease, engine="stacked", worker="w1", now=at)
    found = find_lease(session, lease.token)
    assert found is not None
    return found


@dataclass(frozen=True)
class Running:
    """A study with all its trials in training under one lease."""

    study: StudyRecord
    lease: LeaseRecord

    @property
    def token(self) -> int:
        return self.lease.token

    @property
    def cohort(self) -> int:
        assert self.lease.cohort_id is not None
        return self.lease.cohort_id


def running(database: Database, count: int = 2, name: str = "study", **changes: Any) -> Running:
    with database.writing() as session:
        study = prepare(session, create(session, name, **changes))
        add(session, study, count)
        return Running(study, start(session, study))


def states(database: Database, study: StudyRecord) -> list[str]:
    with database.reading() as session:
        return [trial.state.value for trial in trial_rows.trials_of(session, study.id)]


def trial_of(database: Database, running: Running, number: int = 0) -> TrialRecord:
    """Read a trial of the study that runs."""
    with database.reading() as session:
        return trial_rows.get_trial(session, running.study.id, number)


def pace_of(session: Session, running: Running) -> Throughput:
    """Read how fast the study that runs goes."""
    return progress.study_totals(session, [running.study.id])[running.study.id].pace
