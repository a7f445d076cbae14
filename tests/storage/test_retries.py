"""What a lost process costs: an attempt for a training process, a loss for a worker, and the study's end when all go alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from storage import leases, lifecycle, outcomes, study_rows, trial_rows
from storage.database import Database
from storage.epochs import EpochWrite, record_epoch
from storage.models import LEASES
from storage.records import LeaseRecord, Reason, StudyRecord, StudyState, TrialRecord, TrialState
from tests.storage import scenes
from tests.storage.scenes import NOW, later

CRASH = Reason("child_lost", "the training process was ended by SIGSEGV")
HANG = Reason("hung", "the training process said nothing for 60 s")


def trials(database: Database, study: StudyRecord) -> dict[int, TrialRecord]:
    with database.reading() as session:
        return {trial.number: trial for trial in trial_rows.trials_of(session, study.id)}


def lose_child(
    database: Database, study: StudyRecord, numbers: Sequence[int], reason: Reason = CRASH, *, at: datetime = NOW
) -> None:
    """Train these trials from `at` on, and lose the training process."""
    with database.writing() as session:
        lease = scenes.start(session, study, numbers, at=at)
        leases.release(session, lease.token, charge=True, now=NOW, reason=reason)


def lose_worker(database: Database, study: StudyRecord, numbers: Sequence[int] | None = None) -> None:
    """Train these trials, all by default, and lose the worker."""
    with database.writing() as session:
        leases.lose(session, scenes.start(session, study, numbers).token, NOW)


def prepared(database: Database, count: int, **search: int) -> StudyRecord:
    """Make a study with so many trials that wait."""
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session, definition={"search": search}))
        scenes.add(session, study, count)
    return study


# A training process


def test_a_lost_training_process_charges_an_attempt_and_halves_the_cohort(database: Database) -> None:
    study = prepared(database, 5)
    lose_child(database, study, range(5))
    found = trials(database, study)
    assert {(trial.charged, trial.losses, trial.cohort_limit) for trial in found.values()} == {(1, 0, 2)}


def test_a_cohort_of_one_is_still_one(database: Database) -> None:
    study = prepared(database, 1)
    lose_child(database, study, [0])
    assert trials(database, study)[0].cohort_limit == 1


def test_the_last_attempt_is_alone_and_then_it_failed(database: Database) -> None:
    study = prepared(database, 8)
    lose_child(database, study, range(8))
    lose_child(database, study, range(4))
    twice = trials(database, study)[0]
    lose_child(database, study, [0])
    thrice = trials(database, study)[0]
    assert (twice.state, twice.charged, twice.cohort_limit) == (TrialState.WAITING, 2, 1)
    assert (thrice.state, thrice.charged, thrice.attempt) == (TrialState.FAILED, 3, 3)
    assert (thrice.sequence, thrice.reason, thrice.ended_at) == (1, CRASH, NOW)
    assert scenes.states(database, study) == ["FAILED"] + ["WAITING"] * 7


def test_max_attempts_are_the_definitions(database: Database) -> None:
    study = prepared(database, 8, max_attempts=1)
    lose_child(database, study, range(8))
    assert set(scenes.states(database, study)) == {"FAILED"}


# A worker


def test_ten_lost_workers_shrink_no_cohort_until_the_last_one_and_then_it_failed(database: Database) -> None:
    study = prepared(database, 2)
    seen = []
    for _ in range(9):
        lose_worker(database, study)
        seen.append(trials(database, study)[0])
    assert [trial.losses for trial in seen] == list(range(1, 10))
    assert [trial.cohort_limit for trial in seen] == [None] * 8 + [1]
    lose_worker(database, study, [0])
    failed, other = trials(database, study).values()
    text = f"lost 10 times with its worker, the last time so: {leases.WORKER_LOST.message}"
    assert (failed.state, failed.losses, failed.charged) == (TrialState.FAILED, 10, 0)
    assert failed.reason == Reason("worker_lost", text)
    assert other.state is TrialState.WAITING


def test_max_losses_are_the_definitions(database: Database) -> None:
    study = prepared(database, 3, max_losses=1)
    lose_worker(database, study)
    assert {(trial.state, trial.reason) for trial in trials(database, study).values()} == {(TrialState.FAILED, leases.WORKER_LOST)}


def test_losses_of_workers_use_up_no_attempts(database: Database) -> None:
    study = prepared(database, 1)
    for _ in range(4):
        lose_worker(database, study)
    lose_child(database, study, [0])
    trial = trials(database, study)[0]
    assert (trial.state, trial.charged, trial.losses) == (TrialState.WAITING, 1, 4)


def test_a_retry_gives_all_attempts_and_losses_back(database: Database) -> None:
    study = prepared(database, 1, max_losses=1)
    lose_worker(database, study)
    with database.writing() as session:
        lifecycle.retry(session, "study", NOW)
    trial = trials(database, study)[0]
    assert (trial.state, trial.charged, trial.losses, trial.cohort_limit) == (TrialState.WAITING, 0, 0, None)


# A preflight


def preflight(session: Session, **search: int) -> LeaseRecord:
    study = study_rows.find_study(session, "study") or scenes.create(session, definition={"search": search})
    return leases.acquire(session, study.id, scenes.register(session), leases.PREFLIGHT, 60, NOW)


def lost_preflights(database: Database, lose: Callable[[Session, LeaseRecord], object], **search: int) -> StudyRecord:
    """Lose preflights until the study has ended; returns it."""
    while True:
        with database.writing() as session:
            lose(session, preflight(session, **search))
            study = study_rows.get_study(session, "study")
        if study.state is StudyState.FAILED:
            return study


@pytest.mark.parametrize(("search", "most"), [({}, 3), ({"max_attempts": 5}, 5), ({"max_attempts": 1}, 1)])
def test_a_preflight_whose_process_is_lost_fails_the_study_after_max_attempts(
    database: Database, search: dict[str, int], most: int
) -> None:
    study = lost_preflights(database, lambda s, lease: leases.release(s, lease.token, charge=True, now=NOW, reason=HANG), **search)
    assert (study.preparations, study.losses) == (most, 0)
    times = "once" if most == 1 else f"{most} times"
    text = f"the preflight was lost {times} with its training process, the last time so: {HANG.message}"
    assert study.reason == Reason("hung", text)


def test_a_preflight_survives_nine_lost_workers(database: Database) -> None:
    study = lost_preflights(database, lambda session, lease: leases.reap(session, later(60)))
    assert (study.preparations, study.losses) == (0, 10)
    assert study.reason is not None
    assert study.reason.message.startswith("the preflight was lost 10 times with its worker")


# All alike


def lose_in_turn(database: Database, study: StudyRecord, *cohorts: Sequence[int], reason: Reason = HANG) -> StudyRecord:
    for numbers in cohorts:
        lose_child(database, study, numbers, reason)
    with database.reading() as session:
        return study_rows.get_study_by_id(session, study.id)


def test_a_study_in_which_every_trial_hangs_fails_once_no_single_one_can_be_to_blame(database: Database) -> None:
    study = prepared(database, 4)
    before = lose_in_turn(database, study, [0, 1, 2, 3], [0, 1], [0])
    after = lose_in_turn(database, study, [1])
    assert before.state is StudyState.RUNNING
    text = f"every trial so far, 4 of them, was lost in the same way, the last time so: {HANG.message}"
    assert (after.state, after.reason) == (StudyState.FAILED, Reason("hung", text))
    assert set(scenes.states(database, study)) == {"FAILED"}


def test_a_crash_of_every_trial_ends_a_study_and_somebodys_kill_of_another_trial_does_not(database: Database) -> None:
    killed = Reason("child_lost", "the training process was ended by SIGKILL")
    study = prepared(database, 2)
    lose_in_turn(database, study, [0], [0], [0], reason=CRASH)
    assert lose_in_turn(database, study, [1], reason=killed).state is StudyState.RUNNING
    assert lose_in_turn(database, study, [1], reason=CRASH).state is StudyState.FAILED


def cohort_of(session: Session, token: int) -> int:
    found = scenes.find_lease(session, token)
    assert found is not None
    assert found.cohort_id is not None
    return found.cohort_id


def lost_beside(
    database: Database, study: StudyRecord, running: Sequence[int], *, epochs: int = 0, at: datetime = NOW
) -> StudyRecord:
    """Let trial 0 fail alone and trial 1, begun `at`, be lost, all by hanging, while another worker trains `running`."""
    lose_in_turn(database, study, [0], [0])
    with database.writing() as session:
        other = scenes.start(session, study, running)
        if epochs:
            report = {number: EpochWrite(epochs, {}, {"digit.accuracy": 0.5}, 1.0) for number in running}
            assert not record_epoch(session, other.token, cohort_of(session, other.token), report, NOW)
    lose_in_turn(database, study, [0])
    lose_child(database, study, [1], HANG, at=at)
    return lose_in_turn(database, study)


def test_trials_that_hung_before_and_are_silent_again_do_not_hold_up_the_end(database: Database) -> None:
    study = prepared(database, 4)
    lose_in_turn(database, study, [2, 3])
    found = lost_beside(database, study, [2, 3])
    text = (
        f"every trial so far, 2 of them, was lost in the same way, the last time so: {HANG.message}; "
        "2 more were lost before and had finished no epoch since"
    )
    assert (found.state, found.reason) == (StudyState.FAILED, Reason("hung", text))
    assert scenes.states(database, study) == ["FAILED"] * 4
    assert trials(database, study)[2].reason == Reason("study_ended", f"its study ended: {HANG.message}")
    with database.writing() as session:
        assert not session.scalars(select(LEASES.c.id).where(LEASES.c.released_at.is_(None))).all()
        lifecycle.retry(session, "study", NOW)
    assert scenes.states(database, study) == ["WAITING"] * 4


@pytest.mark.parametrize(("before", "epochs"), [(False, 0), (True, 1)], ids=["in its first attempt", "that reports"])
def test_a_trial_in_training_that_may_succeed_keeps_a_study_going(database: Database, before: bool, epochs: int) -> None:
    study = prepared(database, 4)
    if before:
        lose_in_turn(database, study, [2, 3])
    assert lost_beside(database, study, [2, 3], epochs=epochs).state is StudyState.RUNNING
    assert scenes.states(database, study) == ["FAILED", "WAITING", "RUNNING", "RUNNING"]


@pytest.mark.parametrize(("earlier", "state"), [(0, StudyState.FAILED), (1, StudyState.RUNNING)])
def test_a_retry_in_a_long_first_epoch_that_outlives_the_lost_ones_keeps_a_study_going(
    database: Database, earlier: float, state: StudyState
) -> None:
    study = prepared(database, 4)
    lose_in_turn(database, study, [2, 3])
    assert lost_beside(database, study, [2, 3], at=later(earlier)).state is state


def test_a_study_that_failed_so_is_revived_by_retry(database: Database) -> None:
    study = prepared(database, 2)
    lose_in_turn(database, study, [0, 1], [0], [0], [1])
    with database.writing() as session:
        assert lifecycle.retry(session, "study", NOW).state is StudyState.RUNNING
    assert scenes.states(database, study) == ["WAITING"] * 2


def test_a_poison_trial_fails_alone_and_its_study_goes_on(database: Database) -> None:
    study = prepared(database, 4)
    found = lose_in_turn(database, study, [0, 1, 2, 3], [0, 1], [0])
    assert found.state is StudyState.RUNNING
    assert scenes.states(database, study) == ["FAILED", "WAITING", "WAITING", "WAITING"]


@pytest.mark.parametrize("other", [Reason("child_lost", "another"), None])
def test_trials_that_were_lost_in_other_ways_or_not_at_all_keep_a_study_going(database: Database, other: Reason | None) -> None:
    study = prepared(database, 3)
    if other is None:
        with database.writing() as session:
            lease = scenes.start(session, study, [2])
            outcomes.record_outcomes(session, lease.token, [scenes.outcome(2)], NOW)
    else:
        lose_child(database, study, [2], other)
    found = lose_in_turn(database, study, [0], [0], [0], [1])
    assert found.state is StudyState.RUNNING
