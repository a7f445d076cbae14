"""Many at once: one result a trial, none lost, none twice, whoever is first."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier as ProcessBarrier
from threading import Barrier

import pytest

from storage import curves, epochs, leases, lifecycle, outcomes, studies, study_rows, trial_rows, trials
from storage.database import Database
from storage.errors import LeaseLost, StorageBusy
from storage.records import STUDY_ENDS, StudyState, TrialState
from tests.storage import scenes
from tests.storage.scenes import NOW

ROUNDS = 60


def finish_each_at_the_same_instant(url: str, token: int, place: int, together: ProcessBarrier | Barrier) -> None:
    """Try to end every trial with a value that shows who did."""
    database = Database(url)
    for number in range(ROUNDS):
        together.wait(timeout=60)
        with database.writing() as session:
            outcomes.record_outcomes(session, token, [scenes.outcome(number, place + number / 100)], NOW)
    database.close()


def assert_one_result_each(database: Database, running: scenes.Running) -> None:
    with database.reading() as session:
        ended = trial_rows.trials_of(session, running.study.id, states=[TrialState.COMPLETE])
        numbers = {trial.number: curves.measured(session, trial.id) for trial in ended}
        sequence = study_rows.get_study(session, "study").sequence
    assert sorted(trial.sequence or 0 for trial in ended) == list(range(1, ROUNDS + 1))
    assert sequence == ROUNDS
    for trial in ended:  # all of a result is one writer's
        assert trial.values == {"digit.accuracy": trial.value}
        assert [each.validation for each in numbers[trial.number].values()] == [trial.values]


@pytest.mark.parametrize(
    "database_url",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)],  # whose server cannot tell them from the threads below
    indirect=True,
)
def test_four_processes_finish_a_trial_at_the_same_instant_sixty_times(database: Database, database_url: str) -> None:
    running = scenes.running(database, ROUNDS)
    spawning = multiprocessing.get_context("spawn")
    together = spawning.Barrier(4)
    processes = [
        spawning.Process(target=finish_each_at_the_same_instant, args=(database_url, running.token, place, together))
        for place in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert_one_result_each(database, running)


def test_four_threads_finish_a_trial_at_the_same_instant_sixty_times(database: Database, database_url: str) -> None:
    running = scenes.running(database, ROUNDS)
    together = Barrier(4)
    with ThreadPoolExecutor(4) as threads:
        futures = [
            threads.submit(finish_each_at_the_same_instant, database_url, running.token, place, together) for place in range(4)
        ]
        for future in futures:
            future.result()
    assert_one_result_each(database, running)


TRIALS, WORKERS, COHORT = 500, 8, 8
PAUSE_SECONDS = 0.002
"""A writer that asks again at once keeps SQLite's lock from those that wait, on a slow machine for longer than they may."""


def work(database: Database, worker: int) -> Counter[int]:
    """Plan, claim and finish until the budget is used up, as a worker does; gives which trials this one ended, how often."""
    mine: Counter[int] = Counter()
    while True:
        with database.writing() as session:
            study = studies.lock_next_study(session, ["digits"])
            if study is None:
                if study_rows.get_study(session, "study").state in STUDY_ENDS:
                    return mine
                time.sleep(PAUSE_SECONDS)  # somebody else plans for it at this moment: let them have the database
                continue
            planned = sum(trial_rows.count_by_role(session, study.id).values())
            chosen = trial_rows.waiting_trials(session, study.id)[:COHORT]
            if not chosen and planned < study.trial_budget:
                size = min(COHORT, study.trial_budget - planned)
                new = [scenes.planned(planned + place) for place in range(size)]
                chosen = trials.add_trials(session, study, new, beside=(), now=NOW)
            if not chosen:
                if not trial_rows.unfinished_trials(session, study.id):
                    studies.end_study(session, study.id, StudyState.COMPLETE, None, NOW)
                continue
            lease = leases.acquire(session, study.id, worker, leases.COHORT, 600, NOW)
            trials.start_cohort(session, study, chosen, lease, engine="stacked", worker=f"w{worker}", now=NOW)
        with database.writing() as session:
            ends = [scenes.outcome(trial.number, worker + trial.number / 1000) for trial in chosen]
            mine.update(outcomes.record_outcomes(session, lease.token, ends, NOW))
            leases.complete(session, lease.token, NOW)


def test_eight_workers_lose_none_of_500_trials_and_end_none_twice(database: Database) -> None:
    with database.writing() as session:
        scenes.prepare(session, scenes.create(session, trial_budget=TRIALS))
        workers = [scenes.register(session, f"w{place}") for place in range(WORKERS)]
    with ThreadPoolExecutor(WORKERS) as threads:
        counts = sum(threads.map(lambda worker: work(database, worker), workers), Counter())
    assert counts == Counter(range(TRIALS))
    with database.reading() as session:
        ended = trial_rows.trials_of(session, study_rows.get_study(session, "study").id)
    assert {trial.state for trial in ended} == {TrialState.COMPLETE}
    assert {trial.attempt for trial in ended} == {1}
    assert sorted(trial.sequence or 0 for trial in ended) == list(range(1, TRIALS + 1))


@pytest.mark.parametrize("reapers", [4])
def test_reapers_at_once_charge_each_trial_one_loss(database: Database, reapers: int) -> None:
    running = [scenes.running(database, 2, name) for name in "abcdef"]
    together = Barrier(reapers)

    def reap(_: int) -> int:
        together.wait()
        with database.writing() as session:
            return leases.reap(session, scenes.later(60))

    with ThreadPoolExecutor(reapers) as threads:
        reaped = sum(threads.map(reap, range(reapers)))
    with database.writing() as session:
        reaped += leases.reap(session, scenes.later(60))  # what a reaper left because another held the study
        losses = [trial.losses for each in running for trial in trial_rows.trials_of(session, each.study.id)]
    assert reaped == 6
    assert losses == [1] * 12


def test_a_cancel_and_a_finish_at_once_have_one_winner(database: Database) -> None:
    """On both sides locks are taken study first: whichever comes second finds out, and neither deadlocks."""
    for name in "abcdefghijkl":
        running = scenes.running(database, 2, name)
        together = Barrier(2)

        def finish(running: scenes.Running = running, together: Barrier = together) -> str:
            together.wait()
            try:
                with database.writing() as session:
                    report = {number: (0, {}, {"digit.accuracy": 0.1}, 1.0) for number in (0, 1)}
                    epochs.record_epoch(session, running.token, running.cohort, report, NOW)
                    outcomes.record_outcomes(session, running.token, [scenes.outcome(0), scenes.outcome(1)], NOW)
                    leases.complete(session, running.token, NOW)
            except LeaseLost:
                return "CANCELLED"
            return "COMPLETE"

        def cancel(name: str = name, together: Barrier = together) -> None:
            together.wait()
            with database.writing() as session:
                lifecycle.cancel(session, name, NOW)

        with ThreadPoolExecutor(2) as threads:
            finished = threads.submit(finish)
            threads.submit(cancel).result()
        assert set(scenes.states(database, running.study)) == {finished.result()}


def test_a_waiting_writer_writes_when_the_other_is_done(database: Database) -> None:
    """Nobody is refused only because two write at once."""
    with database.writing() as session:
        scenes.create(session)
    together = Barrier(8)

    def add(place: int) -> bool:
        together.wait()
        try:
            with database.writing() as session:
                study = study_rows.lock_study(session, study_rows.get_study(session, "study").id)
                trials.add_trials(session, study, [scenes.planned(place)], beside=(), now=NOW)
        except StorageBusy:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(add, range(8))) == [True] * 8
    with database.reading() as session:
        added = trial_rows.trials_of(session, study_rows.get_study(session, "study").id)
    assert [trial.number for trial in added] == list(range(8))
