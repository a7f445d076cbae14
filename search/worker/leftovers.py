"""What a dead worker leaves on its machine: processes that its training process had started, and that process's folder.

The training process itself dies with its worker, but not what a workload started in it, such as the processes of a data loader. So
each training process has a folder that says whose it is, and a variable in its environment that names the folder and that all its
descendants inherit. Whoever comes by ends what is left of a worker that is gone, and nothing else: a process that merely got an old
number has another start time and no such variable. A folder that says nothing is removed once it is old and no process names it:
its worker died before that was written, or somebody cleaned up in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from search.logs import logger
from search.processes import PROC, RunningProcess, own_processes

log = logger("steelyard.worker")

PREFIX = "steelyard-child-"
RECORD = "owner.json"
MARK = "STEELYARD_TRAINING_FOLDER"
NOT_OWNED_SECONDS = 3600.0
"""A folder is written into at once: one without its owner after so long has none."""
ROUNDS = 20
"""How often processes are looked for: one may start another while it is looked for."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a folder is: a worker's process, and the training process that it started; each by its number and start time.

    `machine`: which boot of which machine, and which numbering of processes there, the numbers are of.
    """

    machine: str
    worker: tuple[int, int]
    child: tuple[int, int] | None = None

    def write(self, folder: Path) -> None:
        """Write it into the folder, at once or not at all."""
        (folder / f".{RECORD}").write_text(json.dumps(asdict(self)))
        (folder / f".{RECORD}").replace(folder / RECORD)

    @classmethod
    def read(cls, folder: Path) -> Owner | None:
        """Return what a folder says; None where it says nothing that can be read."""
        try:
            said = json.loads((folder / RECORD).read_text())
            child = said["child"]
            (pid, started), child = said["worker"], None if child is None else (int(child[0]), int(child[1]))
            return cls(str(said["machine"]), (int(pid), int(started)), child)
        except (OSError, ValueError, TypeError, KeyError, IndexError):
            return None

    @property
    def is_dead(self) -> bool:
        """Return whether the worker is known to be gone."""
        return self.machine == _machine() != "" and RunningProcess.is_gone(*self.worker)


def own(folder: Path, child: int | None = None) -> None:
    """Write down that a folder belongs to this process, and to the training process that it started, once there is one."""
    there = (None if pid is None else RunningProcess.find(pid) for pid in (os.getpid(), child))
    worker, started = ((found.pid, found.started) if found is not None else None for found in there)
    if worker is not None:  # else there is no /proc, and it is not known who is dead
        Owner(_machine(), worker, started).write(folder)


def sweep(within: Path | None = None) -> int:
    """End what dead workers of this user have left on this machine, and remove its folders; gives how many folders.

    `within`: where the folders are; the temporary folder by default.
    """
    swept = 0
    for folder in _folders(within or Path(tempfile.gettempdir())):
        owner = Owner.read(folder)
        if owner is not None and owner.is_dead:
            ended = end_processes(folder, owner)
            shutil.rmtree(folder, ignore_errors=True)
            log.info("leftovers of a dead worker removed", folder=str(folder), worker_pid=owner.worker[0], processes=ended)
            swept += 1
        elif owner is None and _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)
            log.info("a folder without an owner removed", folder=str(folder))
            swept += 1
    return swept


def _is_abandoned(folder: Path) -> bool:
    """Return whether a folder says nothing of an owner, is old, and no process of this machine names it in its environment."""
    if _machine() == "" or os.path.lexists(folder / RECORD):  # without /proc no folder says whose it is
        return False
    try:
        old = time.time() - folder.stat().st_mtime >= NOT_OWNED_SECONDS
    except OSError:
        return False
    mark = f"{MARK}={folder}".encode()
    return old and not any(mark in process.variables for process in own_processes())


def _folders(within: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        for entry in os.scandir(within):
            with contextlib.suppress(OSError):
                if not entry.name.startswith(PREFIX) or not entry.is_dir(follow_symlinks=False):
                    continue
                if entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                    yield Path(entry.path)


def end_processes(folder: Path, owner: Owner | None = None) -> int:
    """Kill the training process of a folder and all its descendants, those too that left its process group; gives how many.

    `owner` is what the folder says, if that is known already.
    """
    owner = owner or Owner.read(folder)
    mark = f"{MARK}={folder}".encode()
    ended: set[tuple[int, int]] = set()
    for _ in range(ROUNDS):
        found = [process for process in own_processes() if _belongs(process, mark, owner)]
        if not found:
            break
        ended.update((process.pid, process.started) for process in found if process.kill())
        time.sleep(0.01)
    return len(ended)


def _belongs(process: RunningProcess, mark: bytes, owner: Owner | None) -> bool:
    if mark in process.variables:
        return True
    # A descendant that was given another environment. As long as the leader lives, its number is that of its group alone.
    return owner is not None and owner.child is not None and process.group == owner.child[0] and _is_alive(*owner.child)


def _is_alive(pid: int, started: int) -> bool:
    found = RunningProcess.find(pid)
    return found is not None and found.started == started and not found.is_zombie


def _machine() -> str:
    """Return what numbers of processes are of: a boot of this machine and a numbering there; empty where that is not known."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink(PROC / 'self/ns/pid')}"
    except OSError:
        return ""
