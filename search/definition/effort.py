"""How much is trained beside the search, and when the search may end early: parts of a definition's `search`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from search.definition.weights import Strict, refuse


class References(Strict):
    """Train each task alone: what it can reach by itself."""

    seeds: Annotated[int, Field(strict=True, ge=1, le=32)] = Field(
        default=3, description="How many seeds each task is trained alone on; the reference is their mean."
    )


class Confirmation(Strict):
    """Train finalists and baselines again on fresh seeds, and judge by those: the best of many single-seed trials flatters.

    First the finalists and the baselines train on two seeds; then the best finalist meets the two best baselines on seeds that
    chose nothing, until it is clear which is better or no training could make it so.
    """

    top: Annotated[int, Field(strict=True, ge=1, le=32)] = Field(
        default=3,
        description="How many of the best search trials are finalists; near neighbours of a better one give way to others. Fewer "
        "where `trainings` would leave the last ones hardly a seed to meet on.",
    )
    seeds: Annotated[int, Field(strict=True, ge=2, le=100)] = Field(
        default=12,
        description="On how many fresh seeds the winner and the two best baselines meet at most; the same for all, so that they "
        "are compared in pairs. Fewer where `trainings` allows no more, or where it is clear before.",
    )
    trainings: Annotated[int, Field(strict=True, ge=16, le=100_000)] | None = Field(
        default=None,
        description="Trainings on fresh seeds at most, those of baselines and references included (default: 1.5 times the "
        "search's, at least 24).",
    )


class Stop(Strict):
    """End the search before its trials are spent. What it found is trained on fresh seeds all the same."""

    after_seconds: Annotated[float, Field(strict=True, gt=0, le=1e9)] | None = Field(
        default=None,
        description="Plan no search trial once the study has trained for so long (waiting, pauses and fresh seeds aside); what "
        "runs ends, and `reason.code` is `stopped_after_seconds`.",
    )
    no_gain: Annotated[float, Field(strict=True, gt=0, le=100)] | None = Field(
        default=None,
        description="Plan no search trial once a model of all of them expects less to gain, in standard deviations of one training "
        "(1: one training's luck), after 12 trials at least; `reason.code` is `stopped_no_gain`.",
    )

    @model_validator(mode="after")
    def _check(self) -> Stop:
        if self.after_seconds is None and self.no_gain is None:
            raise refuse("after_seconds or no_gain", "neither")
        return self
