"""A sampler that learns is asked before its study is locked: what it is asked, and what holds of it afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from search.planning.plan import Run, plan
from search.sampling import suggest
from search.worker.claim import Analysis, Claim, claim, definition_of, history_of
from search.worker.planning_memory import PlanningMemory
from storage import leases, lifecycle, outcomes, study_rows, trial_rows, trials
from storage.database import Database, Session
from storage.errors import StorageUnavailable
from storage.records import Outcome, PlannedTrial, Role, StudyRecord, StudyState, TrialState
from tests.search.worker.test_claim import claimant, submitted, trained
from tests.storage.scenes import NOW


def searching(database: Database, trained_before: int = 12) -> None:
    """Submit a study of TPE in which some trials are complete already."""
    submitted(database, "tpe", baselines=[], confirmation=None, trials=60)
    trained(database, trained_before)


def ended(database: Database, found: Claim | Analysis | None) -> list[dict[str, float]]:
    """End what was claimed, and return its parameters."""
    assert isinstance(found, Claim)
    with database.writing() as session:
        ends = [Outcome(trial.number, TrialState.COMPLETE, 2, value=trial.number / 7, feasible=True) for trial in found.trials]
        outcomes.record_outcomes(session, found.lease.token, ends, NOW)
        leases.complete(session, found.lease.token, NOW)
    return [dict(trial.parameters) for trial in found.trials]


def planned_now(database: Database) -> list[dict[str, float]]:
    """Return what the plan says of the study as it is stored, without any memory."""
    with database.reading() as session:
        record = study_rows.get_study(session, "study")
        step = plan(definition_of(record), history_of(session, record, definition_of(record), NOW), record.cohort_size or 1)
    assert isinstance(step, Run)
    return [dict(trial.parameters) for trial in step.trials]


def test_a_worker_with_a_memory_plans_what_the_rows_alone_say(database: Database) -> None:
    searching(database)
    worker, memory = claimant(database), PlanningMemory()
    for _ in range(3):
        expected = planned_now(database)
        assert ended(database, claim(database, worker, memory=memory)) == expected


class Meanwhile:
    """What a sampler answers, and what is done each time just before it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *done: Callable[[], object]) -> None:
        self._suggest, self._done, self.asked = suggest.suggest, list(done), 0
        monkeypatch.setattr("search.worker.planning_memory.suggest.suggest", self)

    def __call__(self, *question: Any) -> Any:
        self.asked += 1
        if self._done:
            self._done.pop(0)()
        return self._suggest(*question)


def test_others_can_write_while_a_sampler_is_asked(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    searching(database)
    worker = claimant(database)
    other = Database(database.url.render_as_string(hide_password=False), busy_timeout_seconds=0.1)

    def write() -> None:
        with other.writing() as session:
            study_rows.lock_study(session, study_rows.get_study(session, "study").id)

    asked = Meanwhile(monkeypatch, write)
    assert len(ended(database, claim(database, worker))) == 8
    assert asked.asked == 1
    other.close()


def test_a_study_that_is_as_it_was_is_read_once_for_a_claim(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    searching(database)
    read: list[str] = []

    def noted(session: Session, study: StudyRecord, *more: Any) -> Any:
        read.append(study.name)
        return history_of(session, study, *more)

    monkeypatch.setattr("search.worker.claim.history_of", noted)
    asked = Meanwhile(monkeypatch)
    assert len(ended(database, claim(database, claimant(database)))) == 8
    assert (read, asked.asked) == (["study"], 1)


def test_a_budget_that_was_lowered_while_a_sampler_was_asked_holds(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    searching(database)

    def lower() -> None:
        with database.writing() as session:
            lifecycle.raise_budget(session, "study", 14, NOW)

    Meanwhile(monkeypatch, lower)
    assert len(ended(database, claim(database, claimant(database)))) == 14 - 12


def test_what_was_suggested_before_another_worker_planned_is_not_used(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    searching(database)
    worker, other = claimant(database), claimant(database)
    others: list[Claim | Analysis | None] = []
    asked = Meanwhile(monkeypatch, lambda: others.append(claim(database, other)))
    found = claim(database, worker)
    assert isinstance(found, Claim)
    assert isinstance(others[0], Claim)
    assert [trial.number for trial in (*others[0].trials, *found.trials)] == list(range(12, 28))
    assert {trial.planned_beside for trial in found.trials} == {tuple(range(12, 20))}
    assert asked.asked == 3


def test_a_study_that_others_always_plan_for_first_is_planned_under_its_lock(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    searching(database)
    worker = claimant(database)
    expected: list[list[dict[str, float]]] = []

    def change() -> None:
        with database.writing() as session:
            record = study_rows.lock_study(session, study_rows.get_study(session, "study").id)
            trials.add_trials(session, record, [one_more()], beside=(), now=NOW)
            waiting = trial_rows.waiting_trials(session, record.id)
            lease = leases.acquire(session, record.id, worker.worker_id, leases.COHORT, 45, NOW)
            trials.start_cohort(session, record, waiting, lease, engine="e", worker="w", now=NOW)
        expected.append(planned_now(database))

    Meanwhile(monkeypatch, change, change, change)
    found = claim(database, worker)
    assert isinstance(found, Claim)
    assert [trial.number for trial in found.trials] == list(range(15, 23))
    assert [dict(trial.parameters) for trial in found.trials] == expected[-1]


def one_more() -> PlannedTrial:
    return PlannedTrial(Role.SEARCH, None, {"t0.error": 0.7}, {"t0.error": 0.7}, 0, "random")


def test_a_sampler_that_raises_fails_its_study_alone(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    searching(database)

    def fail() -> None:
        raise ValueError("no such luck")

    Meanwhile(monkeypatch, fail)
    assert claim(database, claimant(database)) is None
    with database.reading() as session:
        found = study_rows.get_study(session, "study")
    assert found.state is StudyState.FAILED
    assert found.reason is not None
    assert (found.reason.code, found.reason.message) == (
        "internal_error",
        "study study cannot be planned: ValueError: no such luck",
    )


def lose_connection(session: Session) -> None:
    """Fail as a statement does whose database went away."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    failed = sqlite3.OperationalError("disk I/O error")
    failed.sqlite_errorcode = sqlite3.SQLITE_IOERR
    raise OperationalError("SELECT", {}, failed)


def test_a_database_that_goes_away_while_a_study_is_planned_fails_no_study(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    searching(database)
    worker = claimant(database)
    with monkeypatch.context() as patched:
        patched.setattr("search.worker.claim.history_of", lambda session, *_: lose_connection(session))
        with pytest.raises(StorageUnavailable):
            claim(database, worker)
    assert isinstance(claim(database, worker), Claim)
