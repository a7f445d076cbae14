"""A study's trials as points to draw, however many there are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from app.schemas.common import Body


class PhaseBody(Body):
    """Consecutive trials of one role."""

    role: str
    first: int = Field(description="Number of its first trial.")
    last: int


class ImprovementBody(Body):
    """A trial that was the best when it ended, by number."""

    number: int
    value: float
    ended_at: datetime | None


class Points(Body):
    """Search trials, baselines and references as columns; of more than were asked for, a sample.

    In every sample: all baselines and references, the front, and every trial that was the best so far; the rest is evenly spaced.
    """

    study: str
    state: str
    trials: int = Field(description="How many there are in all.")
    sampled: bool = Field(description="Whether some are left out.")
    metrics: dict[str, str] = Field(description="The study's metrics with their directions; the objective's first.")
    optimized: list[str] = Field(description="Those that the objective optimises.")
    parameters: list[str] = Field(description="What is searched, by parameter path.")
    columns: dict[str, list[Any]] = Field(
        description="number, role, rule, state, objective, feasible, front, ended_at, `weights.PATH`, `parameters.PATH`, and "
        "`validation.PATH` of each metric; null for what is missing or not finite."
    )
    not_finite: dict[str, dict[str, str]] = Field(description="By column, then by index in it: nan, inf, -inf or undefined.")
    best_so_far: list[ImprovementBody]
    phases: list[PhaseBody]
