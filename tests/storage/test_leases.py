"""Leases: to the instant, final once lost, and what happens to the trials of one that was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from storage import epochs, leases, lifecycle, outcomes, studies, study_rows, trial_rows, workers
from storage.database import Database
from storage.errors import LeaseLost
from storage.records import LeaseRecord, Reason, TrialRecord, TrialState
from tests.storage import scenes
from tests.storage.scenes import NOW, later


def get(database: Database, running: scenes.Running, number: int = 0) -> TrialRecord:
    with database.reading() as session:
        return trial_rows.get_trial(session, running.study.id, number)


def preflight(session: Session, seconds: float = 60) -> LeaseRecord:
    study = study_rows.find_study(session, "study") or scenes.create(session)
    return leases.acquire(session, study.id, scenes.register(session), leases.PREFLIGHT, seconds, NOW)


def test_a_lease_stands_until_the_instant_it_ends(database: Database) -> None:
    running = scenes.running(database)
    with database.writing() as session:
        leases.require_held(session, running.token, later(59.999999))
        renewed = leases.renew(session, running.token, 60, later(59.999999))
    assert renewed.expires_at == later(119.999999)


def test_a_lease_cannot_be_renewed_at_the_instant_it_ends(database: Database) -> None:
    running = scenes.running(database)
    with database.writing() as session:
        with pytest.raises(LeaseLost):
            leases.require_held(session, running.token, later(60))
        with pytest.raises(LeaseLost):
            leases.renew(session, running.token, 60, later(60))


def test_nobody_reaps_a_lease_before_its_end(database: Database) -> None:
    running = scenes.running(database)
    with database.writing() as session:
        assert leases.reap(session, later(59.999999)) == 0
        leases.renew(session, running.token, 60, later(59.999999))


def test_a_lease_is_reaped_at_the_instant_it_ends_and_once(database: Database) -> None:
    scenes.running(database)
    with database.writing() as session:
        assert leases.reap(session, later(60)) == 1
        assert leases.reap(session, later(60)) == 0


def test_a_renewed_lease_is_not_reaped(database: Database) -> None:
    running = scenes.running(database)
    with database.writing() as session:
        leases.renew(session, running.token, 60, later(30))
        assert leases.reap(session, later(60)) == 0


def test_what_a_holder_writes_past_its_time_counts_until_it_is_reaped(database: Database) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0)], later(600))
        leases.complete(session, running.token, later(600))
    assert get(database, running).state is TrialState.COMPLETE


LATE_WRITES: dict[str, Callable[[Session, scenes.Running], object]] = {
    "renew": lambda session, old: leases.renew(session, old.token, 60, NOW),
    "look": lambda session, old: leases.require_held(session, old.token, NOW),
    "epoch": lambda session, old: epochs.record_epoch(session, old.token, old.cohort, {0: (2, {}, {}, 1.0)}, NOW),
    "outcome": lambda session, old: outcomes.record_outcomes(session, old.token, [scenes.outcome(0, 0.9)], NOW),
    "complete": lambda session, old: leases.complete(session, old.token, NOW),
    "release": lambda session, old: leases.release(session, old.token, charge=True, now=NOW),
    "lose": lambda session, old: leases.lose(session, old.token, NOW),
}


@pytest.mark.parametrize("write", sorted(LATE_WRITES))
def test_a_late_writer_finds_its_lease_lost_and_changes_nothing(database: Database, write: str) -> None:
    old = scenes.running(database, 1)
    with database.writing() as session:
        leases.reap(session, later(60))
        new = scenes.start(session, old.study, at=later(61))
        outcomes.record_outcomes(session, new.token, [scenes.outcome(0, 0.25)], later(62))
    before = get(database, old)
    with pytest.raises(LeaseLost, match=f"lease {old.token} "), database.writing() as session:
        LATE_WRITES[write](session, old)
    assert get(database, old) == before
    assert before.value == 0.25


@pytest.mark.parametrize("write", sorted(LATE_WRITES))
def test_a_token_that_was_never_given_is_lost(database: Database, write: str) -> None:
    running = scenes.running(database, 1)
    never = scenes.Running(running.study, LeaseRecord(999, 1, 1, "cohort", running.cohort, NOW, later(60)))
    with pytest.raises(LeaseLost), database.writing() as session:
        LATE_WRITES[write](session, never)


def test_a_holder_of_one_cohort_cannot_end_a_trial_of_another(database: Database) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        scenes.add(session, study, 2)
        first = scenes.start(session, study, [0])
        scenes.start(session, study, [1])
        assert outcomes.record_outcomes(session, first.token, [scenes.outcome(1)], NOW) == ()
    assert scenes.states(database, study) == ["RUNNING", "RUNNING"]


def test_tokens_never_come_back(database: Database) -> None:
    with database.writing() as session:
        first = preflight(session)
        lifecycle.cancel(session, "study", NOW)
        lifecycle.delete_study(session, "study", NOW)
        assert preflight(session).token > first.token


def test_a_reaped_cohorts_trials_wait_again_charged_a_loss_and_as_many_together(database: Database) -> None:
    running = scenes.running(database, 5)
    with database.writing() as session:
        leases.reap(session, later(60))
    trial = get(database, running)
    assert (trial.state, trial.attempt, trial.charged, trial.losses) == (TrialState.WAITING, 1, 0, 1)
    assert (trial.cohort_limit, trial.reason) == (None, leases.WORKER_LOST)


def test_a_released_lease_charges_only_when_asked(database: Database) -> None:
    calm, lost = scenes.running(database, 4, "calm"), scenes.running(database, 4, "lost")
    with database.writing() as session:
        leases.release(session, calm.token, charge=False, now=later(1))
        leases.release(session, lost.token, charge=True, now=later(1), reason=Reason("out_of_memory", "killed"))
    kept, charged = get(database, calm), get(database, lost)
    assert (kept.state, kept.charged, kept.cohort_limit) == (TrialState.WAITING, 0, None)
    assert (charged.state, charged.charged, charged.cohort_limit) == (TrialState.WAITING, 1, 2)
    assert charged.reason == Reason("out_of_memory", "killed")


def test_what_was_recorded_stays_when_its_lease_is_lost(database: Database) -> None:
    running = scenes.running(database, 2)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0)], NOW)
        leases.reap(session, later(60))
    assert scenes.states(database, running.study) == ["COMPLETE", "WAITING"]


def test_a_completed_lease_leaves_no_trial_running(database: Database) -> None:
    running = scenes.running(database, 2)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0)], NOW)
        leases.complete(session, running.token, NOW)
    assert scenes.states(database, running.study) == ["COMPLETE", "WAITING"]
    assert get(database, running, 1).charged == 1


def test_an_ended_lease_says_how_it_ended(database: Database) -> None:
    running = scenes.running(database)
    with database.writing() as session:
        leases.release(session, running.token, charge=False, now=later(2))
        found = scenes.find_lease(session, running.token)
        assert scenes.find_lease(session, 999) is None
    assert found is not None
    assert (found.ending, found.released_at) == ("released", later(2))


def test_the_leases_of_a_worker_are_those_it_holds(database: Database) -> None:
    running = scenes.running(database)
    with database.writing() as session:
        assert leases.leases_of_worker(session, running.lease.worker_id) == [running.lease]
        leases.complete(session, running.token, NOW)
        assert leases.leases_of_worker(session, running.lease.worker_id) == []


def test_a_dead_workers_lease_is_ended_before_its_time_with_what_is_known(database: Database) -> None:
    dead, known = scenes.running(database, 1), Reason("worker_lost", "the worker was killed by SIGKILL")
    with database.writing() as session:
        leases.lose(session, dead.token, later(1), known)
    trial = get(database, dead)
    assert (trial.state, trial.losses, trial.charged, trial.reason) == (TrialState.WAITING, 1, 0, known)


def test_reaping_covers_all_studies(database: Database) -> None:
    for name in "abc":
        scenes.running(database, 2, name)
    with database.writing() as session:
        assert leases.reap(session, later(60)) == 3


def test_a_completed_preflight_charges_nothing(database: Database) -> None:
    with database.writing() as session:
        lease = preflight(session)
        study = studies.prepared(session, lease.study_id, cohort_size=4, engine="serial", warnings=(), now=NOW)
        leases.complete(session, lease.token, NOW)
        assert study_rows.get_study(session, "study") == study


def test_a_preflight_given_back_can_be_claimed_again(database: Database) -> None:
    with database.writing() as session:
        leases.release(session, preflight(session).token, charge=False, now=NOW)
        study = studies.lock_next_study(session, ["digits"])
    assert study is not None
    assert study.preparations == 0


def test_a_worker_that_comes_back_late_from_its_preflight_cannot_end_the_lease(database: Database) -> None:
    with database.writing() as session:
        late = preflight(session)
        leases.reap(session, later(60))
        preflight(session)

    def come_back() -> None:
        with database.writing() as session:
            studies.prepared(session, late.study_id, cohort_size=1, engine="late", warnings=(), now=later(70))
            leases.complete(session, late.token, later(70))

    with pytest.raises(LeaseLost):
        come_back()
    with database.reading() as session:
        assert not study_rows.get_study(session, "study").prepared


def test_a_worker_is_seen_at_its_study(database: Database) -> None:
    running = scenes.running(database)
    with database.writing() as session:
        [worker] = workers.list_workers(session, NOW)
        leases.complete(session, running.token, NOW)
        [idle] = workers.list_workers(session, NOW)
    assert (worker.study, idle.study) == ("study", None)
