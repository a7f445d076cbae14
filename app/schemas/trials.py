"""A trial as it goes out: alone, in a list, as columns, and its curves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from app.schemas.common import Body, NotFinite, Numbers, NumberSplitter, ReasonBody, reason_body
from storage.records import EpochRecord, Measured, TrialRecord

TRIAL_EXAMPLE: dict[str, Any] = {
    "number": 17,
    "role": "search",
    "rule": None,
    "state": "COMPLETE",
    "ended": True,
    "weights": {"digit.crossentropy": 1.0, "parity.crossentropy": 0.31, "agreement": 2.4},
    "parameters": {"parity.crossentropy": 0.31, "agreement": 2.4},
    "objective": {
        "value": 0.957,
        "values": {"digit.sparse_categorical_accuracy": 0.972, "parity.binary_accuracy": 0.942},
        "feasible": True,
        "violations": {},
    },
    "metrics": {"train": {"digit.crossentropy": 0.02}, "validation": {"digit.sparse_categorical_accuracy": 0.972}, "test": {}},
    "seed": 0,
    "seeds": [0],
    "by_seed": {"0": 0.957},
    "epochs": 10,
    "best_epoch": 9,
    "attempt": 1,
    "worker": "host-1",
    "cohort": 3,
    "engine": "vectorized",
    "engine_why": "a step of one setting is small, and its operations vectorise (0.57 Mflop forward, 0.31 MiB a setting)",
    "workload_version": None,
    "reason": None,
    "created_at": "2026-01-01T12:00:00Z",
    "started_at": "2026-01-01T12:00:01Z",
    "ended_at": "2026-01-01T12:00:09Z",
    "not_finite": {},
}


class ObjectiveBody(Body):
    """What a trial is judged by."""

    value: float | None = Field(description="The aggregate, always to be maximised; null before the end.")
    values: Numbers = Field(description="The metrics it is made of, as measured.")
    feasible: bool | None = Field(description="Whether all constraints hold; null before the end.")
    violations: Numbers = Field(description="By how much which constraint is missed.")


class MetricsBody(Body):
    """Unweighted terms and metrics at the epoch that counts, by split then path."""

    train: Numbers = Field(default_factory=dict, description="Row-weighted means over the epoch's training batches.")
    validation: Numbers = Field(default_factory=dict, description="What the study is judged by.")
    test: Numbers = Field(default_factory=dict, description="Read for confirmation trials only.")


class Trial(Body):
    """One training under one weight setting."""

    model_config = ConfigDict(json_schema_extra={"examples": [TRIAL_EXAMPLE]})

    number: int = Field(description="Counts from 0 within the study.")
    role: str = Field(description="reference, baseline, search or confirmation.")
    rule: str | None = Field(description="A baseline's rule: `current` is what you use today.")
    state: str = Field(description="WAITING, RUNNING, COMPLETE, PRUNED, FAILED, DIVERGED or CANCELLED.")
    ended: bool = Field(description="Whether the state is an end; none is left again but by a retry.")
    weights: Numbers = Field(description="The weight used for every term, fixed ones too.")
    parameters: Numbers = Field(description="The values drawn, by parameter path.")
    objective: ObjectiveBody
    metrics: MetricsBody
    seed: int
    seeds: list[int] = Field(
        description="All that it trained on, `seed` first: several where the study's `search.seeds` says so. Its metrics, by epoch "
        "too, are then means over them, and its objective is that of the means."
    )
    by_seed: dict[str, float | None] = Field(description="The objective's value under each seed; null where there is none.")
    epochs: int = Field(description="Epochs trained so far in the latest attempt.")
    best_epoch: int | None = Field(description="The epoch with the best objective.")
    attempt: int = Field(description="How often it was started.")
    worker: str | None
    cohort: int | None = Field(description="The trials with this number were trained together.")
    engine: str | None = Field(description="How it was trained: vectorized, vectorized_parts, unrolled or serial.")
    engine_why: str | None = Field(description="Why it was trained so.")
    workload_version: str | None = Field(
        description="The version of the workload's files that it was trained with; null where these are installed or built in."
    )
    reason: ReasonBody | None = Field(
        description="Why it ended so. `no_objective`: it was trained to its last epoch, but its objective is not finite (under "
        "`pareto`: one of its metrics is not); the message names the metrics, and what was measured is kept."
    )
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    not_finite: NotFinite = Field(default_factory=dict)


class Epoch(Body):
    """One epoch's numbers; epoch 0 is before training."""

    epoch: int
    train: Numbers
    validation: Numbers
    seconds: float = Field(description="The trial's share of its cohort's time.")
    weights: Numbers = Field(
        default_factory=dict, description="Those in force at the end of this epoch; empty where a trial's weights do not move."
    )
    not_finite: NotFinite = Field(default_factory=dict)


class TrialWithEpochs(Trial):
    """A trial with every epoch of its latest attempt."""

    intermediate_values: list[Epoch]


class TrialList(Body):
    """A page of trials."""

    trials: list[Trial]
    next_page_token: str = Field(description="For `page_token`; empty on the last page.")


class TrialTable(Body):
    """A page of trials as columns of equal length, for plots and data frames."""

    columns: dict[str, list[Any]] = Field(
        description="number, role, state, ... and `objective`, `weights.PATH`, `parameters.PATH`, `train.PATH`, `validation.PATH`.",
        examples=[{"number": [0, 1], "objective": [0.91, None], "validation.digit.accuracy": [0.95, None]}],
    )
    not_finite: dict[str, dict[str, str]] = Field(
        description="By column, then by index in it: nan, inf, -inf or undefined.", examples=[{"objective": {"1": "nan"}}]
    )
    next_page_token: str


class CurveBody(Body):
    """One trial's epochs, as lists of equal length."""

    trial: int
    epochs: list[int]
    values: dict[str, list[float | None]] = Field(description="By path; null where an epoch has no finite number.")
    not_finite: dict[str, dict[str, str]] = Field(description="By path, then by index in its list: nan, inf, -inf or undefined.")


class CurvesBody(Body):
    """Epochs of several trials at once."""

    split: str
    curves: list[CurveBody]


def objective_body(trial: TrialRecord, split: NumberSplitter, place: str) -> ObjectiveBody:
    return ObjectiveBody(
        value=split.one(f"{place}.value", trial.value),
        values=split.many(f"{place}.values", trial.values),
        feasible=trial.feasible,
        violations=split.many(f"{place}.violations", trial.violations),
    )


def metrics_body(measured: Measured, split: NumberSplitter, place: str) -> MetricsBody:
    return MetricsBody(
        train=split.many(f"{place}.train", measured.train),
        validation=split.many(f"{place}.validation", measured.validation),
        test=split.many(f"{place}.test", measured.test),
    )


def trial_fields(trial: TrialRecord, measured: Measured) -> dict[str, Any]:
    """Return the fields of a trial's body. `measured` holds the numbers at the epoch that counts for its study."""
    split = NumberSplitter()
    numbers = ("number", "rule", "ended", "seed", "epochs", "best_epoch", "attempt")
    same = (*numbers, "worker", "cohort", "engine", "engine_why", "workload_version")
    times = ("created_at", "started_at", "ended_at")
    own = trial.by_seed or {trial.seed: trial.value}
    return {
        **{name: getattr(trial, name) for name in (*same, *times)},
        "role": trial.role.value,
        "state": trial.state.value,
        "weights": split.many("weights", trial.weights),
        "parameters": split.many("parameters", trial.parameters),
        "objective": objective_body(trial, split, "objective"),
        "metrics": metrics_body(measured, split, "metrics"),
        "seeds": list(trial.seeds),
        "by_seed": {str(seed): split.one(f"by_seed.{seed}", value) for seed, value in own.items()},
        "reason": reason_body(trial.reason),
        "not_finite": split.not_finite,
    }


def trial_body(trial: TrialRecord, measured: Measured) -> Trial:
    return Trial.model_construct(**trial_fields(trial, measured))


def epoch_body(epoch: EpochRecord) -> Epoch:
    split = NumberSplitter()
    train, validation = split.many("train", epoch.train), split.many("validation", epoch.validation)
    weights = split.many("weights", epoch.weights)
    return Epoch(
        epoch=epoch.epoch, train=train, validation=validation, seconds=epoch.seconds, weights=weights, not_finite=split.not_finite
    )
