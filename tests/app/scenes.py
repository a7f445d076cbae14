"""Situations that the service's tests begin from: what is sent goes over HTTP, what workers do goes through storage."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from search.workloads.flagship import FLAGSHIP
from storage import epochs, leases, outcomes, studies, study_rows, trial_rows, trials, workers, workloads
from storage.database import Database
from storage.records import Measured, Moment, Outcome, PlannedTrial, Reason, Role, StudyRecord, StudyState, TrialState
from tests.storage.scenes import find_lease

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For tables of many rows whose answer does not come from the database."""

NAME = "digit-and-parity"
DIGIT, PARITY = "digit.sparse_categorical_accuracy", "parity.binary_accuracy"
DESCRIPTION = {
    "inputs": {"image": {"shape": [None, 64]}},
    "outputs": {"digit": {"shape": [None, 10]}, "parity": {"shape": [None, 1]}},
    "targets": {"digit": {"shape": [None]}, "parity": {"shape": [None]}},
    "losses": [],
    "metrics": [],
    "penalties": [],
    "options": {"type": "object", "properties": {}, "additionalProperties": False},
}


def definition(**changes: Any) -> dict[str, Any]:
    """Return the flagship definition with some of its fields replaced; nothing is confirmed unless they say so."""
    document: dict[str, Any] = {**copy.deepcopy(FLAGSHIP), **changes}
    document["search"] = {"confirmation": None, **document["search"]}
    return document


def problem(response: Any, status: int, slug: str) -> dict[str, Any]:
    """Assert that an answer is this problem, in full form, and return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"/problems/{slug}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert all(set(error) == {"path", "expected", "got", "did_you_mean"} for error in body["errors"])
    return body


def planned(place: int, role: Role = Role.SEARCH, rule: str | None = None) -> PlannedTrial:
    """Plan a trial of the flagship whose weights show which one it is."""
    drawn = {"parity.crossentropy": 0.25 + place, "agreement": 0.5}
    return PlannedTrial(role, rule, drawn, {"digit.crossentropy": 1.0, **drawn}, seed=0, origin="tpe")


def outcome(number: int, value: float | None, *, state: TrialState = TrialState.COMPLETE, **changes: Any) -> Outcome:
    """End a trial of the flagship; `value` is its objective and both accuracies at the last epoch, which is 2."""
    values = {} if value is None else {DIGIT: value, PARITY: value}
    losses = {"digit.crossentropy": 0.5 + number, "parity.crossentropy": 0.25, "agreement": 0.125}
    last = Measured(train=losses, validation={**losses, **values, "agreement.violations": 0.0})
    initial = Measured(train=losses, validation=losses)
    fields: dict[str, Any] = {
        "number": number,
        "state": state,
        "epochs": 2,
        "best_epoch": 1,
        "value": value if state is TrialState.COMPLETE else None,
        "values": values if state is TrialState.COMPLETE else {},
        "feasible": True if state is TrialState.COMPLETE else None,
        "measured": {Moment.INITIAL: initial, Moment.LAST: last},
    }
    return Outcome(**{**fields, **changes})


@dataclass(frozen=True)
class Bench:
    """A client of the service, and the database behind it."""

    client: Any
    database: Database

    def submit(self, **changes: Any) -> str:
        """Submit the flagship, changed, and return its name."""
        response = self.client.post("/v1/studies", json=definition(**changes))
        assert response.status_code in (200, 201), response.text
        name: str = response.json()["name"]
        return name

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the JSON of a GET that must succeed."""
        response = self.client.get(path, params=parameters)
        assert response.status_code == 200, response.text
        return response.json()

    def study(self, name: str = NAME) -> StudyRecord:
        with self.database.reading() as session:
            return study_rows.get_study(session, name)

    def count(self) -> int:
        """Return how many studies are stored."""
        with self.database.reading() as session:
            return len(studies.list_studies(session, page_size=1000)[0])

    def worker(self, *names: str, name: str = "w1", versions: Sequence[tuple[str, str]] = ()) -> int:
        """Let a worker that has these workloads come alive."""
        with self.database.writing() as session:
            now = self.database.now(session)
            able = names or ("digits",)
            found = workers.register(session, name=name, host="here", pid=11, version="1", workloads=able, now=now).id
            workloads.set_worker_versions(session, found, versions)
            return found

    def publish(self, description: Mapping[str, Any] = DESCRIPTION, name: str = "digits", version: str | None = None) -> None:
        with self.database.writing() as session:
            workloads.publish_workload(session, name, "digest", description, self.database.now(session), version)

    def fail_to_describe(self, name: str, message: str, at: str | None, version: str | None = None) -> None:
        with self.database.writing() as session:
            workloads.publish_failure(session, name, message, at, self.database.now(session), version)

    def plan(self, count: int, name: str = NAME, *, role: Role = Role.SEARCH, rule: str | None = None) -> list[int]:
        """Prepare the study and add WAITING trials; gives their numbers."""
        with self.database.writing() as session:
            study, now = study_rows.get_study(session, name), self.database.now(session)
            study = studies.prepared(session, study.id, cohort_size=8, engine="serial", warnings=(), now=now)
            study = study_rows.lock_study(session, study.id)
            added = trials.add_trials(session, study, [planned(i, role, rule) for i in range(count)], beside=(), now=now)
        return [trial.number for trial in added]

    def plan_weights(self, weights: Mapping[str, float], name: str = NAME) -> None:
        """Train one trial with these weights to COMPLETE."""
        with self.database.writing() as session:
            now = self.database.now(session)
            study = study_rows.get_study(session, name)
            studies.prepared(session, study.id, cohort_size=8, engine="serial", warnings=(), now=now)
            trial = PlannedTrial(Role.SEARCH, None, {}, weights, seed=0, origin="tpe")
            trials.add_trials(session, study_rows.lock_study(session, study.id), [trial], beside=(), now=now)
        self.end(self.start(name=name), [outcome(0, 0.5, measured={})])

    def start(self, numbers: Sequence[int] | None = None, name: str = NAME) -> int:
        """Let a worker take waiting trials (all, or these); gives the lease's token."""
        worker_id = self.worker()
        with self.database.writing() as session:
            now = self.database.now(session)
            study = study_rows.lock_study(session, study_rows.get_study(session, name).id)
            chosen = [trial for trial in trial_rows.waiting_trials(session, study.id) if numbers is None or trial.number in numbers]
            lease = leases.acquire(session, study.id, worker_id, "cohort", 60.0, now)
            trials.start_cohort(session, study, chosen, lease, engine="serial", worker="w1", now=now)
        return lease.token

    def report(self, token: int, numbers: Sequence[int], last: int = 2) -> None:
        """Report epochs 0 to `last` of trials in training."""
        with self.database.writing() as session:
            now = self.database.now(session)
            held = find_lease(session, token)
            assert held is not None
            assert held.cohort_id is not None
            for epoch in range(last + 1):
                losses = {"digit.crossentropy": 2.0 - epoch / 2, "parity.crossentropy": 0.25, "agreement": 0.125}
                reports = {number: (epoch, losses, {**losses, DIGIT: 0.25 * epoch}, 0.5) for number in numbers}
                epochs.record_epoch(session, token, held.cohort_id, reports, now)

    def end(self, token: int, ends: Sequence[Outcome]) -> None:
        """Record how trials ended, and complete the lease."""
        with self.database.writing() as session:
            now = self.database.now(session)
            outcomes.record_outcomes(session, token, ends, now)
            leases.complete(session, token, now)

    def trained(self, values: Sequence[float | None], name: str = NAME, *, baseline: float | None = None) -> None:
        """Train trials to COMPLETE with these objective values; with `baseline`, trial 0 is the rule `current`."""
        base = [] if baseline is None else self.plan(1, name, role=Role.BASELINE, rule="current")
        numbers = [*base, *self.plan(len(values), name)]
        token = self.start(name=name)
        self.report(token, numbers)
        self.end(token, [outcome(n, v) for n, v in zip(numbers, [*([baseline] * len(base)), *values], strict=True)])

    def ended(self, state: StudyState, name: str = NAME, reason: Reason | None = None) -> None:
        """Let the plan come to the study's end."""
        with self.database.writing() as session:
            study = study_rows.get_study(session, name)
            studies.end_study(session, study.id, state, reason, self.database.now(session))
