"""What matters in a study, as the OpenAPI page shows it. It is gathered by `app.sensitivity`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.schemas.common import Body, NotFinite, Numbers


class ImportanceBody(Body):
    """How much one parameter matters: its shares among all parameters, null where nothing can be said."""

    objective: float | None = Field(description="For the objective's value.")
    metrics: Numbers = Field(description="For each optimised metric.")


class CurvePointBody(Body):
    """One point of a parameter's curve: the objective's value by the model of all trainings."""

    at: float | str = Field(description="The parameter's value, in the units of `weights`.")
    mean: float
    low: float = Field(description="Lower end of the 95 % band.")
    high: float


class EdgeBody(Body):
    """The winner lies in the outer tenth of what was searched, or the model says that the best does: the range may be the limit."""

    end: Literal["low", "high", "both"] = Field(description="`both` where every value is as good: better ones may lie outside.")
    suggested: dict[str, float | str | list[float]] | None = Field(
        description="What to write in a definition next, in its units (with `normalize` not those of `weights`); null for a "
        "parameter that is no weight, and for a weight that hardly matters: every value over six decades or more is as good.",
        examples=[{"low": 0.0001, "high": 1.0, "scale": "log"}],
    )
    sentence: str


Span = tuple[float, float]


class RangeBody(Body):
    """What is known of one parameter, in the units of `weights`: what is as good as the winner, what is worse, and what is open."""

    low: float | None = Field(description="From here to `high` it is as good; null for shapes of a schedule, which have no order.")
    high: float | None
    best: float | str = Field(description="The winner's value.")
    to_lowest: bool = Field(description="Whether it is as good down to the lowest that could be drawn.")
    to_highest: bool
    searched: list[float] | None = Field(description="The ends of what could be drawn.")
    delta: float = Field(description="What a value may cost against the winner and still be as good: the noise of one training.")
    worse: list[Span | float | str] = Field(description="Where it is worse: spans, or values of a choice.")
    untold: list[Span | float | str] = Field(description="Where there are not enough trials to tell: spans, or values of a choice.")
    curve: list[CurvePointBody] = Field(description="101 points from end to end, even on the scale; of a choice, one a value.")
    edge: EdgeBody | None = Field(description="Where the range may be the limit; else null.")
    of: str | None = Field(description="The term whose weight the numbers are, where losses that share a weight are normalised.")
    values: list[float | str] | None = Field(default=None, description="Those that are as good, of a choice; absent for a range.")
    sentence: str = Field(
        examples=[
            "any left.crossentropy from 0.0063 to 0.07 costs at most 7.5 percentage points of the mean change against the winner, "
            "95 % sure; below 0.0045 and above 0.36 it is worse; between, there are not enough trials to tell"
        ]
    )


class NoiseBody(Body):
    """How far one training's value lies from seed to seed: by so much a value may differ from the winner and be as good."""

    std: float | None = Field(description="Standard deviation of the objective's value over seeds; null where it is not known.")
    of: str | None = Field(description="What it was measured on.")
    level: float
    best: float | None = Field(description="What the winner is worth by the model of all trainings.")
    margin: float | None = Field(description="What is still as good may cost so much: `std`.")
    least: float | None = Field(description="best minus margin.")
    why: str | None = Field(description="Why there are no ranges.")


class Matters(Body):
    """How much each searched parameter matters, and which range of it is as good as the winner."""

    sequence: int = Field(description="How many outcomes the study had when this was worked out.")
    trial: int | None = Field(description="The winner that ranges are stated around.")
    trials: int = Field(description="How many complete search trials the importances come from.")
    importance: dict[str, ImportanceBody] = Field(description="By parameter.")
    untold: dict[str, str] = Field(description="Why there is no importance, by `objective` or metric.")
    ranges: dict[str, RangeBody] = Field(description="By parameter; empty where the noise is not known.")
    noise: NoiseBody
    rules: list[str] = Field(description="How each of these is defined.")


class Sensitivity(Matters):
    """What matters in a study that has come to its end."""

    study: str
    state: str
    final: bool = Field(description="Whether the study has ended; false where it goes on after more trials were asked for.")
    not_finite: NotFinite = Field(default_factory=dict)
