"""How a worker behaves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker behaves. All durations in seconds.

    `lease_seconds`: how long the cohort of a dead worker waits for another. `progress_seconds`: how long a training process may be
    silent before its first graph call; from then on see `search.worker.progress_deadlines`. `until_idle_seconds`: end after so long
    without work (None: never). `max_traces`: how many graphs a child traces before another takes its place, since each keeps some
    10 MB for good. `memory_bytes`: how much memory a training process and what it starts may hold (None: what the machine gives).
    `workloads_folder`: where `submit --workload` registers workloads (None: nowhere).
    """

    database_url: str
    name: str = ""
    lease_seconds: float = 45.0
    poll_seconds: float = 0.2
    beat_seconds: float = 10.0
    progress_seconds: float = 600.0
    until_idle_seconds: float | None = None
    max_traces: int = 40
    memory_bytes: float | None = None
    workloads_folder: str | None = None
