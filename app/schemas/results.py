"""The best-weights document, as the OpenAPI page shows it. It is built by `search.best`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.schemas.common import Body, NotFinite, Numbers
from app.schemas.trials import MetricsBody, ObjectiveBody


class BestStudy(Body):
    """The study that the weights come from."""

    name: str
    state: str
    definition_sha256: str
    problem_sha256: str


class BaselineBody(Body):
    """A baseline to compare with; `current` is what you use today."""

    trial: int
    state: str
    weights: Numbers
    objective: ObjectiveBody
    metrics: MetricsBody


class BestObjective(ObjectiveBody):
    """The winner's objective."""

    aggregate: str | None


class TermsBody(Body):
    """The normalised tasks and penalties, so that the document works without the service."""

    tasks: list[dict[str, Any]]
    penalties: list[dict[str, Any]]


class BestWeights(Body):
    """The weights of the best trial, ready for `model.compile(loss_weights=...)` where that is enough."""

    model_config = ConfigDict(title="BestWeights")

    format: Literal["steelyard/best-weights"]
    version: Literal[1]
    final: bool = Field(description="Whether the study has ended.")
    confirmed: bool = Field(description="Whether further seeds confirm the trial.")
    study: BestStudy
    trial: int
    picked_by: str
    seeds: list[int]
    epoch: int = Field(description="The epoch whose numbers count.")
    weights: Numbers = Field(description="Every term's weight.")
    shared: Numbers = Field(description="Shared weights by name.")
    parameters: Numbers
    schedules: dict[str, Any]
    loss_weights: dict[str, float | list[float] | None] | None = Field(
        default=None,
        description="For `compile`, by the model's output keys; null for an output without a loss. Absent for `custom_loss`.",
        examples=[{"digit": 1.0, "parity": 0.31}],
    )
    penalty_weights: Numbers
    reproduced_by: Literal["compile", "compile_and_penalties", "custom_loss"]
    note: str
    terms: TermsBody
    objective: BestObjective
    metrics: MetricsBody
    baselines: dict[str, BaselineBody]
    training: dict[str, Any]
    versions: dict[str, str | None]
    not_finite: NotFinite = Field(default_factory=dict)
