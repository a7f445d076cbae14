"""What runs now is read from live leases."""

from __future__ import annotations

from storage import cohorts, leases, outcomes
from storage.database import Database
from storage.records import Role
from tests.storage import scenes
from tests.storage.scenes import NOW


def test_a_cohort_in_training_is_listed_with_its_worker_and_trials(database: Database) -> None:
    running = scenes.running(database, 2)
    with database.reading() as session:
        (found,) = cohorts.running_cohorts(session, running.study.id)
    assert (found.id, found.purpose, found.worker, found.engine) == (running.cohort, "cohort", "w1", "stacked")
    assert [(trial.number, trial.role, trial.epochs) for trial in found.trials] == [(0, Role.SEARCH, 0), (1, Role.SEARCH, 0)]
    assert found.expires_at == running.lease.expires_at


def test_a_preflight_is_listed_without_trials(database: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)
        leases.acquire(session, study.id, scenes.register(session), leases.PREFLIGHT, 60.0, NOW)
        (found,) = cohorts.running_cohorts(session, study.id)
    assert (found.id, found.purpose, found.engine, found.trials) == (None, "preflight", None, ())


def test_nothing_runs_after_a_lease_has_ended(database: Database) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0)], NOW)
        leases.complete(session, running.token, NOW)
        assert cohorts.running_cohorts(session, running.study.id) == []
