"""What Linux offers to keep processes together: die with the parent, adopt orphans, distinguish processes, end a whole group."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import signal
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PROC = Path("/proc")
MOST_FILES = 65_536
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
ARENAS, LARGE_BYTES = 2, 128 * 1024
_libc = ctypes.CDLL(None, use_errno=True)


def cores() -> int:
    """Return how many cores a training may use: `STEELYARD_TRAINING_THREADS`, else those that this process may, or all."""
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(os.environ.get("STEELYARD_TRAINING_THREADS") or ours)


def one_thread_of_linear_algebra() -> None:
    """Have NumPy and SciPy, which must not be loaded yet, use one thread, unless the user's environment says otherwise.

    Their threads wait for one another in loops, so that on busy cores more of them are slower: of three models of 128 trainings at
    once on two cores each took 0.3 to 0.7 s with two threads, 0.25 s with one.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to send this process a signal when the thread that started it ends. Does nothing where prctl is missing."""
    _prctl(PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Have this process become the parent of what its dead descendants leave, so that it can wait for them: see `reap_orphans`."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    prctl = getattr(_libc, "prctl", None)
    if prctl is not None:
        prctl(option, value, 0, 0, 0)


def reap_orphans(own: Collection[int]) -> None:
    """Let go of adopted processes that have ended. `own` are the processes that this one started, whose ends are waited for."""
    with contextlib.suppress(OSError):
        for task in (PROC / "self/task").iterdir():
            for pid in map(int, (task / "children").read_text().split()):
                if pid not in own:
                    os.waitpid(pid, os.WNOHANG)


def limit_resources() -> None:
    """Bound what this process and those it starts may take: no core files, and so many open files.

    Memory is not bounded here: TensorFlow reserves far more addresses than it uses. Nor are threads: the limit would count those of
    all the user's processes.
    """
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, MOST_FILES)):
        _, hard = resource.getrlimit(kind)
        limit = most if hard == resource.RLIM_INFINITY else min(hard, most)
        resource.setrlimit(kind, (limit, limit))


def collect_seldom() -> None:
    """Spend less on looking for garbage, once all is imported.

    A trace makes some hundred thousand objects, and a fifth of its time went there; a claim stood still for as long as it took.
    """
    gc.collect()
    gc.freeze()  # what was imported, TensorFlow's own million objects above all, stays for good
    gc.set_threshold(100_000, 50, 100)


def hold_little_memory() -> None:
    """Have what is let go of return to the system: for a process of many threads whose answers are large now and then.

    The C library gives each thread an arena of its own, in which a little that is kept holds much that is not; and once a large
    block was let go of, it keeps the next ones. Does nothing where the C library is another.
    """
    mallopt = getattr(_libc, "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, ARENAS)
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


@dataclass(frozen=True, slots=True)
class ResidentMemory:
    """How many bytes of a process lie in memory, as `ps` counts them, and the most that ever did."""

    now: int
    peak: int

    @classmethod
    def find(cls, pid: int) -> ResidentMemory | None:
        """Read a process's memory, which takes microseconds. None where there is no such process, or no /proc."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            lines = (PROC / str(pid) / "status").read_text().splitlines()
            sizes = dict(line.split(":", 1) for line in lines if line.startswith("Vm"))
            now, peak = (int(sizes[name].removesuffix("kB")) * 1024 for name in ("VmRSS", "VmHWM"))
            return cls(now, peak)
        return None


def memory_of_group(group: int) -> int:
    """Return how many bytes of memory a process group holds, shared ones divided by how many share them."""
    return sum(process.memory for process in own_processes() if process.group == group)


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A process as it was when it was read. A number comes back, `started` (in ticks since the machine did) with it never."""

    pid: int
    started: int
    group: int
    is_zombie: bool

    @classmethod
    def find(cls, pid: int) -> RunningProcess | None:
        """Look a process up. None where there is none, or no /proc."""
        try:
            state, _, group, *others = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            return None
        return cls(pid, int(others[16]), int(group), state == "Z")

    @staticmethod
    def is_gone(pid: int, started: int) -> bool:
        """Return whether the process is known to be gone; not where it merely cannot be looked up, for want of descriptors say."""
        try:
            (PROC / str(pid) / "stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return (PROC / "self/stat").exists()
        except OSError:
            return False
        found = RunningProcess.find(pid)
        return found is not None and (found.started != started or found.is_zombie)

    @property
    def variables(self) -> frozenset[bytes]:
        """Return the environment that it was started with, as NAME=VALUE; empty where this user may not read it."""
        try:
            return frozenset((PROC / str(self.pid) / "environ").read_bytes().split(b"\0"))
        except OSError:
            return frozenset()

    @property
    def memory(self) -> int:
        """Return how many bytes of memory it holds: its own, and its share of what it shares; not files that it merely reads."""
        with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
            lines = (PROC / str(self.pid) / "smaps_rollup").read_text().splitlines()
            sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines[1:]}
            return sizes["Pss_Anon"] + sizes["Pss_Shmem"] if "Pss_Anon" in sizes else sizes["Pss"]
        return 0

    def kill(self) -> bool:
        """Kill it, and no other process that got its number meanwhile. Returns whether it was there."""
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(self.pid)
            try:
                found = RunningProcess.find(self.pid)  # read again: from here on the handle is of this very process
                if found is not None and found.started == self.started:
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    return True
            finally:
                os.close(handle)
        return False


def own_processes() -> Iterator[RunningProcess]:
    """Go through this user's processes, but for this one and those that have ended."""
    user = os.geteuid()
    with contextlib.suppress(OSError), os.scandir(PROC) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and entry.stat().st_uid == user and int(entry.name) != os.getpid():
                    found = RunningProcess.find(int(entry.name))
                    if found is not None and not found.is_zombie:
                        yield found


def signal_name(number: int) -> str:
    """Return a signal's name, as it is usually written."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def kill_group(group: int) -> None:
    """Kill every process of the group, if there is one left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
