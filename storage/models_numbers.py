"""The tables of numbers: of studies, of trials and of their epochs. `storage.models` is the door to all tables.

Numbers that may be NaN or infinite have two columns, `value` and `not_finite` (see `storage.types.split_float`).
These tables name a term by its id and have no foreign key to it: the ids come from the same study's rows in the same transaction,
and with the key, deleting a study would scan every value once per term.
"""

from __future__ import annotations

from sqlalchemy import JSON, Double, ForeignKey, Index, Integer, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from storage.models_base import IN_KEY_ORDER, WORD, Base, either_value_or_not_finite, one_of, table_of
from storage.records import Moment, Split
from storage.types import NOT_FINITE, Id, OpaqueJson


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


class TrialSeedRow(Base):
    """What a trial gave under one of its seeds, where it trains on several.

    `value` is the objective's; `measured` has the numbers that it is made of (see `storage.records.SeedResult`), None before the
    trial's end.
    """

    __tablename__ = "trial_seeds"
    __table_args__ = (one_of("not_finite", NOT_FINITE), IN_KEY_ORDER)

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    seed: Mapped[int] = mapped_column(Id)
    value: Mapped[float | None] = mapped_column(Double)
    not_finite: Mapped[str | None] = mapped_column(String(WORD))
    measured: Mapped[dict[str, dict[str, float]] | None] = mapped_column(OpaqueJson)


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


PARAMETERS = table_of(TrialParameterRow)
WEIGHTS = table_of(TrialWeightRow)
TRIAL_VALUES = table_of(TrialValueRow)
OBJECTIVE_VALUES = table_of(TrialObjectiveValueRow)
TRIAL_SEEDS = table_of(TrialSeedRow)
INITIAL_VALUES = table_of(InitialValueRow)
ANCHORS = table_of(AnchorRow)
EPOCH_WEIGHTS = table_of(EpochWeightRow)
EPOCHS = table_of(EpochRow)
EPOCH_VALUES = table_of(EpochValueRow)
