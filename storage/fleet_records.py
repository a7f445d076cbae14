"""What is known of workers, of the workloads that they train, and of plug-ins from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class WarmStudy:
    """A study whose `graphs` a training process has traced and keeps. Studies that train alike share them: it used them last."""

    study: str
    graphs: int


@dataclass(frozen=True, slots=True)
class Traces:
    """What a training process has traced since it started, and what of it is warm.

    `made` graphs took `seconds`, the first run of each included and what two threads do at once counted once, of `work_seconds` in
    which it prepared studies and trained.
    `warm`: what it can train without tracing, the study that it worked on last first.
    """

    made: int = 0
    seconds: float = 0.0
    work_seconds: float = 0.0
    warm: tuple[WarmStudy, ...] = ()

    @property
    def kept(self) -> int:
        """How many graphs are warm."""
        return sum(each.graphs for each in self.warm)


@dataclass(frozen=True, slots=True)
class WorkerUsage:
    """What a worker and its training process use. None: not known.

    `memory_bytes`: resident memory of both; `peak_memory_bytes`: the most that each has had since the worker's start, added.
    """

    memory_bytes: int | None = None
    peak_memory_bytes: int | None = None
    traces: Traces | None = None


UNKNOWN_USAGE = WorkerUsage()


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker process. `alive` by the database's clock; `workloads` are the names it can train."""

    id: int
    name: str
    host: str
    pid: int
    version: str
    workloads: tuple[str, ...]
    state: str  # "starting", "idle", "busy", "stopped"
    alive: bool
    started_at: datetime
    heartbeat_at: datetime
    stopped_at: datetime | None
    study: str | None  # the study it works on now
    memory_bytes: int | None = None  # these three as in WorkerUsage, at the last heartbeat
    peak_memory_bytes: int | None = None
    traces: Traces | None = None


@dataclass(frozen=True, slots=True)
class WorkloadRecord:
    """What a worker published of a workload: its `description` is that of `search.training.child.protocol`.

    `version` changes with the user's files that it is made of; None where they are not versioned.
    """

    name: str
    digest: str
    description: Mapping[str, Any]
    published_at: datetime
    version: str | None = None


@dataclass(frozen=True, slots=True)
class WorkloadFailure:
    """Why a worker could not describe a workload in a version, and where (`ads.py:12`)."""

    name: str
    version: str | None
    message: str
    at: str | None
    published_at: datetime


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """What a worker published of a plug-in from outside: its `traits`, None as long as none could load it; `failure` says why."""

    kind: str
    name: str
    digest: str | None
    traits: Mapping[str, Any] | None
    failure: str | None
    published_at: datetime
