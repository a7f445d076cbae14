"""What is known of workers, of the workloads that they train, and of plug-ins from outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


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
