"""Workers, users, reapers and a clock, played in a random order that a seed decides, against the real functions of storage.

Every step is one transaction, as everywhere: so an order of steps is an order in which any number of processes may have written.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from search.worker.claim import again
from storage import cohort_sizes, epochs, leases, lifecycle, outcomes, studies, study_rows, trial_rows, trials
from storage.database import Database
from storage.errors import LeaseLost, WrongState
from storage.models import LEASES, TRIALS
from storage.records import STUDY_ENDS, TRIAL_ENDS, LeaseRecord, StudyRecord, StudyState, TrialState
from tests.storage import scenes
from tests.storage.scenes import later

LEASE_SECONDS = 60.0
JUMPS = (1.0, 15.0, 61.0, 3600.0, -30.0, -3600.0)
"""Seconds that the clock goes on, or back, between two steps."""

ENDS = (TrialState.COMPLETE, TrialState.COMPLETE, TrialState.DIVERGED, TrialState.PRUNED, TrialState.FAILED)


@dataclass
class Held:
    """What a worker believes to hold: a lease, and the trials under it that it has not ended."""

    lease: LeaseRecord
    numbers: list[int]


@dataclass
class Row:
    """What is checked of a trial from step to step."""

    state: TrialState
    attempt: int
    charged: int
    losses: int
    sequence: int | None
    value: float | None
    cohort: int | None


@dataclass
class Simulation:
    """One study of a seed's making. `late` are leases whose holders crashed or were stopped, and may yet write."""

    database: Database
    seed: int
    held: dict[int, Held] = field(default_factory=dict)
    late: list[Held] = field(default_factory=list)
    results: dict[int, float] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    reopened: bool = False
    uncharged: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.budget, self.name = self.random.randint(1, 9), f"simulated-{self.seed}"
        limits = {"max_attempts": self.random.choice([1, 3]), "max_losses": self.random.choice([2, 10])}
        with self.database.writing() as session:
            definition = {"search": limits}
            study = scenes.create(session, self.name, trial_budget=self.budget, definition=definition, workload=self.name)
            self.study = scenes.prepare(session, study).id
            self.workers = [scenes.register(session, f"w{place}") for place in range(3)]
        self.limits = limits

    def run(self, steps: int) -> None:
        """Play so many steps, then let honest workers finish, and check what there is in the end."""
        for _ in range(steps):
            step = self.random.choices(list(STEPS), list(STEPS.values()))[0]
            self.counts[step.__name__] += 1
            with self.transaction() as session:
                step(self, session)
            self.check()
        self.finish()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction; one that finds its lease lost, or its study in another state, has changed nothing."""
        try:
            with self.database.writing() as session:
                yield session
        except (LeaseLost, WrongState) as refused:
            self.counts[type(refused).__name__] += 1

    @property
    def now(self) -> Any:
        return later(self.seconds)

    # What workers do

    def claim(self, session: Session) -> None:
        """Have a worker without work take some: waiting trials, or new ones as far as the budget goes; or end the study."""
        idle = [worker for worker in self.workers if worker not in self.held]
        study = studies.lock_next_study(session, [self.name]) if idle else None
        if study is None:
            return
        chosen = again(trial_rows.waiting_trials(session, study.id), study.cohort_size or 1) or self._new(session, study)
        if not chosen:
            if not trial_rows.unfinished_trials(session, study.id):
                studies.end_study(session, study.id, StudyState.COMPLETE, None, self.now)
            return
        worker = self.random.choice(idle)
        lease = leases.acquire(session, study.id, worker, leases.COHORT, LEASE_SECONDS, self.now)
        trials.start_cohort(session, study, chosen, lease, engine="e", worker=f"w{worker}", now=self.now)
        self.held[worker] = Held(lease, [trial.number for trial in chosen])

    def _new(self, session: Session, study: StudyRecord) -> list[Any]:
        planned = sum(trial_rows.count_by_role(session, study.id).values())
        count = min(self.random.randint(1, study.cohort_size or 1), study.trial_budget - planned)
        new = [scenes.planned(planned + place) for place in range(count)]
        return trials.add_trials(session, study, new, beside=(), now=self.now)

    def report(self, session: Session) -> None:
        for held in self._some():
            report = {number: (1, {}, {"digit.accuracy": 0.5}, 1.0) for number in held.numbers}
            assert held.lease.cohort_id is None
            cohort = session.scalar(select(LEASES.c.cohort_id).where(LEASES.c.id == held.lease.token))
            epochs.record_epoch(session, held.lease.token, cohort or 0, report, self.now)
            leases.renew(session, held.lease.token, LEASE_SECONDS, self.now)

    def end_some(self, session: Session) -> None:
        """Record how some trials ended, and now and then the same once more, as after a commit whose end is unknown."""
        for held in self._some():
            self._record(session, held, self.random.sample(held.numbers, self.random.randint(0, len(held.numbers))))

    def complete(self, session: Session) -> None:
        """Record how all trials ended, but for some that were forgotten, and end the lease."""
        for held in self._some():
            forgotten = self.random.random() < 0.1
            self._record(session, held, held.numbers[:-1] if forgotten else held.numbers)
            leases.complete(session, held.lease.token, self.now)
            self._drop(held)

    def _record(self, session: Session, held: Held, numbers: list[int]) -> None:
        value = held.lease.token + self.random.random()  # shows whose it is
        ends = [scenes.outcome(number, value, self.random.choice(ENDS)) for number in numbers]
        for _ in range(self.random.choice([1, 1, 2])):
            for number in outcomes.record_outcomes(session, held.lease.token, ends, self.now):
                assert number not in self.results, f"trial {number} has a second result"
                self.results[number] = value
        held.numbers = [number for number in held.numbers if number not in numbers]

    def lose_child(self, session: Session) -> None:
        for held in self._some():
            leases.release(session, held.lease.token, charge=True, now=self.now)
            if self.random.random() < 0.3:
                cohort_sizes.halve(session, self.study, self.random.randint(1, 8), self.now)
            self._drop(held)

    def shut_down(self, session: Session) -> None:
        self.uncharged = True
        for held in self._some():
            leases.release(session, held.lease.token, charge=False, now=self.now)
            self._drop(held)

    def crash(self, session: Session) -> None:
        """Have a worker vanish, or be stopped for a while: it writes nothing now, perhaps later."""
        for held in self._some():
            self.late.append(held)
            self._drop(held)

    def write_late(self, session: Session) -> None:
        """Have one that was gone write as if it still held its lease."""
        if not self.late:
            return
        held = self.random.choice(self.late)
        over = session.scalar(select(LEASES.c.ending).where(LEASES.c.id == held.lease.token))
        self._write_late(session, held)
        assert over is None, f"lease {held.lease.token} was {over}, and its holder could write"

    def _write_late(self, session: Session, held: Held) -> None:
        match self.random.choice(["end", "complete", "release", "renew"]):
            case "end":
                self._record(session, held, list(held.numbers))
            case "complete":
                leases.complete(session, held.lease.token, self.now)
            case "release":
                self.uncharged = self.random.random() < 0.5
                leases.release(session, held.lease.token, charge=not self.uncharged, now=self.now)
            case "renew":
                leases.renew(session, held.lease.token, LEASE_SECONDS, self.now)

    def _some(self) -> list[Held]:
        return [self.random.choice(list(self.held.values()))] if self.held else []

    def _drop(self, held: Held) -> None:
        self.held = {worker: other for worker, other in self.held.items() if other is not held}

    # What others do

    def see_a_death(self, session: Session) -> None:
        """Have a supervisor give back what a vanished worker held."""
        for held in self.late[-1:]:
            leases.lose(session, held.lease.token, self.now)

    def reap(self, session: Session) -> None:
        leases.reap(session, self.now)
        lifecycle.settle_stopping(session, self.now)

    def jump(self, session: Session) -> None:
        self.seconds += self.random.choice(JUMPS)

    def steer(self, session: Session) -> None:
        verbs: list[studies.Verb] = [lifecycle.pause, lifecycle.resume, lifecycle.resume]
        if self.random.random() < 0.1:
            verbs = [lifecycle.stop, lifecycle.cancel]
        self.random.choice(verbs)(session, self.name, self.now)

    def retry(self, session: Session) -> None:
        failed = [number for number, row in self.rows.items() if row.state is TrialState.FAILED]
        lifecycle.retry(session, self.name, self.now)
        self.reopened = True
        for number in failed:
            self.results.pop(number, None)

    # What must hold

    def read(self, session: Session) -> dict[int, Row]:
        columns = (TRIALS.c.number, TRIALS.c.state, TRIALS.c.attempt, TRIALS.c.charged, TRIALS.c.losses)
        picked = select(*columns, TRIALS.c.sequence, TRIALS.c.value, TRIALS.c.cohort_id).where(TRIALS.c.study_id == self.study)
        return {number: Row(TrialState(state), *rest) for number, state, *rest in session.execute(picked)}

    def check(self) -> None:
        """Hold what is stored against what was stored before, and against what was written."""
        with self.database.reading() as session:
            after, study = self.read(session), study_rows.get_study_by_id(session, self.study)
            alive = set(
                session.scalars(select(LEASES.c.cohort_id).where(LEASES.c.study_id == self.study, LEASES.c.ending.is_(None)))
            )
        assert len(after) <= self.budget
        for number, was in self.rows.items():
            row = after[number]
            again_after_retry = self.reopened and was.state is TrialState.FAILED and row.state is TrialState.WAITING
            assert was.state not in TRIAL_ENDS or row == was or again_after_retry, f"trial {number}: {was} became {row}"
            assert row.attempt >= was.attempt
            if was.state is TrialState.RUNNING and row.state is TrialState.WAITING:
                charged = row.charged + row.losses - was.charged - was.losses
                assert charged == (not self.uncharged), f"trial {number} was charged {charged}"
        for number, row in after.items():
            assert row.charged <= self.limits["max_attempts"]
            assert row.losses <= self.limits["max_losses"]
            if row.state is TrialState.RUNNING:
                assert row.cohort in alive, f"trial {number} runs under no lease"
            if number in self.results:
                assert row.value == self.results[number], f"trial {number} has another result than was recorded"
        sequences = [row.sequence for row in after.values() if row.sequence is not None]
        assert len(set(sequences)) == len(sequences) == sum(row.state in TRIAL_ENDS for row in after.values())
        assert max(sequences, default=0) <= study.sequence
        if study.state in STUDY_ENDS:
            assert all(row.state in TRIAL_ENDS for row in after.values())
        self.rows, self.reopened, self.uncharged = after, False, False

    def finish(self) -> None:
        """Let every lease run out, and honest workers do the rest: then the budget is spent, unless the study was ended before."""
        self.held, self.late = {}, []
        for _ in range(100 * self.budget):
            self.seconds += 2 * LEASE_SECONDS
            for step in (Simulation.reap, Simulation.claim, Simulation.complete):
                with self.transaction() as session:
                    step(self, session)
                self.check()
            with self.transaction() as session:
                study = study_rows.get_study_by_id(session, self.study)
                if study.state in STUDY_ENDS:
                    break
                if study.state is StudyState.PAUSED:
                    lifecycle.resume(session, self.name, self.now)
        assert study.state in STUDY_ENDS
        if study.state is StudyState.COMPLETE:
            assert len(self.rows) == self.budget
        assert all(row.state in TRIAL_ENDS for row in self.rows.values())


Step = Callable[[Simulation, Session], None]
STEPS: dict[Step, int] = {
    Simulation.claim: 10,
    Simulation.report: 4,
    Simulation.end_some: 6,
    Simulation.complete: 5,
    Simulation.lose_child: 2,
    Simulation.shut_down: 1,
    Simulation.crash: 4,
    Simulation.write_late: 6,
    Simulation.see_a_death: 1,
    Simulation.reap: 4,
    Simulation.jump: 6,
    Simulation.steer: 2,
    Simulation.retry: 1,
}
"""What may come next, and how often."""
