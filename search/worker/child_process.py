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
from collections.abc import Iterator
from multiprocessing.connection import Connection, Pipe
from typing import Any

from search import processes
from search.training.child.protocol import Answer, Order, encode, read_answer

PASSED = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
PASSED_OURS = ("STEELYARD_WORKLOADS", "STEELYARD_PRIVATE_WORKLOAD", "STEELYARD_DATA")
PASSED_PREFIXES = ("TF_", "KERAS_", "OMP_", "STEELYARD_TRAINING_", "XLA_", "CUDA_", "NVIDIA_")
"""Environment that the child gets. Everything else stays here, above all what opens the database."""


class ChildLost(Exception):
    """The child ended without being asked to. `message` says how, as far as it is known; `killed`: by SIGKILL."""

    def __init__(self, message: str, *, killed: bool = False) -> None:
        self.message, self.killed = message, killed
        super().__init__(message)


class Child:
    """One training child, which shares one operation out to so many threads (and runs operations beside each other on all cores).

    It dies with the thread that started it: it asks the kernel for that itself, and until then it ends with its pipe.
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        ours, theirs = Pipe(duplex=True)
        self._connection: Connection[Any, Any] = ours
        self._folder = tempfile.TemporaryDirectory(prefix="steelyard-child-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "search.training.child.runner", str(theirs.fileno())],
            env=_environment(self._folder.name, threads),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),  # a worker's own stdout is for documents
            start_new_session=True,
        )
        theirs.close()

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
        while (sent := self._received(seconds)) is not None:
            yield read_answer(sent)
            seconds = 0.0

    def _received(self, seconds: float) -> bytes | None:
        try:
            return self._connection.recv_bytes() if self._connection.poll(seconds) else None
        except (EOFError, OSError):  # at its end, or in the middle of a message
            raise self._lost() from None

    def _lost(self) -> ChildLost:
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return ChildLost("the training process closed its pipe")
        if status == -signal.SIGKILL:
            text = "the training process was killed by SIGKILL (the kernel does so when memory runs out)"
            return ChildLost(text, killed=True)
        if status < 0:
            return ChildLost(f"the training process was ended by {signal.Signals(-status).name}")
        return ChildLost(f"the training process ended with exit code {status}")

    def end(self) -> None:
        """End the child and all it started, at once."""
        self._connection.close()
        processes.kill_group(self._process.pid)
        self._process.wait()
        self._folder.cleanup()


def _environment(folder: str, threads: int) -> dict[str, str]:
    passed = {
        name: value for name, value in os.environ.items() if name in (*PASSED, *PASSED_OURS) or name.startswith(PASSED_PREFIXES)
    }
    within = str(threads)
    of_tensorflow = {"TF_NUM_INTEROP_THREADS": str(processes.cores()), "TF_NUM_INTRAOP_THREADS": within, "OMP_NUM_THREADS": within}
    return passed | of_tensorflow | {"TMPDIR": folder, "PYTHONUNBUFFERED": "1"}
