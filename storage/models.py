"""The tables. A row never leaves this room: `storage.records` does.

Numbers that may be NaN or infinite have two columns, `value` and `not_finite` (see `storage.types.split_float`).
The tables of numbers name a term by its id and have no foreign key to it: the ids come from the same study's rows in the same
transaction, and with the key, deleting a study would scan every value once per term.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.records import Moment, Role, Split, StudyState, TrialState
from storage.types import NOT_FINITE, AnyText, Id, OpaqueJson, UtcDateTime

SHA256 = String(64)
WORD = max(map(len, NOT_FINITE))

# Ids that are told to others (tokens, event ids, page positions) must never come back; SQLite's plain rowids do.
NEVER_AGAIN = {"sqlite_autoincrement": True}
# Rows that are only ever read by a prefix of their key live in the key's own tree: one write instead of two.
IN_KEY_ORDER = {"sqlite_with_rowid": False}


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )


def one_of(column: str, words: Iterable[str]) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def either_value_or_not_finite() -> CheckConstraint:
    return CheckConstraint("(value IS NULL) <> (not_finite IS NULL)", name="either")


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


class TrialParameterRow(Base):
    """A value drawn by the sampler, by parameter path, in the order in which the sampler named them."""

    __tablename__ = "trial_parameters"
    __table_args__ = (IN_KEY_ORDER,)

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    path: Mapped[str] = mapped_column(String(160))
    value: Mapped[float] = mapped_column(Double)


class TrialWeightRow(Base):
    """The loss weight used for one term."""

    __tablename__ = "trial_weights"
    __table_args__ = (IN_KEY_ORDER,)

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    term_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    value: Mapped[float] = mapped_column(Double)


class TrialValueRow(Base):
    """One term or metric of one trial at one moment on one split: what trials are sorted by."""

    __tablename__ = "trial_values"
    __table_args__ = (
        one_of("moment", Moment),
        one_of("split", Split),
        one_of("not_finite", NOT_FINITE),
        either_value_or_not_finite(),
        Index("ix_trial_values_sort", "term_id", "split", "moment", "value", "trial_id"),
        IN_KEY_ORDER,
    )

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    moment: Mapped[str] = mapped_column(String(8), primary_key=True)
    split: Mapped[str] = mapped_column(String(10), primary_key=True)
    term_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    value: Mapped[float | None] = mapped_column(Double)
    not_finite: Mapped[str | None] = mapped_column(String(WORD))


class TrialObjectiveValueRow(Base):
    """What one metric gave to the objective (`kind` value), or by how much a constraint is missed (`kind` violation)."""

    __tablename__ = "trial_objective_values"
    __table_args__ = (
        one_of("kind", ("value", "violation")),
        one_of("not_finite", NOT_FINITE),
        either_value_or_not_finite(),
        IN_KEY_ORDER,
    )

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    path: Mapped[str] = mapped_column(String(160))
    value: Mapped[float | None] = mapped_column(Double)
    not_finite: Mapped[str | None] = mapped_column(String(WORD))


class InitialValueRow(Base):
    """What a term is before any training, on the training rows, under the study's own seed: measured when it was prepared."""

    __tablename__ = "initial_values"
    __table_args__ = (IN_KEY_ORDER,)

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True)
    term_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    value: Mapped[float] = mapped_column(Double)


class AnchorRow(Base):
    """A measured number that trials are held against: a metric of a reference or baseline, over so many seeds."""

    __tablename__ = "anchors"
    __table_args__ = (IN_KEY_ORDER,)

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True)
    of: Mapped[str] = mapped_column(String(32), primary_key=True)
    term_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    value: Mapped[float] = mapped_column(Double)
    std: Mapped[float | None] = mapped_column(Double)
    seeds: Mapped[list[int]] = mapped_column(JSON)


class AnalysisRow(Base):
    """What a worker worked out from a study's trials; `sequence` is the study's count of outcomes when it did."""

    __tablename__ = "analyses"

    study_id: Mapped[int] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class EpochWeightRow(Base):
    """The weight in force in one epoch, of a trial whose weights move: scheduled ones, and those of rules that adapt."""

    __tablename__ = "epoch_weights"
    __table_args__ = (IN_KEY_ORDER,)

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    term_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    value: Mapped[float] = mapped_column(Double)


class EpochRow(Base):
    """One reported epoch of one attempt; epoch 0 is before training. `seconds` is the trial's share of its cohort's time."""

    __tablename__ = "epochs"
    __table_args__ = (IN_KEY_ORDER,)

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seconds: Mapped[float] = mapped_column(Double)


class EpochValueRow(Base):
    """One term or metric after one epoch."""

    __tablename__ = "epoch_values"
    __table_args__ = (
        one_of("split", Split),
        one_of("not_finite", NOT_FINITE),
        either_value_or_not_finite(),
        IN_KEY_ORDER,
    )

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    split: Mapped[str] = mapped_column(String(10), primary_key=True)
    term_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    value: Mapped[float | None] = mapped_column(Double)
    not_finite: Mapped[str | None] = mapped_column(String(WORD))


class WorkerRow(Base):
    """A worker process, one row per start."""

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
    """What workers published of a workload; the latest wins."""

    __tablename__ = "workloads"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(String(128))
    description: Mapped[dict[str, Any]] = mapped_column(JSON)
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)


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


def _table(row: type[Base]) -> Table:
    assert isinstance(row.__table__, Table)
    return row.__table__


# Queries name the tables themselves: rows as objects cost twice the time, and their identity map shows what was read before.
STUDIES = _table(StudyRow)
TERMS = _table(TermRow)
COHORTS = _table(CohortRow)
TRIALS = _table(TrialRow)
PARAMETERS = _table(TrialParameterRow)
WEIGHTS = _table(TrialWeightRow)
TRIAL_VALUES = _table(TrialValueRow)
OBJECTIVE_VALUES = _table(TrialObjectiveValueRow)
EPOCHS = _table(EpochRow)
EPOCH_VALUES = _table(EpochValueRow)
WORKERS = _table(WorkerRow)
LEASES = _table(LeaseRow)
WORKLOADS = _table(WorkloadRow)
PLUGINS = _table(PluginRow)
WORKER_PLUGINS = _table(WorkerPluginRow)
EVENTS = _table(EventRow)
INITIAL_VALUES = _table(InitialValueRow)
ANCHORS = _table(AnchorRow)
ANALYSES = _table(AnalysisRow)
EPOCH_WEIGHTS = _table(EpochWeightRow)
