"""Frozen values that leave the storage room: what the tables hold, without a session behind it.

Rows (`storage.models`) never leave `storage`; these records do. Every time is aware and UTC. Numbers may be NaN or infinite; a NaN
may be `UNDEFINED`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

Values = Mapping[str, float]
"""Numbers by term or metric path."""


class Undefined(float):
    """A NaN that knows why it is one: the rows there are do not define the number (AUC of one class, a mean over no rows).

    Every comparison, sort and mean takes it for the NaN that it is, and arithmetic gives a plain NaN. Ask with `isinstance`.
    """

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED = Undefined("nan")


class StudyState(StrEnum):
    QUEUED = "QUEUED"  # nobody has prepared it yet
    RUNNING = "RUNNING"  # prepared: cohorts are planned and trained
    PAUSED = "PAUSED"  # no new cohorts until it is resumed
    STOPPING = "STOPPING"  # what runs may finish, then STOPPED
    COMPLETE = "COMPLETE"  # the plan came to its end
    STOPPED = "STOPPED"  # ended early by a stop
    CANCELLED = "CANCELLED"  # ended at once by a cancel
    FAILED = "FAILED"  # cannot be run, or every trial failed


STUDY_ENDS = frozenset({StudyState.COMPLETE, StudyState.STOPPED, StudyState.CANCELLED, StudyState.FAILED})


class TrialState(StrEnum):
    WAITING = "WAITING"  # planned, no cohort holds it
    RUNNING = "RUNNING"  # in a cohort under a lease
    COMPLETE = "COMPLETE"  # trained to its last epoch
    PRUNED = "PRUNED"  # ended early as hopeless
    FAILED = "FAILED"  # lost its process or raised, attempts used up; or trained to its last epoch without an objective
    DIVERGED = "DIVERGED"  # a term became NaN or infinite
    CANCELLED = "CANCELLED"  # ended by the user


TRIAL_ENDS = frozenset(TrialState) - {TrialState.WAITING, TrialState.RUNNING}


NO_OBJECTIVE = "no_objective"
"""Code of the reason of a FAILED trial that was trained to its last epoch, but whose objective is not finite. Its numbers stay."""


class Role(StrEnum):
    REFERENCE = "reference"  # one task alone
    BASELINE = "baseline"  # a rule that needs no search
    SEARCH = "search"  # a suggestion of the sampler
    CONFIRMATION = "confirmation"  # a finalist again, on another seed


ADAPTIVE_ORIGIN = "adaptive"
"""Origin of a trial whose weights a rule moves in training: there are none that could be handed over, so it cannot win."""


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Moment(StrEnum):
    INITIAL = "initial"  # epoch 0, before training
    LAST = "last"  # the last epoch trained
    BEST = "best"  # the epoch with the best objective


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is as it is: a stable `code`, a sentence, and where (a path in the definition, or `file.py:12`)."""

    code: str
    message: str
    at: str | None = None


@dataclass(frozen=True, slots=True)
class TermRecord:
    """One thing that is measured in a study. `kind`: loss, penalty or metric; `direction`: minimize or maximize."""

    path: str
    kind: str
    direction: str
    task: str | None = None


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """One study. `definition` is normalised and without the budget, which is `trial_budget` (it may be raised)."""

    id: int
    name: str
    state: StudyState
    reason: Reason | None
    definition: Mapping[str, Any]
    definition_version: int
    definition_sha256: str
    problem_sha256: str
    workload: str
    description: str | None
    labels: Mapping[str, str]
    warnings: tuple[str, ...]
    trial_budget: int
    prepared: bool  # a preflight has passed: cohort_size and engine are set
    cohort_size: int | None  # of the next cohort at most; after an end for want of memory smaller than `prepared_cohort_size`
    engine: str | None
    engine_why: str | None
    threads: int | None  # of the training child
    preparations: int  # preflights lost with their training process
    sequence: int  # outcomes so far; grows by one with each
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    losses: int = 0  # preflights lost with their worker
    cohort_losses: int = 0  # times that the cohorts were halved
    cohort_successes: int = 0  # whole cohorts trained since the cohorts' size changed
    prepared_cohort_size: int | None = None  # as the preflight chose it
    priority: int = 0  # a higher one is served first
    turn_began_at: datetime | None = None
    turn_ended_at: datetime | None = None
    workload_version: str | None = None  # of the files that it is trained with; None where they are not versioned


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """A trial that the plan asks for. `parameters` are drawn values by parameter path, `weights` used values by term path.

    `seeds`: all that it trains on, `seed` first, where they are several; empty where `seed` is the only one. `planned_after` and
    `planned_beside` as in TrialRecord, of a trial that was drawn before it was planned; None where it is drawn with its plan.
    """

    role: Role
    rule: str | None
    parameters: Values
    weights: Values
    seed: int
    origin: str
    confirms: int | None = None
    sampler_state: Mapping[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    planned_after: int | None = None
    planned_beside: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial, with what the plan needs of it. `number` counts from 0 within its study.

    `attempt` counts the starts; `charged` those that ended with a lost training process, `losses` those with a lost worker;
    `cohort_limit` bounds the next cohort it may join.
    `planned_after` is the study's outcome sequence when it was planned, or drawn ahead of its plan; `planned_beside` has the
    numbers that ran then. A draw made ahead saw those of its own worker as they stood at their last report but one.
    `value`, `values`, `violations` are the objective's; `sequence` is the place of its end among the study's outcomes.
    `by_seed` has the objective's value under each seed, None where there is none (yet), of a trial that trains on several: its
    numbers are then means over these seeds, `seed` being the first. Empty of all others.
    """

    id: int
    study_id: int
    number: int
    role: Role
    rule: str | None
    origin: str
    confirms: int | None
    state: TrialState
    seed: int
    parameters: Values
    weights: Values
    sampler_state: Mapping[str, Any]
    planned_after: int
    planned_beside: tuple[int, ...]
    attempt: int
    charged: int
    cohort_limit: int | None
    epochs: int
    best_epoch: int | None
    value: float | None
    values: Values
    feasible: bool | None
    violations: Values
    reason: Reason | None
    worker: str | None
    cohort: int | None
    engine: str | None
    engine_why: str | None
    sequence: int | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    losses: int = 0
    workload_version: str | None = None  # of the files that it was trained with
    by_seed: Mapping[int, float | None] = field(default_factory=dict)

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds that it trains on, `seed` first."""
        return tuple(self.by_seed) or (self.seed,)

    @property
    def ended(self) -> bool:
        return self.state in TRIAL_ENDS

    @property
    def competes(self) -> bool:
        """Whether it may win: a search trial, or a baseline of fixed weights."""
        return self.role in (Role.SEARCH, Role.BASELINE) and self.origin != ADAPTIVE_ORIGIN

    @property
    def trained(self) -> bool:
        """Whether it was trained to its last epoch: it is COMPLETE, or FAILED for want of an objective alone."""
        without = self.state is TrialState.FAILED and self.reason is not None and self.reason.code == NO_OBJECTIVE
        return without or self.state is TrialState.COMPLETE


@dataclass(frozen=True, slots=True)
class Measured:
    """A trial's numbers at one moment, by split then path."""

    train: Values = field(default_factory=dict)
    validation: Values = field(default_factory=dict)
    test: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeedResult:
    """What a trial gave under one of its several seeds.

    `value` is the objective's, None where it has none (yet); `measured` has by epoch, then path, the validation numbers that it
    is made of: of the epoch that counts, or of all reported ones as long as that is not known.
    """

    value: float | None
    measured: Mapping[int, Values]


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch of one trial's latest attempt; epoch 0 is before training. `seconds` is the trial's share of its cohort's time.

    `weights` are those in force at the end of this epoch, of a trial whose weights move; empty for all others.
    """

    epoch: int
    train: Values
    validation: Values
    seconds: float
    weights: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AnchorRecord:
    """What trials are held against: the mean of a validation metric at `path` of a reference or baseline (`of`), and its spread."""

    of: str
    path: str
    value: float
    std: float | None
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AnalysisRecord:
    """What was worked out from a study's trials, when it had so many outcomes (`sequence`)."""

    kind: str
    sequence: int
    document: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Rival:
    """A search trial as it was after some epoch: its number, its place (from 0) among the study's search trials, and its validation
    numbers by path. `planned_after` as in TrialRecord."""

    number: int
    index: int
    values: Values
    planned_after: int = 0

    def counts_for(self, judged: Rival) -> bool:
        """Return whether it is there when another is judged: not where it was planned later, for the other came there before."""
        return self.number < judged.number or self.planned_after <= judged.planned_after


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended, as the worker records it.

    `measured` holds the numbers at each moment; the objective's fields are those of the epoch that counts. `by_seed` is filled
    where it trained on several seeds. `seconds` are those of epochs that only some of its seeds came to.
    """

    number: int
    state: TrialState
    epochs: int
    seconds: float = 0.0
    best_epoch: int | None = None
    value: float | None = None
    values: Values = field(default_factory=dict)
    feasible: bool | None = None
    violations: Values = field(default_factory=dict)
    measured: Mapping[Moment, Measured] = field(default_factory=dict)
    reason: Reason | None = None
    by_seed: Mapping[int, SeedResult] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A worker's time-limited claim. `token` is the row's own growing id; every write of the holder carries it."""

    token: int
    study_id: int
    worker_id: int
    purpose: str  # "preflight" or "cohort"
    cohort_id: int | None
    acquired_at: datetime
    expires_at: datetime
    released_at: datetime | None = None  # once set, the lease is over for good
    ending: str | None = None  # "completed", "released", "expired" or "revoked"


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that happened to a study. Ids grow, and become visible in that order within a study."""

    id: int
    study_id: int
    kind: str
    body: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Throughput:
    """How fast a study goes: epochs of trainings so far, the seconds they took one after another, and cohorts in training now.

    `under_way` are the epochs of those in training; `searched` the search trials that have ended, `searched_epochs` theirs:
    pruned ones have fewer than the definition says. `ended` counts the trainings of all trials that have ended: a trial on several
    seeds has one for each.
    """

    epochs: int
    seconds: float
    cohorts: int
    under_way: int = 0
    searched: int = 0
    searched_epochs: int = 0
    ended: int = 0


@dataclass(frozen=True, slots=True)
class StudyTotals:
    """A study's trials counted by state (every state is there), their epochs done, and how fast it goes."""

    trials: Mapping[str, int]
    epochs: int
    pace: Throughput


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of a study. `trials` has every state; `epochs` are trial-epochs done, `epochs_planned` those in the whole plan."""

    trials: Mapping[str, int]
    planned: int
    epochs: int
    epochs_planned: int
    seconds_left: float | None
