"""A service that has just begun has workers that are not yet known as such: a study then waits for them, and for nothing else."""

from __future__ import annotations

from starlette.datastructures import State

from app.readiness import standing_still
from app.schemas.studies import Study
from app.waiting import NOBODY


def with_starting(study: Study, starting: int) -> Study:
    """Return the study with what it waits for where no worker is alive, but the service's own, so many, are starting."""
    reason = study.reason
    if not starting or reason is None or not reason.message.endswith(NOBODY):
        return study
    message = "the worker is starting" if starting == 1 else f"{starting} workers are starting"
    return study.model_copy(update={"reason": reason.model_copy(update={"message": message})})


def as_it_stands(study: Study, state: State) -> Study:
    """Return the study with what the service itself knows of why it waits: `state` is the application's."""
    return standing_still(with_starting(study, state.own_workers()), state.readiness)
