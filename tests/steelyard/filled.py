"""Studies with trials that nobody trained: filled through storage, as a worker does it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from steelyard import study_templates
from steelyard.client import Client
from storage import leases, outcomes, studies, study_rows, trials, workers
from storage.records import Measured, Moment, Outcome, PlannedTrial, Reason, Role, StudyRecord, StudyState, TrialState
from tests.steelyard.conftest import Service

ACCURACIES = ("digit.sparse_categorical_accuracy", "parity.binary_accuracy")


def definition(name: str, **changes: Any) -> dict[str, Any]:
    """Return the flagship under this name; nothing of it is confirmed unless `changes` say so."""
    digits = study_templates.digits()
    return {**digits, "search": {**digits["search"], "confirmation": None}, "name": name, **changes}


def submitted(client: Client, name: str, **changes: Any) -> str:
    """Submit the flagship under this name; gives the name."""
    return client.submit(definition(name, **changes))["name"]


def filled(service: Service, client: Client, name: str, values: Sequence[float | None], end: StudyState | None = None) -> str:
    """Give a study trained trials: number 0 is today's weights, the others are suggestions. None diverges."""
    submitted(client, name)
    _fill(service, name, [_outcome(number, value) for number, value in enumerate(values)], end)
    return name


def filled_front(
    service: Service, client: Client, name: str, accuracies: Sequence[tuple[float, float]], end: StudyState | None = None
) -> str:
    """Give a study with aggregate pareto trials of these two accuracies, number 0 today's weights."""
    submitted(client, name, objective={**study_templates.digits()["objective"], "aggregate": "pareto"})
    _fill(service, name, [_of_front(number, each) for number, each in enumerate(accuracies)], end)
    return name


def _fill(service: Service, name: str, outcomes: Sequence[Outcome], end: StudyState | None) -> None:
    with service.database.writing() as session:
        now = service.database.now(session)
        study = study_rows.get_study(session, name)
        study = studies.prepared(session, study.id, cohort_size=8, engine="serial", warnings=(), now=now)
        _train(session, study, outcomes, now)
        if end is not None:
            studies.end_study(session, study.id, end, None, now)


def failed(service: Service, client: Client, name: str, reason: Reason) -> str:
    """Give a study that its preflight refused."""
    submitted(client, name)
    ended(service, name, StudyState.FAILED, reason)
    return name


def ended(service: Service, name: str, state: StudyState, reason: Reason | None = None) -> None:
    """End a study."""
    with service.database.writing() as session:
        study = study_rows.get_study(session, name)
        studies.end_study(session, study.id, state, reason, service.database.now(session))


def _train(session: Session, study: StudyRecord, ends: Sequence[Outcome], now: Any) -> None:
    planned = [_planned(number) for number in range(len(ends))]
    added = trials.add_trials(session, study_rows.lock_study(session, study.id), planned, beside=(), now=now)
    worker = workers.register(session, name="w", host="here", pid=1, version="1", workloads=["digits"], now=now)
    lease = leases.acquire(session, study.id, worker.id, leases.COHORT, 60.0, now)
    trials.start_cohort(session, study_rows.lock_study(session, study.id), added, lease, engine="serial", worker="w", now=now)
    outcomes.record_outcomes(session, lease.token, ends, now)
    leases.complete(session, lease.token, now)
    workers.deregister(session, worker.id, now)


def _planned(number: int) -> PlannedTrial:
    drawn = {} if number == 0 else {"parity.crossentropy": float(number), "agreement": number / 10}
    used = {"digit.crossentropy": 1.0, "parity.crossentropy": 1.0, "agreement": 0.0, **drawn}
    role, rule = (Role.BASELINE, "current") if number == 0 else (Role.SEARCH, None)
    return PlannedTrial(role=role, rule=rule, parameters=drawn, weights=used, seed=0, origin="test")


def _outcome(number: int, value: float | None) -> Outcome:
    if value is None:
        reason = Reason("diverged", "parity.crossentropy became NaN in epoch 2")
        nan = Measured(validation={"parity.crossentropy": math.nan})
        return Outcome(number, TrialState.DIVERGED, epochs=2, measured={Moment.LAST: nan}, reason=reason)
    values = dict.fromkeys(ACCURACIES, value)
    measured = {Moment.LAST: Measured(train={"agreement": 0.1}, validation=values)}
    return Outcome(
        number, TrialState.COMPLETE, epochs=10, best_epoch=10, value=value, values=values, feasible=True, measured=measured
    )


def _of_front(number: int, accuracies: tuple[float, float]) -> Outcome:
    values = dict(zip(ACCURACIES, accuracies, strict=True))
    return replace(_outcome(number, 0.0), value=None, values=values, measured={Moment.LAST: Measured(validation=values)})
