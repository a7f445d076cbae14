"""The training child as its parent sees it: a process that is started, spoken to, listened to, and ended.

The child alone imports TensorFlow. It gets an environment without the database's address or any key, dies with its parent, and
talks over a pipe in the messages of `search.training.child.protocol`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from search import processes
from search.out_of_memory import GIB, OomKills, explain_kill
from search.training.child.protocol import Answer, Order, encode, read_answer
from search.worker import leftovers

PASSED = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
PASSED_OURS = ("STEELYARD_WORKLOADS", "STEELYARD_PRIVATE_WORKLOAD", "STEELYARD_DATA")
PASSED_PREFIXES = ("TF_", "KERAS_", "OMP_", "STEELYARD_TRAINING_", "XLA_", "CUDA_", "NVIDIA_")
"""Environment that the child gets. Everything else stays here, above all what opens the database."""

RUNNER = "search.training.child.runner"
TEMPORARY = "tmp"
LOOK_SECONDS, END_SECONDS = 1.0, 5.0
KIB = 1024
LOST, OUT_OF_MEMORY, HUNG = "child_lost", "out_of_memory", "hung"
"""Codes of the reasons why a training process is lost: it ended, memory ran out, it said nothing for too long."""


class ChildLost(Exception):
    """The child ended without being asked to. `message` says how, as far as it is known.

    `code` is that of the reason; `short_of_memory`: memory ran out, or there are signs of that.
    """

    def __init__(self, message: str, *, code: str = LOST, short_of_memory: bool = False) -> None:
        self.message, self.code, self.short_of_memory = message, code, short_of_memory
        super().__init__(message)


class Child:
    """One training child, which shares one operation out to so many threads (and runs operations beside each other on all cores).

    It is lost where it and what it starts hold more than `memory_bytes`; None: as much as the machine gives.
    It dies with the thread that started it: it asks the kernel for that itself, and until then it ends with its pipe.
    """

    def __init__(self, threads: int = 1, memory_bytes: float | None = None) -> None:
        self.threads, self._memory_bytes = threads, memory_bytes
        ours, theirs = Pipe(duplex=True)
        self._connection: Connection[Any, Any] = ours
        self._folder = tempfile.TemporaryDirectory(prefix=leftovers.PREFIX, ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        leftovers.own(folder)
        (folder / TEMPORARY).mkdir(mode=0o700)
        self._kills_before = self._kills = OomKills.so_far()
        self._looked_at = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", RUNNER, str(theirs.fileno())],
            env=_environment(self._folder.name, threads),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),  # a worker's own stdout is for documents
            start_new_session=True,
        )
        theirs.close()
        leftovers.own(folder, self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, order: Order) -> None:
        """Send an order. Raises ChildLost where nobody is there to read it."""
        try:
            self._connection.send_bytes(encode(order))
        except OSError:
            raise self._lost() from None

    def messages(self, seconds: float) -> Iterator[Answer]:
        """Yield what the child says: wait up to `seconds` for the first answer, then only what is there.

        Raises ChildLost, BadMessage.
        """
        self._look()
        while (sent := self._received(seconds)) is not None:
            yield read_answer(sent)
            seconds = 0.0

    def _received(self, seconds: float) -> bytes | None:
        try:
            return self._connection.recv_bytes() if self._connection.poll(seconds) else None
        except (EOFError, OSError):  # at its end, or in the middle of a message
            raise self._lost() from None

    def _look(self) -> None:
        """Look about once a second how much memory it holds, and how many processes were killed for want of memory so far.

        A kill that was not counted at the look before this may be this one's: its end is noticed a moment later. Raises ChildLost
        where it holds too much.
        """
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return
        self._kills_before, self._kills, self._looked_at = self._kills, OomKills.so_far(), time.monotonic()
        if self._memory_bytes is not None and (held := processes.memory_of_group(self._process.pid)) > self._memory_bytes:
            allowed = f"{self._memory_bytes / GIB:.1f} GiB it may"
            text = f"the training process held {held / GIB:.1f} GiB of memory, more than the {allowed}"
            raise ChildLost(text, code=OUT_OF_MEMORY, short_of_memory=True)

    def _lost(self) -> ChildLost:
        status, peak_bytes = self._ended_within(END_SECONDS)
        if status is None:
            return ChildLost("the training process closed its pipe")
        if status == -signal.SIGKILL:
            kill = explain_kill(self._kills_before, peak_bytes)
            code = OUT_OF_MEMORY if kill.known else LOST
            return ChildLost(f"the training process {kill.text}", code=code, short_of_memory=kill.likely)
        if status < 0:
            return ChildLost(f"the training process was ended by {processes.signal_name(-status)}")
        return ChildLost(f"the training process ended with exit code {status}")

    def _ended_within(self, seconds: float) -> tuple[int | None, int | None]:
        """Wait for the process's end; return its exit code, None where it goes on, and the most bytes of memory that it had."""
        if self._process.returncode is not None:  # waited for before
            return self._process.returncode, None
        deadline = time.monotonic() + seconds
        while os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() >= deadline:
                return None, None
            time.sleep(0.01)
        processes.kill_group(self._process.pid)  # before its number, which is the group's too, can be another's
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return self._process.returncode, usage.ru_maxrss * KIB

    def end(self) -> None:
        """End the child and all it started, at once."""
        self._connection.close()
        if self._process.returncode is None:
            processes.kill_group(self._process.pid)
        leftovers.end_processes(Path(self._folder.name))
        self._process.wait()
        self._folder.cleanup()


def _environment(folder: str, threads: int) -> dict[str, str]:
    passed = {
        name: value for name, value in os.environ.items() if name in (*PASSED, *PASSED_OURS) or name.startswith(PASSED_PREFIXES)
    }
    within = str(threads)
    of_tensorflow = {"TF_NUM_INTEROP_THREADS": str(processes.cores()), "TF_NUM_INTRAOP_THREADS": within, "OMP_NUM_THREADS": within}
    return passed | of_tensorflow | {"TMPDIR": f"{folder}/{TEMPORARY}", leftovers.MARK: folder, "PYTHONUNBUFFERED": "1"}
