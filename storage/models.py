"""The tables, and the door to all of them. A row never leaves this room: `storage.records` does.

The tables of numbers are in `storage.models_numbers`, what all tables share is in `storage.models_base`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from storage.models_base import IN_KEY_ORDER, NEVER_AGAIN, SHA256, WORD, one_of, table_of
from storage.models_base import Base as Base
from storage.models_numbers import ANCHORS as ANCHORS
from storage.models_numbers import EPOCH_VALUES as EPOCH_VALUES
from storage.models_numbers import EPOCH_WEIGHTS as EPOCH_WEIGHTS
from storage.models_numbers import EPOCHS as EPOCHS
from storage.models_numbers import INITIAL_VALUES as INITIAL_VALUES
from storage.models_numbers import OBJECTIVE_VALUES as OBJECTIVE_VALUES
from storage.models_numbers import PARAMETERS as PARAMETERS
from storage.models_numbers import TRIAL_SEEDS as TRIAL_SEEDS
from storage.models_numbers import TRIAL_VALUES as TRIAL_VALUES
from storage.models_numbers import WEIGHTS as WEIGHTS
from storage.records import Role, StudyState, TrialState
from storage.types import NOT_FINITE, AnyText, Id, OpaqueJson, UtcDateTime

NOT_SEARCHED = text("role <> 'search'")
"""As a literal: SQLite takes a partial index only for a condition that says so before any parameter is bound."""


class StudyRow(Base):
    """One study. `reason_*` says why it ended, or what it waits for."""

    __tablename__ = "studies"
    __table_args__ = (one_of("state", StudyState), Index(None, "state", "id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    state: Mapped[str] = mapped_column(String(16))
    reason_code: Mapped[str | None] = mapped_column(String(64))
    reason_message: Mapped[str | None] = mapped_column(AnyText)
    reason_at: Mapped[str | None] = mapped_column(AnyText)
    definition: Mapped[dict[str, Any]] = mapped_column(JSON)
    definition_version: Mapped[int] = mapped_column(Integer)
    definition_sha256: Mapped[str] = mapped_column(SHA256)
    problem_sha256: Mapped[str] = mapped_column(SHA256)
    workload: Mapped[str] = mapped_column(String(64))
    description: Mapped[str | None] = mapped_column(AnyText)
    labels: Mapped[dict[str, str]] = mapped_column(JSON)
    warnings: Mapped[list[str]] = mapped_column(JSON)
    trial_budget: Mapped[int] = mapped_column(Integer)
    prepared: Mapped[bool] = mapped_column(Boolean)
    cohort_size: Mapped[int | None] = mapped_column(Integer)
    engine: Mapped[str | None] = mapped_column(String(64))
    engine_why: Mapped[str | None] = mapped_column(AnyText)
    threads: Mapped[int | None] = mapped_column(Integer)
    preparations: Mapped[int] = mapped_column(Integer)
    sequence: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    losses: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    cohort_losses: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    cohort_successes: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    prepared_cohort_size: Mapped[int | None] = mapped_column(Integer)
    priority: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    turn_began_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # see `storage.turns`
    turn_ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    workload_version: Mapped[str | None] = mapped_column(SHA256)


class TermRow(Base):
    """One thing that a study measures, in the definition's order."""

    __tablename__ = "terms"
    __table_args__ = (
        UniqueConstraint("study_id", "path"),
        one_of("kind", ("loss", "penalty", "metric")),
        one_of("direction", ("minimize", "maximize")),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    path: Mapped[str] = mapped_column(String(160))
    kind: Mapped[str] = mapped_column(String(16))
    direction: Mapped[str] = mapped_column(String(16))
    task: Mapped[str | None] = mapped_column(String(64))


class CohortRow(Base):
    """Trials that one worker trains together. `seconds` is wall time, once it has ended."""

    __tablename__ = "cohorts"
    __table_args__ = (Index(None, "study_id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"))
    worker: Mapped[str] = mapped_column(String(128))
    engine: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    seconds: Mapped[float | None] = mapped_column(Double)


class TrialRow(Base):
    """One trial. Within a study ids grow with numbers. `epochs` and `seconds` are those of the latest attempt so far."""

    __tablename__ = "trials"
    __table_args__ = (
        UniqueConstraint("study_id", "number"),
        UniqueConstraint("study_id", "sequence"),  # two outcomes can never share a place, whoever races
        one_of("state", TrialState),
        one_of("role", Role),
        CheckConstraint(f"value_not_finite IN ({', '.join(repr(word) for word in NOT_FINITE)})", name="value_not_finite"),
        CheckConstraint("value IS NULL OR value_not_finite IS NULL", name="value"),
        Index(None, "study_id", "value"),
        Index("ix_trials_not_searched", "study_id", "role", "state", sqlite_where=NOT_SEARCHED, postgresql_where=NOT_SEARCHED),
        Index("ix_trials_best", "study_id", "state", text("feasible DESC"), text("value DESC"), "number"),
        Index(None, "cohort_id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    role: Mapped[str] = mapped_column(String(16))
    rule: Mapped[str | None] = mapped_column(String(64))
    origin: Mapped[str] = mapped_column(String(64))
    confirms: Mapped[int | None] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    seed: Mapped[int] = mapped_column(Id)
    sampler_state: Mapped[dict[str, Any]] = mapped_column(OpaqueJson)
    planned_after: Mapped[int] = mapped_column(Integer)
    planned_beside: Mapped[list[int]] = mapped_column(OpaqueJson)
    attempt: Mapped[int] = mapped_column(Integer)
    charged: Mapped[int] = mapped_column(Integer)
    cohort_limit: Mapped[int | None] = mapped_column(Integer)
    epochs: Mapped[int] = mapped_column(Integer)
    seconds: Mapped[float] = mapped_column(Double)
    best_epoch: Mapped[int | None] = mapped_column(Integer)
    value: Mapped[float | None] = mapped_column(Double)
    value_not_finite: Mapped[str | None] = mapped_column(String(WORD))
    feasible: Mapped[bool | None] = mapped_column(Boolean)
    reason_code: Mapped[str | None] = mapped_column(String(64))
    reason_message: Mapped[str | None] = mapped_column(AnyText)
    reason_at: Mapped[str | None] = mapped_column(AnyText)
    worker: Mapped[str | None] = mapped_column(String(128))
    cohort_id: Mapped[int | None] = mapped_column(ForeignKey("cohorts.id"))
    engine: Mapped[str | None] = mapped_column(String(64))
    engine_why: Mapped[str | None] = mapped_column(AnyText)
    sequence: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    losses: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    workload_version: Mapped[str | None] = mapped_column(SHA256)


class AnalysisRow(Base):
    """What a worker worked out from a study's trials; `sequence` is the study's count of outcomes when it did."""

    __tablename__ = "analyses"

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WorkerRow(Base):
    """A worker process, one row per start. The last columns are of its last heartbeat: see `storage.fleet_records.WorkerUsage`."""

    __tablename__ = "workers"
    __table_args__ = (one_of("state", ("starting", "idle", "busy", "stopped")), Index(None, "heartbeat_at"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    host: Mapped[str] = mapped_column(AnyText)
    pid: Mapped[int] = mapped_column(Integer)
    version: Mapped[str] = mapped_column(String(64))
    workloads: Mapped[list[str]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    heartbeat_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    peak_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    traces: Mapped[int | None] = mapped_column(Integer)  # these and the next are of the training process
    tracing_seconds: Mapped[float | None] = mapped_column(Double)
    work_seconds: Mapped[float | None] = mapped_column(Double)
    warm: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))


class LeaseRow(Base):
    """A worker's claim on a cohort (or a preflight). Its id is the fencing token; `released_at` ends it for good."""

    __tablename__ = "leases"
    __table_args__ = (
        one_of("purpose", ("preflight", "cohort")),
        one_of("ending", ("completed", "released", "expired", "revoked")),
        CheckConstraint("(released_at IS NULL) = (ending IS NULL)", name="ended"),
        Index(
            "ix_leases_live",
            "study_id",
            "purpose",
            sqlite_where=text("released_at IS NULL"),
            postgresql_where=text("released_at IS NULL"),
        ),
        Index(None, "study_id"),
        Index(None, "worker_id"),
        NEVER_AGAIN,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"))
    worker_id: Mapped[int] = mapped_column(ForeignKey("workers.id"))
    purpose: Mapped[str] = mapped_column(String(16))
    cohort_id: Mapped[int | None] = mapped_column(ForeignKey("cohorts.id", ondelete="CASCADE"))
    acquired_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    written_at: Mapped[datetime | None] = mapped_column(UtcDateTime)  # the last fenced write
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ending: Mapped[str | None] = mapped_column(String(16))


class WorkloadRow(Base):
    """What workers published of a workload; the latest wins. `version`: of the user's files that it is made of."""

    __tablename__ = "workloads"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(String(128))
    description: Mapped[dict[str, Any]] = mapped_column(JSON)
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[str | None] = mapped_column(SHA256)


class WorkloadFailureRow(Base):
    """Why a worker could not describe a workload; the latest wins, and a description takes it away."""

    __tablename__ = "workload_failures"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str | None] = mapped_column(SHA256)
    message: Mapped[str] = mapped_column(AnyText)
    at: Mapped[str | None] = mapped_column(AnyText)
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WorkerWorkloadRow(Base):
    """A version of a workload that a worker can train."""

    __tablename__ = "worker_workloads"
    __table_args__ = (IN_KEY_ORDER,)

    worker_id: Mapped[int] = mapped_column(ForeignKey("workers.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(SHA256, primary_key=True)


class PluginRow(Base):
    """What workers published of a plug-in from outside; the latest wins. `failure`: why a worker could not load it."""

    __tablename__ = "plugins"

    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str | None] = mapped_column(String(128))
    traits: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    failure: Mapped[str | None] = mapped_column(AnyText)
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WorkerPluginRow(Base):
    """A plug-in from outside that a worker can run."""

    __tablename__ = "worker_plugins"
    __table_args__ = (IN_KEY_ORDER,)

    worker_id: Mapped[int] = mapped_column(ForeignKey("workers.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)


class EventRow(Base):
    """Something that happened to a study. Written under the study's lock, so that ids become visible in their order."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "study_id", "id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(64))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


# Queries name the tables themselves: rows as objects cost twice the time, and their identity map shows what was read before.
STUDIES = table_of(StudyRow)
TERMS = table_of(TermRow)
COHORTS = table_of(CohortRow)
TRIALS = table_of(TrialRow)
WORKERS = table_of(WorkerRow)
LEASES = table_of(LeaseRow)
WORKLOADS = table_of(WorkloadRow)
WORKLOAD_FAILURES = table_of(WorkloadFailureRow)
WORKER_WORKLOADS = table_of(WorkerWorkloadRow)
PLUGINS = table_of(PluginRow)
WORKER_PLUGINS = table_of(WorkerPluginRow)
EVENTS = table_of(EventRow)
ANALYSES = table_of(AnalysisRow)
