"""A study as it goes out, what may be changed of it, and what a validated definition would do."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.common import AnchorBody, Body, NotFinite, ReasonBody
from app.schemas.trials import ObjectiveBody
from search.definition.effort import Confirmation, Stop
from search.definition.schema import MAX_TRIALS, Priority


class ProgressBody(Body):
    """How far a study is."""

    trials: dict[str, int] = Field(
        description="Number of trials by state; every state is there.",
        examples=[{"WAITING": 4, "RUNNING": 8, "COMPLETE": 21, "PRUNED": 0, "FAILED": 0, "DIVERGED": 0, "CANCELLED": 0}],
    )
    planned: int = Field(description="Trials in the whole plan: at most those of all phases; once COMPLETE, those there are.")
    epochs: int = Field(description="Trial-epochs done.")
    epochs_planned: int = Field(description="Trial-epochs in the whole plan, if no trial ends early.")
    seconds_left: float | None = Field(
        description="An estimate at the present pace; null where there is nothing to judge by, or nobody to train it."
    )


class Best(Body):
    """The best trial so far."""

    number: int
    objective: ObjectiveBody


class Times(Body):
    """When what happened (UTC)."""

    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = Field(description="When its preflight had passed.")
    ended_at: datetime | None


class BoundBody(Body):
    """A constraint with its numbers, measured ones in place of what is relative."""

    metric: str
    at_least: float | None
    at_most: float | None


class Study(Body):
    """One search: its definition and how far it is."""

    name: str
    state: str = Field(description="QUEUED, RUNNING, PAUSED, STOPPING, COMPLETE, STOPPED, CANCELLED or FAILED.")
    ended: bool
    reason: ReasonBody | None = Field(
        description="Why it ended so, or what it waits for.",
        examples=[{"code": "no_live_worker", "message": "no live worker has workload 'ads'; 1 worker has: digits", "at": None}],
    )
    warnings: list[str] = Field(description="What is allowed, but probably not meant.")
    definition: dict[str, Any] = Field(description="Normalised: with every default and everything that was left to the service.")
    definition_sha256: str = Field(description="Equal for definitions that differ in name, description, labels and budget alone.")
    problem_sha256: str = Field(description="Of workload, tasks, penalties, objective and training: equal ones may be compared.")
    workload_version: str | None = Field(
        description="The version of the workload's files that all its trials are trained with: set when a worker prepares it; null "
        "where the workload is installed or built in."
    )
    cost: str = Field(
        description="What the whole plan costs, in trainings; in the answer to a POST also about how long it takes, where the same "
        "problem or workload was trained before.",
        examples=["32 to search + at most 48 to confirm, about 4 min; before them 4 baseline trainings"],
    )
    progress: ProgressBody
    anchors: list[AnchorBody] = Field(description="What the objective is relative to, once it has been measured.")
    bounds: list[BoundBody] = Field(description="The constraints with their numbers; null for a bound that is not measured yet.")
    in_percent: list[str] = Field(
        description="Paths of the metrics that are shares from 0 to 1 and read in percent; the workload's own are read as they are."
    )
    best: Best | None = Field(description="The best trial so far; null before one is complete and feasible.")
    times: Times
    not_finite: NotFinite = Field(default_factory=dict)


class StudyList(Body):
    """A page of studies, newest first."""

    studies: list[Study]
    next_page_token: str = Field(description="For `page_token`; empty on the last page.")


class Validation(Body):
    """What a definition would do. Nothing is stored."""

    definition: dict[str, Any] = Field(description="Normalised.")
    definition_sha256: str
    problem_sha256: str
    grid_size: int | None = Field(description="Number of points of the grid; null for other samplers.")
    trainings: int = Field(description="Trainings of all phases together, at most.")
    phases: dict[str, int] = Field(
        description="Trainings by role, at most: fewer where two baselines have the same weights, or finalists are lacking.",
        examples=[{"reference": 6, "baseline": 4, "search": 32, "confirmation": 48}],
    )
    cost: str = Field(description="The same in a sentence.", examples=["32 to search + at most 48 to confirm, about 4 min"])
    epochs: int = Field(description="Trial-epochs together.")
    estimated_seconds: float | None = Field(
        description="From studies of the same problem, else of the same workload; null where there are none."
    )
    warnings: list[str]


Label = Annotated[str, Field(max_length=256)]


class StudyPatch(BaseModel):
    """What may be changed of a study. Fields left out stay as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"trials": 64}], "minProperties": 1})

    trials: Annotated[int, Field(strict=True, ge=1, le=MAX_TRIALS)] | None = Field(
        default=None, description="New number of search trials, never below what has run. A COMPLETE study goes on."
    )
    stop: Stop | None = Field(
        default=None,
        description="When the search ends early, as in a definition; null: never. A COMPLETE study that had stopped so goes on.",
    )
    confirmation: Confirmation | None = Field(
        default=None,
        description="Repeat the winner on fresh seeds after all, as in a definition (`{}`: by default). Only of a study that "
        "confirms nothing; a COMPLETE one goes on.",
    )
    priority: Priority | None = Field(default=None, description="Which studies workers serve first: those of the highest.")
    labels: dict[Annotated[str, Field(max_length=64)], Label] | None = Field(
        default=None, max_length=64, description="Replaces all labels."
    )
    description: Annotated[str, Field(max_length=4096)] | None = Field(
        default=None, description="Replaces the description; an empty one clears it."
    )
