"""What Linux offers to keep processes together: die with the parent, end a whole group."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def cores() -> int:
    """Return how many cores a training may use: `STEELYARD_TRAINING_THREADS`, else those that this process may."""
    return int(os.environ.get("STEELYARD_TRAINING_THREADS") or len(os.sched_getaffinity(0)))


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to send this process a signal when the thread that started it ends. Does nothing where prctl is missing."""
    prctl = getattr(_libc, "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def kill_group(group: int) -> None:
    """Kill every process of the group, if there is one left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
