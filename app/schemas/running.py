"""What runs now of a study."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from app.schemas.common import Body


class CohortTrialBody(Body):
    """A trial in training."""

    number: int
    role: str
    rule: str | None
    epochs: int = Field(description="Epochs done.")


class CohortBody(Body):
    """Trials that one worker trains together, or a preflight, under a lease."""

    cohort: int | None = Field(description="Null for a preflight.")
    purpose: str = Field(description="preflight or cohort.")
    worker: str
    engine: str | None
    engine_why: str | None = Field(description="Why it trains so.")
    trials: list[CohortTrialBody]
    epochs_planned: int = Field(description="Epochs of each trial, if it does not end early.")
    seconds_left: float | None = Field(description="An estimate at the study's pace; null where there is nothing to judge by.")
    started_at: datetime
    lease_age_seconds: float = Field(description="Since the worker last wrote under its lease.")
    lease_expires_at: datetime


class CohortList(Body):
    """What runs now, and what has been spent."""

    study: str
    state: str
    trained_seconds: float = Field(description="Seconds that workers trained so far, over all trials' latest attempts.")
    cohorts: list[CohortBody]
