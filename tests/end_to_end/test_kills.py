"""Random kills of a service, its workers and one of somebody else's, over several studies: nothing is lost, nothing comes twice.

The training process is one without TensorFlow; all else is as it runs.
"""

from __future__ import annotations

import os
import random
import socket
import statistics
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select, text

from steelyard.version import COMMAND
from storage import study_rows, trial_rows
from storage.database import Database
from storage.models import LEASES
from storage.records import StudyState, TrialRecord, TrialState
from tests.end_to_end.service import Service, until
from tests.end_to_end.studies import flagship

ROOT = Path(__file__).parents[2]
STUDIES, TRIALS, KILLS = 5, 150, 20

Trials = Mapping[tuple[int, int], TrialRecord]
"""By study id and number."""


@dataclass
class Machine:
    """A service with two workers, and a worker that no supervisor looks after.

    By who died, seconds from a death until what was held can be claimed again (`freed`), and until it runs again (`waited`): other
    studies may have their turn before.
    """

    service: Service
    database: Database
    alone: subprocess.Popen[bytes] | None = None
    seen: Trials = field(default_factory=dict)
    freed: dict[str, list[float]] = field(default_factory=dict)
    waited: dict[str, list[float]] = field(default_factory=dict)

    def start_alone(self) -> None:
        """Start the worker that is nobody's."""
        url = self.database.url.render_as_string(hide_password=False)
        environment = {**os.environ, **self.service.environment, "STEELYARD_DATABASE_URL": url}
        with (self.service.folder / "alone.log").open("ab") as log:
            self.alone = subprocess.Popen([*COMMAND, "worker"], cwd=self.service.folder, env=environment, stdout=log, stderr=log)

    def trials(self) -> Trials:
        """Read all trials, and check that what had ended before has not changed."""
        with self.database.reading() as session:
            listed = [trial for study in study_rows.study_names(session) for trial in trial_rows.trials_of(session, study)]
        found = {(trial.study_id, trial.number): trial for trial in listed}
        assert all(found[place] == trial for place, trial in self.seen.items() if trial.ended)
        self.seen = found
        return found

    def held(self, pid: int) -> dict[tuple[int, int], int]:
        """Return the attempt of each trial that a worker has in training."""
        name = f"{socket.gethostname()}-{pid}"
        running = {place: trial for place, trial in self.trials().items() if trial.state is TrialState.RUNNING}
        return {place: trial.attempt for place, trial in running.items() if trial.worker == name}

    def freed_at(self, cohorts: set[int | None]) -> list[datetime]:
        """Return when the leases of cohorts were ended by somebody else than their holder."""
        leases = select(LEASES.c.released_at).where(LEASES.c.cohort_id.in_(cohorts), LEASES.c.ending.in_(["expired", "released"]))
        with self.database.reading() as session:
            return list(session.scalars(leases))

    def close(self) -> None:
        if self.alone is not None:
            self.alone.kill()
            self.alone.wait()
        self.service.stop()
        self.database.close()


@pytest.fixture
def machine(database_url: str, tmp_path: Path) -> Iterator[Machine]:
    environment = {
        "STEELYARD_LEASE_SECONDS": "3",
        "STEELYARD_TRAINING_BEHAVIOUR": "slow",
        "PYTHONPATH": f"{ROOT / 'tests' / 'end_to_end' / 'quick_site'}:{ROOT}",
    }
    made = Machine(Service(tmp_path, workers=2, database_url=database_url, environment=environment), Database(database_url))
    made.service.start()
    made.start_alone()
    yield made
    made.close()


def kill_one(machine: Machine, chance: random.Random) -> None:
    """Kill the service, or a worker that trains; wait until what it held runs again, and keep how long that took."""
    assert machine.alone is not None
    own, alone = {process.pid: process for process in machine.service.worker_processes()}, machine.alone.pid
    pids = [*own, alone]
    until(lambda: any(machine.held(pid) for pid in pids), "a worker trains")
    victim = chance.choice([pid for pid in pids if machine.held(pid)] or [alone])
    whole = chance.random() < 0.25
    held = {place: attempt for pid in (own if whole else [victim]) for place, attempt in machine.held(pid).items()}
    cohorts = {machine.seen[place].cohort for place in held}
    died = datetime.now(UTC)
    if whole:
        machine.service.kill()
        machine.service.start()
    elif victim == alone:
        machine.alone.kill()
        machine.alone.wait()
        machine.start_alone()
    else:
        psutil.Process(victim).kill()
    kind = "the service" if whole else "another worker" if victim == alone else "a worker of the service"

    def again() -> list[TrialRecord]:
        trials = machine.trials()
        return [trials[place] for place, attempt in held.items() if trials[place].attempt > attempt]

    def settled() -> bool:
        trials = machine.trials()
        return bool(again()) or all(trials[place].ended for place in held)

    until(settled, "its trials run again")
    started = [trial.started_at for trial in again() if trial.started_at is not None]
    if started:  # else it was killed between two cohorts
        machine.waited.setdefault(kind, []).append((min(started) - died).total_seconds())
        machine.freed.setdefault(kind, []).append((max(machine.freed_at(cohorts)) - died).total_seconds())


def study_of_many() -> dict[str, Any]:
    return flagship(trials=TRIALS, baselines=[], sampler={"name": "random"}, max_losses=1000)


def wait_until_all_end(machine: Machine, names: list[str]) -> None:
    """Wait for studies that take turns: one may wait for its turn, but some trial of some study ends every few seconds."""
    for name in names:
        before = -1
        while not machine.service.get(f"/v1/studies/{name}", wait=20)["ended"]:
            ended = sum(trial.ended for trial in machine.trials().values())
            assert ended > before, machine.service.get(f"/v1/studies/{name}")
            before = ended


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_a_service_whose_processes_are_killed_again_and_again_trains_every_trial_once(machine: Machine) -> None:
    """Prints the seconds from a death to the next start of what was held, with leases of 3 s."""
    names: list[str] = []
    chance = random.Random(KILLS)
    for _ in range(KILLS):
        running = sum(not machine.service.get(f"/v1/studies/{name}")["ended"] for name in names)
        names += [machine.service.submit(study_of_many()) for _ in range(STUDIES - running)]  # a slow machine ends them meanwhile
        kill_one(machine, chance)
    wait_until_all_end(machine, names)
    for name in names:
        assert machine.service.get(f"/v1/studies/{name}")["state"] == StudyState.COMPLETE
    for study_id in {study_id for study_id, _ in machine.trials()}:
        trials = [trial for (of, _), trial in sorted(machine.trials().items()) if of == study_id]
        assert [trial.number for trial in trials] == list(range(TRIALS + 1))
        assert {trial.state for trial in trials} == {TrialState.COMPLETE}
        assert sorted(trial.sequence or 0 for trial in trials) == list(range(1, TRIALS + 2))
    if machine.database.dialect == "sqlite":
        with machine.database.reading() as session:
            assert session.execute(text("PRAGMA integrity_check")).fetchall() == [("ok",)]
    assert sum(map(len, machine.waited.values())) >= KILLS // 2
    for kind, seconds in machine.waited.items():
        print(f"\n{kind} died {len(seconds)} times: free after {span(machine.freed[kind])}, trained again after {span(seconds)}")


def span(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.1f} s in the median, {max(seconds):.1f} s at most"
