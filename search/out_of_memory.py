"""What Linux says of memory that ran out: how many processes its out-of-memory killer has ended, and how much there is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")
NEARLY_ALL = 0.8
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class OomKills:
    """How many processes were killed so far for want of memory: in this process's cgroup, and on the machine. None: unknown."""

    cgroup: int | None
    machine: int | None

    @classmethod
    def so_far(cls) -> OomKills:
        """Read the counters of this moment."""
        return cls(_oom_kill(_cgroup_files("memory.events", "memory.oom_control")), _oom_kill([PROC / "vmstat"]))


@dataclass(frozen=True, slots=True)
class Kill:
    """Who sent a SIGKILL, as far as it is known. `known`: the kernel, for want of memory; `likely`: there are signs of that."""

    known: bool
    likely: bool
    text: str


def explain_kill(before: OomKills, peak_bytes: int | None = None) -> Kill:
    """Say why a process was killed by SIGKILL since `before`. `peak_bytes`: the most memory it ever had, where that is known."""
    after, limit = OomKills.so_far(), memory_limit()
    held = "" if peak_bytes is None else f"; it had used up to {peak_bytes / GIB:.1f} of {limit / GIB:.1f} GiB"
    if _grew(before.cgroup, after.cgroup):
        return Kill(True, True, f"was killed by the kernel: memory ran out{held}")
    if _grew(before.machine, after.machine):
        text = "was killed by SIGKILL, probably because memory ran out: the kernel killed a process of this machine for that"
        return Kill(False, True, f"{text}{held}")
    if peak_bytes is not None and peak_bytes > NEARLY_ALL * limit:
        return Kill(False, True, f"was killed by SIGKILL, perhaps because memory ran out{held}")
    return Kill(False, False, f"was killed by SIGKILL; by whom is not known{held}")


def _grew(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before


def memory_limit() -> int:
    """Return how many bytes this process and those it starts may use: the machine's, or what its cgroup and those above allow."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_limits()])


def _limits() -> Iterator[int]:
    for file in _cgroup_files("memory.max", "memory.limit_in_bytes"):
        for folder in file.parents:
            if not folder.is_relative_to(CGROUPS):
                break
            with contextlib.suppress(OSError, ValueError):  # "max": no limit
                yield int((folder / file.name).read_text())


def _cgroup_files(unified: str, legacy: str) -> list[Path]:
    """Return where a file of this process's memory cgroup may be, by either version; in a container its own cgroup is the root."""
    found = []
    for controllers, path in _cgroups().items():
        name = unified if controllers == "" else legacy
        roots = (CGROUPS, CGROUPS / "unified") if controllers == "" else (CGROUPS / "memory",)
        found += [root / place / name for root in roots for place in (path.lstrip("/"), "")]
    return found


def _cgroups() -> Mapping[str, str]:
    """Return the paths of this process's cgroups that may account for memory, by controllers: the unified one has none."""
    with contextlib.suppress(OSError):
        lines = (line.split(":", 2) for line in (PROC / "self/cgroup").read_text().splitlines())
        return {controllers: path for _, controllers, path in lines if controllers == "" or "memory" in controllers.split(",")}
    return {}


def _oom_kill(files: list[Path]) -> int | None:
    for file in files:
        with contextlib.suppress(OSError, ValueError):
            for line in file.read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    return None
