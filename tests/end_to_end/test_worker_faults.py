"""Real workers and training processes under real signals: nothing is lost, nothing comes twice, nobody is left behind.

The training process is one without TensorFlow, so that a worker is there in seconds; all else is as it runs.
"""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import text

from search.definition.space import SearchSpace
from search.processes import RunningProcess
from search.validation import normalize
from search.worker.leftovers import PREFIX
from steelyard.serving import give_back
from storage import lifecycle, studies, study_rows, trial_rows
from storage.database import Database
from storage.records import STUDY_ENDS, StudyRecord, StudyState, TrialRecord, TrialState
from tests.end_to_end.quick_worker import KILLS
from tests.end_to_end.service import until
from tests.search.definitions import define, flagship
from tests.storage import scenes
from tests.storage.scenes import NOW

ROOT = Path(__file__).parents[2]


class Fleet:
    """Workers of one database with one study. Their training processes' folders are in `temporary`."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder, self.temporary = url, folder, folder / "temporary"
        self.temporary.mkdir()
        self.database = Database(url)
        self.workers: list[subprocess.Popen[bytes]] = []

    def submit(self, trials: int, **search: Any) -> None:
        """Submit a study of so many search trials, and a baseline before them."""
        document = flagship()
        document["search"] |= {"sampler": {"name": "random"}, "trials": trials, "baselines": [], "confirmation": None, **search}
        definition = define({**document, "name": "study"})
        new = scenes.new_study(
            definition=normalize.to_storage(definition),
            trial_budget=SearchSpace(definition).trial_budget(),
            terms=normalize.term_records(definition),
        )
        with self.database.writing() as session:
            studies.create_study(session, new, NOW)

    def start(self, *faults: str, behaviour: str = "") -> subprocess.Popen[bytes]:
        """Start a worker."""
        given = {"STEELYARD_TRAINING_BEHAVIOUR": behaviour, "STEELYARD_DATA": str(self.folder), "TMPDIR": str(self.temporary)}
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.end_to_end.quick_worker", self.url, *faults],
                env={**os.environ, **given, "PYTHONPATH": str(ROOT)},
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        self.workers.append(process)
        return process

    def lose(self, worker: subprocess.Popen[bytes]) -> None:
        """Wait for a worker's end by SIGKILL, and give back what it held, as the service does for its own."""
        assert worker.wait(60) == -signal.SIGKILL, self.log()
        give_back(self.url, worker.pid, lost="was killed")

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def study(self) -> StudyRecord:
        with self.database.reading() as session:
            return study_rows.get_study(session, "study")

    def trials(self) -> dict[int, TrialRecord]:
        with self.database.reading() as session:
            found = trial_rows.trials_of(session, study_rows.get_study(session, "study").id)
        return {trial.number: trial for trial in found}

    def held(self, worker: subprocess.Popen[bytes]) -> dict[int, int]:
        """Return the attempt of each trial that a worker has in training, dead or alive, by number."""
        name = f"{socket.gethostname()}-{worker.pid}"
        running = [trial for trial in self.trials().values() if trial.state is TrialState.RUNNING and trial.worker == name]
        return {trial.number: trial.attempt for trial in running}

    def count(self, state: TrialState) -> int:
        return sum(trial.state is state for trial in self.trials().values())

    def finished(self) -> StudyRecord:
        """Wait until the study has ended, for as long as trials end; returns it."""
        while (study := self.study()).state not in STUDY_ENDS:
            until(lambda study=study: self._moved_on(study), "another trial has ended, or the study")
        return study

    def _moved_on(self, before: StudyRecord) -> bool:
        now = self.study()
        return now.sequence > before.sequence or now.state in STUDY_ENDS

    def training(self) -> list[subprocess.Popen[bytes]]:
        """Return the live workers that have trials in training."""
        return [worker for worker in self.workers if worker.poll() is None and self.held(worker)]

    def extend(self, left: int) -> None:
        """Raise the study's budget where fewer than `left` of its trials have not ended, to twice as many."""
        study = self.study()
        if study.trial_budget - study.sequence < left:
            with self.database.writing() as session:
                lifecycle.raise_budget(session, "study", study.trial_budget + left, self.database.now(session))

    def require_all_complete_once(self, count: int) -> dict[int, TrialRecord]:
        """Check that there are just so many trials, each with one result; returns them."""
        trials = self.trials()
        assert sorted(trials) == list(range(count))
        assert {trial.state for trial in trials.values()} == {TrialState.COMPLETE}
        assert sorted(trial.sequence or 0 for trial in trials.values()) == list(range(1, count + 1))
        return trials

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)
                worker.kill()
            worker.wait()
        self.database.close()


@pytest.fixture
def fleet(database_url: str, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def on_a_file(migrated_sqlite_file: Path, tmp_path: Path) -> Iterator[Fleet]:
    """Workers on SQLite alone: for what does not depend on the database."""
    (tmp_path / "file.db").write_bytes(migrated_sqlite_file.read_bytes())
    made = Fleet(f"sqlite:///{tmp_path / 'file.db'}", tmp_path)
    yield made
    made.close()


def test_a_worker_killed_between_claim_start_end_and_commit_loses_nothing_and_repeats_nothing(fleet: Fleet) -> None:
    fleet.submit(20, max_losses=100)
    for fault in KILLS:
        fleet.lose(fleet.start(fault.__name__))
    done = fleet.count(TrialState.COMPLETE)
    fleet.start()
    assert fleet.finished().state is StudyState.COMPLETE, fleet.log()
    trials = fleet.require_all_complete_once(21)
    assert done == 4  # the last one was killed when its cohort was stored
    assert all(trial.attempt == 1 + trial.losses and trial.charged == 0 for trial in trials.values())
    assert sum(trial.losses for trial in trials.values()) == 4 * (len(KILLS) - 1)


def test_a_worker_that_is_stopped_past_its_lease_and_goes_on_changes_nothing(fleet: Fleet) -> None:
    fleet.submit(3)
    late = fleet.start(behaviour="slow")
    until(lambda: any(trial.epochs > 1 for trial in fleet.trials().values()), "some epochs are reported")
    late.send_signal(signal.SIGSTOP)
    fleet.start()
    assert fleet.finished().state is StudyState.COMPLETE
    before = fleet.require_all_complete_once(4)
    late.send_signal(signal.SIGCONT)
    until(lambda: "lease lost" in fleet.log(), "the late worker finds its lease lost")
    assert fleet.trials() == before
    assert {trial.losses for trial in before.values()} == {1}
    late.terminate()
    assert late.wait(60) == 0


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_a_training_that_always_hangs_ends_its_study_early_and_it_says_so(on_a_file: Fleet, workers: int) -> None:
    on_a_file.submit(20)
    for _ in range(workers):
        on_a_file.start(behaviour="hang")
    study = on_a_file.finished()
    assert study.state is StudyState.FAILED
    assert study.reason is not None
    assert study.reason.code == "hung"
    text = (
        r"every trial so far, (\d+) of them, was lost in the same way, the last time so: the training process said nothing for 2 s"
    )
    found = re.fullmatch(text + r"(?:; (\d+) more (?:was|were) lost before and had finished no epoch since)?", study.reason.message)
    assert found is not None, study.reason.message
    assert sum(int(count or 0) for count in found.groups()) == len(on_a_file.trials()) == 4 * workers
    assert {trial.state for trial in on_a_file.trials().values()} == {TrialState.FAILED}


@pytest.mark.parametrize("by", ["the service", "the next worker"])
def test_what_a_killed_worker_left_running_is_ended(
    on_a_file: Fleet, tmp_path: Path, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_file.submit(3)
    worker = on_a_file.start(behaviour="daemon")
    until(lambda: (tmp_path / "daemon").exists() and (tmp_path / "daemon").read_text() != "", "the training has a daemon")
    daemon = RunningProcess.find(int((tmp_path / "daemon").read_text()))
    assert daemon is not None
    worker.kill()
    worker.wait()
    if by == "the service":
        monkeypatch.setattr("tempfile.tempdir", str(on_a_file.temporary))
        give_back(on_a_file.url, worker.pid, lost="was killed")
    else:
        on_a_file.start()

    def gone() -> bool:
        found = RunningProcess.find(daemon.pid)
        return found is None or found.is_zombie or found.started != daemon.started

    until(gone, "the daemon is ended")
    if by == "the service":
        assert not list(on_a_file.temporary.glob(f"{PREFIX}*"))


def test_a_worker_that_is_asked_to_end_twice_ends_at_once(on_a_file: Fleet) -> None:
    on_a_file.submit(3)
    worker = on_a_file.start("stuck", behaviour="slow")
    until(lambda: on_a_file.count(TrialState.RUNNING) > 0, "trials run")
    worker.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(1)
    worker.terminate()
    assert worker.wait(60) == 128 + signal.SIGTERM


def test_a_worker_on_a_full_disk_waits_and_goes_on_when_there_is_room(on_a_file: Fleet, tmp_path: Path) -> None:
    on_a_file.submit(20)
    worker = on_a_file.start("full_disk", behaviour="slow")
    until(lambda: on_a_file.count(TrialState.RUNNING) > 0, "trials run")
    (tmp_path / "full").touch()
    until(lambda: "the database's disk is full" in on_a_file.log(), "a write finds no room")
    assert worker.poll() is None
    (tmp_path / "full").unlink()
    assert on_a_file.finished().state is StudyState.COMPLETE
    on_a_file.require_all_complete_once(21)
    require_intact(on_a_file)


def require_intact(fleet: Fleet) -> None:
    """An SQLite file is sound; PostgreSQL looks after itself."""
    if fleet.database.dialect == "sqlite":
        with fleet.database.reading() as session:
            assert session.execute(text("PRAGMA integrity_check")).fetchall() == [("ok",)]


FEWEST_LEFT = 30
"""So many trials are there at least to be trained while processes are killed."""


def kill_one(fleet: Fleet, chance: random.Random) -> None:
    """Kill a worker, or the training process of one, and see to it that there are two workers again."""
    worker = chance.choice([each for each in fleet.workers if each.poll() is None])
    children = psutil.Process(worker.pid).children()
    if children and chance.random() < 0.5:
        chance.choice(children).kill()
        return
    worker.kill()
    worker.wait()
    if chance.random() < 0.5:  # else its lease runs out
        give_back(fleet.url, worker.pid, lost="was killed")
    fleet.start(behaviour="slow")


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(1500)])])
def test_a_loop_of_random_kills_loses_no_trial_and_no_state_goes_back(fleet: Fleet, kills: int) -> None:
    chance = random.Random(kills)
    fleet.submit(FEWEST_LEFT, max_losses=1000, max_attempts=100)
    for _ in range(2):
        fleet.start(behaviour="slow")
    before: dict[int, TrialRecord] = {}
    for _ in range(kills):
        until(lambda: len(fleet.training()) > 0, "a worker trains")
        kill_one(fleet, chance)
        deadline = time.monotonic() + chance.uniform(0.2, 3.0)
        while time.monotonic() < deadline:
            after, budget = fleet.trials(), fleet.study().trial_budget
            assert all(after[number] == trial for number, trial in before.items() if trial.ended)
            assert len(after) <= budget + 1
            before = after
            time.sleep(0.1)
        fleet.extend(FEWEST_LEFT)
    assert fleet.finished().state is StudyState.COMPLETE, fleet.log()
    fleet.require_all_complete_once(fleet.study().trial_budget + 1)
    require_intact(fleet)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_the_time_from_a_workers_death_to_its_trials_next_start_is_measured(fleet: Fleet) -> None:
    """Over 20 kills with another worker there, each with a lease of 3 s; prints seconds.

    A kill between two cohorts loses nothing and is not counted. There are more trials than so many workers train in an hour.
    """
    fleet.submit(8000, max_losses=1000)
    holder = fleet.start(behaviour="slow")
    waited: list[float] = []
    for _ in range(20):
        spare = fleet.start(behaviour="slow")
        until(lambda spare=spare: len(psutil.Process(spare.pid).children()) > 0, "another worker is there")
        until(lambda holder=holder: bool(fleet.held(holder)), "the first one trains")
        holder.kill()
        holder.wait()
        died, held = datetime.now(UTC), fleet.held(holder)

        def started(held: dict[int, int] = held) -> list[datetime]:
            trials = fleet.trials()
            again = [trials[number] for number, attempt in held.items() if trials[number].attempt > attempt]
            return [trial.started_at for trial in again if trial.started_at is not None]

        if held:
            until(lambda started=started: bool(started()), "its trials run again")
            waited.append((min(started()) - died).total_seconds())
        holder = spare
    assert len(waited) >= 10
    print(f"\ndeath to next start over {len(waited)} kills: median {statistics.median(waited):.1f} s, most {max(waited):.1f} s")
