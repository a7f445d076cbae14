"""Every setting that was trained on fresh seeds, by seed."""

from __future__ import annotations

from pydantic import Field

from app.schemas.common import MOVES, Body, NotFinite, Numbers

BySeed = dict[str, float | None]
"""Numbers by seed."""


class EstimateBody(Body):
    """A mean over fresh seeds with its t interval at the document's level."""

    mean: float | None
    std: float | None = Field(description="Standard deviation of the sample.")
    low: float | None = Field(description="Lower end of the interval of the mean; null for fewer than two seeds.")
    high: float | None
    n: int


class GainBody(Body):
    """One setting minus another, in pairs of equal seeds. Of a metric it is in the metric's unit, not turned."""

    difference: float
    low: float
    high: float
    n: int
    better: bool | None = Field(description="Whether the first is better (true) or worse (false) beyond noise; null within it.")


class SettingBody(Body):
    """A finalist, baseline or reference with what its trainings on fresh seeds measured."""

    trial: int
    role: str
    rule: str | None
    told_as: str = Field(description="The setting in words.", examples=["equal weights"])
    weights: Numbers
    moves: bool = Field(description=MOVES)
    seeds: list[int]
    judged_on: list[int] = Field(description="The seeds that `value` and `means` are of: those not used for choosing, else all.")
    trials: dict[str, int] = Field(description="The number of the training on each seed.")
    searched: float | None = Field(description="The objective's value in the search: one seed, validation.")
    values: BySeed = Field(description="The objective's value by seed; empty for a reference, and before the study is COMPLETE.")
    metrics: dict[str, BySeed] = Field(description="Each term and metric by seed.")
    value: EstimateBody | None
    means: dict[str, EstimateBody] = Field(description="Each term and metric over the seeds of `judged_on`.")
    breaks: list[str] = Field(
        description="The metrics whose mean misses a bound, or is not a number on all these seeds; empty without a winner."
    )
    stands_for: list[str] = Field(
        description="Baselines of the same weights, which were not trained on fresh seeds themselves; empty without a winner."
    )


class AgainstBody(Body):
    """The winner, or what is recommended, against one other setting."""

    value: GainBody | None
    metrics: dict[str, GainBody]


class RepeatedSettings(Body):
    """All settings that were trained on fresh seeds; grows while the confirmation runs."""

    study: str
    state: str
    final: bool
    split: str | None = Field(description="What the numbers are of: test where the workload has it; null before the first one.")
    level: float = Field(description="Confidence of every interval in this document.")
    comparisons: int = Field(description="Number of finalists: on seeds that chose, differences are Bonferroni-corrected for it.")
    winner: str | None = Field(description="The key of the setting that won; null before the study is COMPLETE.")
    verdict: str | None
    call: str | None = Field(description="The verdict in a word: better, worse, as_good or not_enough.")
    directions: dict[str, str] = Field(description="minimize or maximize, by the path of a term or metric.")
    settings: dict[str, SettingBody] = Field(description="By rule, or `trial 18`.")
    against: dict[str, AgainstBody] = Field(description="By the baseline's rule; empty without a winner.")
    recommended: str | None = Field(description="The key of the setting to train with; null without a winner.")
    recommended_against: dict[str, AgainstBody] = Field(
        description="What is recommended against each other setting, by key: `against` where it is the winner. A baseline's leads "
        "over others are corrected for the number of baselines that it was chosen from; those in the value hold over all looks "
        "together."
    )
    not_finite: NotFinite = Field(default_factory=dict)
