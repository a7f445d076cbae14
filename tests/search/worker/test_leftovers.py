"""What a dead worker left is ended and removed; what belongs to a live one, or to nobody, is not touched."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.processes import RunningProcess
from search.worker import leftovers
from search.worker.leftovers import MARK, Owner

SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]


class Sleepers:
    """Processes that sleep until somebody ends them."""

    def __init__(self) -> None:
        self.all: list[subprocess.Popen[bytes]] = []

    def start(self, environment: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[bytes]:
        """Start one; it is there when this returns."""
        given = {**os.environ, **(environment or {})}
        process = subprocess.Popen(SLEEP, env=given, stdout=subprocess.PIPE, **options)
        self.all.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    def end(self) -> None:
        for process in self.all:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def sleepers() -> Iterator[Sleepers]:
    made = Sleepers()
    yield made
    made.end()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a training process of this process."""
    made = tmp_path / f"{leftovers.PREFIX}x"
    made.mkdir()
    leftovers.own(made)
    return made


def bury(folder: Path, child: subprocess.Popen[bytes] | None = None) -> None:
    """Write into the folder that its worker was a process that is gone: one of this number with another start time."""
    owner = Owner.read(folder)
    assert owner is not None
    started = None if child is None else (child.pid, RunningProcess.find(child.pid).started)  # type: ignore[union-attr]
    replace(owner, worker=(owner.worker[0], owner.worker[1] - 1), child=started).write(folder)


def test_what_a_dead_workers_training_process_started_is_ended_and_its_folder_removed(folder: Path, sleepers: Sleepers) -> None:
    marked = sleepers.start({MARK: str(folder)}, start_new_session=True)  # it left the process group
    bury(folder)
    assert leftovers.sweep(folder.parent) == 1
    assert marked.wait(10) == -signal.SIGKILL
    assert not folder.exists()


LEADER = "import subprocess, time; print(subprocess.Popen(['sleep', '600'], env={}).pid, flush=True); time.sleep(600)"


def test_the_whole_group_of_its_training_process_is_ended(folder: Path, sleepers: Sleepers) -> None:
    leader = subprocess.Popen([sys.executable, "-c", LEADER], stdout=subprocess.PIPE, start_new_session=True)
    sleepers.all.append(leader)
    assert leader.stdout is not None
    member = RunningProcess.find(int(leader.stdout.readline()))  # it was given another environment
    assert member is not None
    bury(folder, leader)
    leftovers.sweep(folder.parent)
    assert leader.wait(10) == -signal.SIGKILL
    found = RunningProcess.find(member.pid)
    assert found is None or found.is_zombie


def test_what_a_live_worker_has_stays(folder: Path, sleepers: Sleepers) -> None:
    marked = sleepers.start({MARK: str(folder)})
    assert leftovers.sweep(folder.parent) == 0
    assert marked.poll() is None
    assert folder.exists()


def test_a_worker_that_cannot_be_looked_up_is_not_called_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(path: Path) -> bytes:
        raise OSError(errno.EMFILE, "too many open files")

    assert RunningProcess.is_gone(os.getpid(), 1)  # its number came back: it started at another time
    monkeypatch.setattr(Path, "read_bytes", none_left)
    assert not RunningProcess.is_gone(os.getpid(), 1)


def test_a_process_that_got_the_number_of_a_dead_one_stays(folder: Path, sleepers: Sleepers) -> None:
    other = sleepers.start(start_new_session=True)
    bury(folder, other)
    owner = Owner.read(folder)
    assert owner is not None
    assert owner.child is not None
    replace(owner, child=(owner.child[0], owner.child[1] - 1)).write(folder)
    assert leftovers.sweep(folder.parent) == 1
    assert other.poll() is None


def test_a_handle_of_a_number_that_came_back_kills_nobody(sleepers: Sleepers) -> None:
    other = sleepers.start()
    found = RunningProcess.find(other.pid)
    assert found is not None
    assert not replace(found, started=found.started - 1).kill()
    assert other.poll() is None
    assert found.kill()


@pytest.mark.parametrize("said", [None, "", "{}", '{"machine": 1, "worker": "x", "child": null}'])
def test_a_folder_that_does_not_say_whose_it_is_stays(folder: Path, said: str | None) -> None:
    (folder / leftovers.RECORD).unlink()
    if said is not None:
        (folder / leftovers.RECORD).write_text(said)
    assert leftovers.sweep(folder.parent) == 0
    assert folder.exists()


def test_a_folder_of_another_machine_or_container_stays(folder: Path) -> None:
    bury(folder)
    owner = Owner.read(folder)
    assert owner is not None
    replace(owner, machine="another boot").write(folder)
    assert leftovers.sweep(folder.parent) == 0


def test_a_link_that_looks_like_a_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    bury(folder)
    moved = folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(moved)
    assert leftovers.sweep(tmp_path) == 0
    assert moved.exists()


@pytest.fixture
def abandoned(tmp_path: Path) -> Path:
    """An old folder whose worker died before it was written whose it is."""
    made = tmp_path / f"{leftovers.PREFIX}y"
    made.mkdir()
    (made / "tmp").mkdir()
    long_ago = time.time() - leftovers.NOT_OWNED_SECONDS
    os.utime(made, (long_ago, long_ago))
    return made


def test_an_old_folder_without_an_owner_is_removed(abandoned: Path) -> None:
    assert leftovers.sweep(abandoned.parent) == 1
    assert not abandoned.exists()


def test_a_new_folder_without_an_owner_stays(abandoned: Path) -> None:
    os.utime(abandoned)
    assert leftovers.sweep(abandoned.parent) == 0
    assert abandoned.exists()


def test_a_folder_without_an_owner_that_a_process_names_stays(abandoned: Path, sleepers: Sleepers) -> None:
    sleepers.start({MARK: str(abandoned)})
    assert leftovers.sweep(abandoned.parent) == 0
    assert abandoned.exists()


def test_an_old_folder_whose_owner_cannot_be_read_stays(abandoned: Path) -> None:
    (abandoned / leftovers.RECORD).write_text("{")
    long_ago = time.time() - leftovers.NOT_OWNED_SECONDS
    os.utime(abandoned, (long_ago, long_ago))
    assert leftovers.sweep(abandoned.parent) == 0


def test_without_proc_nobody_knows_whose_a_folder_is(abandoned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "PROC", abandoned)
    assert leftovers.sweep(abandoned.parent) == 0
