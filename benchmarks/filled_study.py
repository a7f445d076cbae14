"""A study of many complete trials that nobody trained: written through storage, as a worker does it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from search.workloads.flagship import FLAGSHIP
from storage import leases, outcomes, studies, study_rows, trial_rows, trials, workers
from storage.database import Database, Session
from storage.records import Measured, Moment, Outcome, PlannedTrial, Role, StudyState, TrialState

AT_ONCE = 1000
DIGIT, PARITY = "digit.sparse_categorical_accuracy", "parity.binary_accuracy"


def definition(name: str, count: int) -> dict[str, Any]:
    """Return the flagship with so many search trials, none of them confirmed."""
    return {**FLAGSHIP, "name": name, "search": {**FLAGSHIP["search"], "trials": count, "confirmation": None}}


def fill(database: Database, name: str, count: int) -> None:
    """End the study `name`, which is there, with `count` complete trials of random weights."""
    grow(database, name, count)
    with database.writing() as session:
        study = study_rows.get_study(session, name)
        studies.end_study(session, study.id, StudyState.COMPLETE, None, database.now(session))


def grow(database: Database, name: str, count: int, seed: int = 0) -> None:
    """Add `count` complete trials of random weights to the study `name`, which goes on."""
    draw = random.Random(seed)
    for start in range(0, count, AT_ONCE):
        weights = [(10 ** draw.uniform(-2, 2), 10 ** draw.uniform(-2, 1)) for _ in range(min(AT_ONCE, count - start))]
        with database.writing() as session:
            _cohort(session, database, name, weights)


def copy(database: Database, name: str, count: int) -> None:
    """Create `count` queued studies with the definition of the study `name`, which is there."""
    with database.writing() as session:
        study, now = study_rows.get_study(session, name), database.now(session)
        new = studies.NewStudy(
            name=name,
            definition=study.definition,
            definition_version=study.definition_version,
            definition_sha256=study.definition_sha256,
            problem_sha256=study.problem_sha256,
            workload=study.workload,
            description=study.description,
            labels=study.labels,
            warnings=study.warnings,
            trial_budget=study.trial_budget,
            terms=tuple(study_rows.terms_of(session, study.id)),
        )
        for number in range(count):
            studies.create_study(session, replace(new, name=f"{name}-{number:04d}"), now)


def _cohort(session: Session, database: Database, name: str, weights: Sequence[tuple[float, float]]) -> None:
    now = database.now(session)
    study = study_rows.get_study(session, name)
    studies.prepared(session, study.id, cohort_size=AT_ONCE, engine="serial", warnings=(), now=now)
    study = study_rows.lock_study(session, study.id)
    added = trials.add_trials(session, study, [_planned(*each) for each in weights], beside=(), now=now)
    worker = workers.register(session, name="bench", host="bench", pid=1, version="0", workloads=["digits"], now=now)
    lease = leases.acquire(session, study.id, worker.id, leases.COHORT, 600.0, now)
    waiting = trial_rows.waiting_trials(session, study.id)
    trials.start_cohort(session, study, waiting, lease, engine="serial", worker="bench", now=now)
    ends = [_outcome(trial.number, *each) for trial, each in zip(added, weights, strict=True)]
    outcomes.record_outcomes(session, lease.token, ends, now)
    leases.complete(session, lease.token, now)
    workers.deregister(session, worker.id, now)


def _planned(parity: float, agreement: float) -> PlannedTrial:
    drawn = {"parity.crossentropy": parity, "agreement": agreement}
    return PlannedTrial(Role.SEARCH, None, drawn, {"digit.crossentropy": 1.0, **drawn}, seed=0, origin="tpe")


def _outcome(number: int, parity: float, agreement: float) -> Outcome:
    turned, noise = math.log10(parity), random.Random(number).gauss(0, 0.004)
    values = {
        DIGIT: 0.96 - 0.02 * max(turned, 0) ** 2 + noise,
        PARITY: 0.93 - 0.03 * (turned - 0.5) ** 2 - 0.002 * agreement + noise,
    }
    losses = {"digit.crossentropy": 1 - values[DIGIT], "parity.crossentropy": 1 - values[PARITY], "agreement": 0.1}
    last = Measured(train=losses, validation={**losses, **values, "agreement.violations": 0.1})
    value = sum(values.values()) / 2
    return Outcome(number, TrialState.COMPLETE, 10, 10, value=value, values=values, feasible=True, measured={Moment.LAST: last})
