"""What matters in a study, as the OpenAPI page shows it. It is gathered by `app.sensitivity`."""

from __future__ import annotations

from pydantic import Field

from app.schemas.common import Body, NotFinite, Numbers


class ImportanceBody(Body):
    """How much one parameter matters: its shares among all parameters, null where nothing can be told."""

    objective: float | None = Field(description="For the objective's value.")
    metrics: Numbers = Field(description="For each optimised metric.")


class RangeBody(Body):
    """The values of one parameter that are as good as the best within noise."""

    low: float | None = Field(description="The lowest of them that was tried; null for shapes of a schedule, which have no order.")
    high: float | None
    best: float | str = Field(description="The winner's value.")
    to_lowest: bool = Field(description="Whether nothing lower was tried.")
    to_highest: bool
    searched: list[float] | None = Field(description="The ends of what could be drawn.")
    values: list[float | str] | None = Field(default=None, description="Those that are as good, of a choice; absent for a range.")
    sentence: str = Field(examples=["any parity.crossentropy in [0.3, 3] is as good as the best within noise"])


class NoiseBody(Body):
    """How far one training's value lies from seed to seed, and what follows for the search's values."""

    std: float | None = Field(description="Standard deviation of the objective's value over seeds; null where it is not known.")
    of: str | None = Field(description="What it was measured on.")
    level: float
    best: float | None = Field(description="What the winner is worth: its mean on fresh seeds, or its search value if less.")
    margin: float | None
    least: float | None = Field(description="The least search value that is as good as the best: best minus margin.")
    why: str | None = Field(description="Why there is no noise, and so no ranges.")


class Matters(Body):
    """How much each searched parameter matters, and which range of it is as good as the best."""

    sequence: int = Field(description="How many outcomes the study had when the importances were worked out.")
    trial: int | None = Field(description="The winner that ranges are told around.")
    trials: int = Field(description="How many complete search trials the importances come from.")
    importance: dict[str, ImportanceBody] = Field(description="By parameter.")
    untold: dict[str, str] = Field(description="Why no importance is told, by `objective` or metric.")
    ranges: dict[str, RangeBody] = Field(description="By parameter; empty where the noise is not known.")
    noise: NoiseBody
    rules: list[str] = Field(description="How each of these is defined.")


class Sensitivity(Matters):
    """What matters in a study that has come to its end."""

    study: str
    state: str
    final: bool = Field(description="Whether the study has ended; false where it goes on after more trials were asked for.")
    not_finite: NotFinite = Field(default_factory=dict)
