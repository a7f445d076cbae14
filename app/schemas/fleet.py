"""Workers, workloads, the catalog and health, as they go out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from app.schemas.common import Body
from storage.fleet_records import WorkloadFailure, WorkloadRecord


class WarmStudyBody(Body):
    """A study whose graphs a training process keeps."""

    study: str = Field(description="The study that used them last: others that train alike share them.")
    graphs: int


class TracesBody(Body):
    """What a worker's training process has traced since it started, and what of it is warm."""

    made: int = Field(
        description="Graphs that it traced. Each keeps memory for good: after some dozens another process takes its place."
    )
    seconds: float = Field(
        description="How long it traced them or ran one for the first time. What two threads do at once counts once."
    )
    work_seconds: float = Field(description="How long it prepared studies and trained, tracing included.")
    kept: int = Field(description="Graphs that are warm: a cohort that needs no other begins at once.")
    warm: list[WarmStudyBody] = Field(description="Whose graphs they are, the study that it worked on last first.")


class WorkerBody(Body):
    """A worker process. What it uses is as of its last sign of life."""

    name: str
    host: str
    pid: int
    version: str
    workloads: list[str] = Field(description="The workloads it can train.")
    state: str = Field(description="starting, idle, busy or stopped.")
    alive: bool = Field(description="Whether it gave a sign of life lately, by the database's clock.")
    study: str | None = Field(description="The study it works on now.")
    started_at: datetime
    heartbeat_at: datetime
    stopped_at: datetime | None
    memory_bytes: int | None = Field(
        description="Resident memory of the worker and its training process together; null where it is not known."
    )
    peak_memory_bytes: int | None = Field(description="The most that each of the two has had since the worker's start, added.")
    traces: TracesBody | None = Field(description="Null before its training process has prepared or trained anything.")


class WorkerList(Body):
    """All workers that were seen lately."""

    workers: list[WorkerBody]
    next_page_token: str = ""


class WorkloadError(Body):
    """Why a workload cannot be described."""

    message: str
    at: str | None = Field(description="Where: file and line of the user's code.", examples=["ads.py:12"])


class WorkloadBody(Body):
    """A named problem that studies may be about."""

    name: str
    workers: int = Field(description="Live workers that can train it.")
    digest: str | None = Field(description="Changes with the description; null before a worker has published one.")
    description: dict[str, Any] | None = Field(
        description="Inputs, outputs and targets with their shapes, own losses, penalties and metrics, the options' JSON schema.",
        examples=[{"outputs": {"digit": {"shape": [None, 10]}, "parity": {"shape": [None, 1]}}, "options": {"properties": {}}}],
    )
    version: str | None = Field(
        description="Changes with the user's files that it is made of; null where it is installed or built in."
    )
    error: WorkloadError | None = Field(description="Why a worker could not describe it as it is now; null where one could.")
    published_at: datetime | None

    @classmethod
    def of(cls, name: str, workers: int, published: WorkloadRecord | None, failure: WorkloadFailure | None = None) -> WorkloadBody:
        """Return the body of a workload that `workers` live workers have. With a failure, `version` is the one that failed."""
        latest = failure or published
        return cls(
            name=name,
            workers=workers,
            digest=None if published is None else published.digest,
            description=None if published is None else dict(published.description),
            version=None if latest is None else latest.version,
            error=None if failure is None else WorkloadError(message=failure.message, at=failure.at),
            published_at=None if latest is None else latest.published_at,
        )


class WorkloadList(Body):
    """All workloads that are registered here or were published by a worker."""

    workloads: list[WorkloadBody]
    next_page_token: str = ""


class Catalog(Body):
    """The names that a definition may use, with parameters, directions and ranges."""

    losses: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    penalties: list[dict[str, Any]]
    optimizers: list[dict[str, Any]]
    samplers: list[dict[str, Any]]
    aggregates: list[dict[str, Any]]
    pruners: list[dict[str, Any]]
    weighting_rules: list[dict[str, Any]]
    baselines: list[dict[str, Any]]
    aliases: dict[str, dict[str, str]]


class Health(Body):
    """That the service is there."""

    status: str = Field(examples=["ok"])


class FaultBody(Body):
    """One thing that is wrong: where, and what was expected."""

    path: str = Field(examples=["tasks.0.losses.0.loss"])
    expected: str
    got: str
    did_you_mean: str | None


class ProblemBody(Body):
    """An error (RFC 9457), sent as `application/problem+json`."""

    type: str = Field(description="Stable; a path of this service.", examples=["/problems/definition-refused"])
    title: str
    status: int
    detail: str
    errors: list[FaultBody] = Field(description="Each single thing that is wrong.")


class ProblemType(Body):
    """What a problem's `type` means."""

    type: str
    title: str
    status: int
    description: str


class ProblemTypeList(Body):
    """All problem types."""

    problems: list[ProblemType]
