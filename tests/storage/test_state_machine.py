"""Whatever users, workers and reapers do, in any order: no end is left but by a retry, and the counts add up."""

from __future__ import annotations

from collections import Counter
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import func, select

from storage import epochs, leases, lifecycle, outcomes, progress, studies, study_rows, trial_rows, trials
from storage.database import Database
from storage.errors import LeaseLost, StorageError, WrongState
from storage.models import EVENTS, LEASES
from storage.records import STUDY_ENDS, TRIAL_ENDS, LeaseRecord, StudyState, TrialRecord, TrialState
from tests.storage import scenes
from tests.storage.scenes import later

names = (f"study-{number}" for number in count())
LEASE_SECONDS = 60.0
MAX_ATTEMPTS, MAX_LOSSES = 3, 4
DEFINITION = {"search": {"max_losses": MAX_LOSSES}}
ENDS = sorted(TRIAL_ENDS - {TrialState.CANCELLED})


class StudyLife(RuleBasedStateMachine):
    """One study, its users, its workers and the reaper; time is a number that only a rule moves."""

    database: Database

    @initialize(budget=st.integers(1, 12))
    def create(self, budget: int) -> None:
        self.name = next(names)
        self.seconds = 0.0
        self.held: list[LeaseRecord] = []  # what workers believe they hold; some of it is lost
        self.retried = False
        with self.database.writing() as session:
            study = scenes.prepare(session, scenes.create(session, self.name, trial_budget=budget, definition=DEFINITION))
            scenes.add(session, study, budget)
            self.study_id = study.id
            self.worker = scenes.register(session)
        self.before = self.all_trials()

    def all_trials(self) -> dict[int, TrialRecord]:
        with self.database.reading() as session:
            return {trial.number: trial for trial in trial_rows.trials_of(session, self.study_id)}

    @rule(seconds=st.sampled_from([1.0, 59.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.seconds += seconds

    @rule(size=st.integers(1, 6))
    def claim(self, size: int) -> None:
        with self.database.writing() as session:
            study = study_rows.lock_study(session, self.study_id)
            if study.state is not StudyState.RUNNING:
                return
            waiting = trial_rows.waiting_trials(session, self.study_id)
            size = min([size, *(trial.cohort_limit or size for trial in waiting)])
            if not waiting:
                return
            now = later(self.seconds)
            lease = leases.acquire(session, self.study_id, self.worker, leases.COHORT, LEASE_SECONDS, now)
            trials.start_cohort(session, study, waiting[:size], lease, engine="stacked", worker="w1", now=now)
            found = scenes.find_lease(session, lease.token)
            assert found is not None
            self.held.append(found)

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 3), number=st.integers(0, 12), end=st.sampled_from(ENDS))
    def finish(self, which: int, number: int, end: TrialState) -> None:
        lease = self.held[which % len(self.held)]
        with self.attempt(lease), self.database.writing() as session:
            outcome = scenes.outcome(number, 0.5, end)
            recorded = outcomes.record_outcomes(session, lease.token, [outcome, outcome], later(self.seconds))
            assert recorded in ((), (number,))

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 3), epoch=st.integers(0, 3))
    def report(self, which: int, epoch: int) -> None:
        lease = self.held[which % len(self.held)]
        assert lease.cohort_id is not None
        with self.attempt(lease), self.database.writing() as session:
            report = {number: (epoch, {}, {"digit.accuracy": 0.5}, 1.0) for number in range(13)}
            epochs.record_epoch(session, lease.token, lease.cohort_id, report, later(self.seconds))

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 3), verb=st.sampled_from(["renew", "complete", "give back", "die"]))
    def end_lease(self, which: int, verb: str) -> None:
        lease, now = self.held[which % len(self.held)], later(self.seconds)
        with self.attempt(lease), self.database.writing() as session:
            match verb:
                case "renew":
                    leases.renew(session, lease.token, LEASE_SECONDS, now)
                case "complete":
                    leases.complete(session, lease.token, now)
                case _:
                    leases.release(session, lease.token, charge=verb == "die", now=now)

    @rule()
    def sweep(self) -> None:
        with self.database.writing() as session:
            leases.reap(session, later(self.seconds))
            lifecycle.settle_stopping(session, later(self.seconds))

    @rule(verb=st.sampled_from([lifecycle.pause, lifecycle.resume, lifecycle.stop]))
    def steer(self, verb: studies.Verb) -> None:
        with self.refused_at_most(), self.database.writing() as session:
            verb(session, self.name, later(self.seconds))

    @precondition(lambda self: self.seconds > 200)
    @rule(verb=st.sampled_from([lifecycle.cancel, lifecycle.retry]))
    def steer_late(self, verb: studies.Verb) -> None:
        with self.refused_at_most(), self.database.writing() as session:
            verb(session, self.name, later(self.seconds))
            self.retried = verb is lifecycle.retry

    @precondition(lambda self: all(trial.ended for trial in self.before.values()))
    @rule(end=st.sampled_from([StudyState.COMPLETE, StudyState.FAILED]))
    def end(self, end: StudyState) -> None:
        with self.database.writing() as session:
            studies.end_study(session, self.study_id, end, None, later(self.seconds))

    @invariant()
    def no_end_is_left(self) -> None:
        after = self.all_trials()
        for number, was in self.before.items():
            now = after[number]
            again = self.retried and was.state is TrialState.FAILED and now.state is TrialState.WAITING
            assert not was.ended or now == was or again, f"{was} became {now}"
            assert now.attempt >= was.attempt
            assert (now.state is TrialState.RUNNING) <= (was.state is not TrialState.WAITING or now.attempt == was.attempt + 1)
            assert now.charged <= MAX_ATTEMPTS
            assert (now.charged == MAX_ATTEMPTS) <= now.ended
            assert now.losses <= MAX_LOSSES
            assert (now.losses == MAX_LOSSES) <= now.ended
        self.before, self.retried = after, False

    @invariant()
    def the_counts_add_up(self) -> None:
        with self.database.reading() as session:
            totals = progress.study_totals(session, [self.study_id])[self.study_id]
            study = study_rows.get_study_by_id(session, self.study_id)
            by_role = trial_rows.count_by_role(session, self.study_id)
            events = session.scalar(select(func.count()).where(EVENTS.c.study_id == self.study_id))
        states = Counter(trial.state for trial in self.before.values())
        assert {state: number for state, number in totals.trials.items() if number} == states
        assert sum(by_role.values()) == sum(totals.trials.values()) == len(self.before)
        assert totals.pace.epochs == sum(trial.epochs for trial in self.before.values())
        sequences = [trial.sequence for trial in self.before.values() if trial.sequence is not None]
        assert len(set(sequences)) == len(sequences) == sum(states[end] for end in TRIAL_ENDS)
        assert max(sequences, default=0) <= study.sequence
        assert events

    @invariant()
    def what_runs_is_held(self) -> None:
        with self.database.reading() as session:
            study = study_rows.get_study_by_id(session, self.study_id)
            alive = select(LEASES.c.cohort_id).where(LEASES.c.study_id == self.study_id, LEASES.c.released_at.is_(None))
            cohorts = set(session.scalars(alive))
        running = [trial for trial in self.before.values() if trial.state is TrialState.RUNNING]
        assert {trial.cohort for trial in running} <= cohorts
        waiting = [trial for trial in self.before.values() if trial.state is TrialState.WAITING]
        if study.state in STUDY_ENDS:
            assert not running
            assert not waiting
        if study.state is StudyState.STOPPING:
            assert not waiting

    def attempt(self, lease: LeaseRecord) -> Expected:
        """Allow that the lease is lost; then the worker knows, and believes in it no longer."""
        return Expected(LeaseLost, lambda: self.held.remove(lease))

    def refused_at_most(self) -> Expected:
        return Expected(WrongState, lambda: None)


class Expected:
    """Swallow one kind of error, and do something then."""

    def __init__(self, kind: type[StorageError], then: object) -> None:
        self.kind, self.then = kind, then

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is None or not issubclass(kind, self.kind):
            return False
        assert callable(self.then)
        self.then()
        return True


@pytest.fixture
def machine(database: Database) -> type[StudyLife]:
    return type("StudyLife", (StudyLife,), {"database": database})


@pytest.mark.parametrize("lives", [12, pytest.param(40, marks=pytest.mark.soak)])
def test_no_order_of_events_breaks_a_study(machine: type[StudyLife], lives: int) -> None:
    thorough = settings(
        max_examples=lives, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    run_state_machine_as_test(machine, settings=thorough)
