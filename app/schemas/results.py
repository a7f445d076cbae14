"""The best-weights document, as the OpenAPI page shows it. It is built by `search.export.best_weights`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.schemas.common import MOVES, AnchorBody, Body, NotFinite, Numbers
from app.schemas.sensitivity import Matters
from app.schemas.trials import MetricsBody, ObjectiveBody
from search.definition.schema import Objective
from search.definition.weights import Strict


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
    moves: bool = Field(description=MOVES)
    objective: ObjectiveBody
    metrics: MetricsBody


class BestObjective(ObjectiveBody):
    """The winner's objective."""

    aggregate: str | None


class TermsBody(Body):
    """The normalised tasks and penalties, so that the document works without the service."""

    tasks: list[dict[str, Any]]
    penalties: list[dict[str, Any]]


class SpreadBody(Body):
    """A number over fresh seeds."""

    mean: float | None
    std: float | None = Field(description="Standard deviation of the sample.")
    n: int = Field(description="Number of seeds.")


class HeldBody(Body):
    """In how many of the trainings on fresh seeds the winner kept a constraint."""

    metric: str
    at_least: float | None
    at_most: float | None
    held: int
    n: int


class ConfirmedBody(Body):
    """A finalist, baseline or reference on fresh seeds."""

    value: SpreadBody | None = Field(description="The objective's value; null for a reference.")
    metrics: dict[str, SpreadBody]
    breaks: list[str] = Field(description="The metrics whose mean misses a bound, or is not a number.")
    stands_for: list[str] = Field(description="Baselines of the same weights, which were not trained on fresh seeds themselves.")


class IntervalBody(Body):
    """How much better the winner is than a baseline, in pairs of equal seeds."""

    against: str
    told_as: str = Field(description="The baseline in words.", examples=["equal weights"])
    difference: float = Field(description="Mean of the winner's value minus the baseline's.")
    low: float = Field(description="Lower end of the 95 % interval (paired t, over all looks together).")
    high: float
    n: int
    call: str = Field(description="What the interval says: better, worse, as_good or not_enough.")


class LookBody(Body):
    """The winner beside a baseline after so many fresh seeds."""

    against: str
    after: int = Field(description="Seeds planned up to this look.")
    share: float = Field(description="Their share of all planned seeds.")
    error: float = Field(description="How often this look's interval may be wrong on either side: 0.025 over all looks together.")
    n: int = Field(description="Seeds that both finished.")
    difference: float | None
    std: float | None = Field(description="Standard deviation of the paired differences.")
    low: float | None
    high: float | None
    margin: float | None = Field(description="One training's luck: its standard deviation over seeds.")
    call: str


class ConfirmationBody(Body):
    """What training the finalists and baselines again on fresh seeds says."""

    verdict: str = Field(
        description="In a sentence or two: better than the best baselines, worse than one, as good as one, or not enough "
        "trainings to tell.",
        examples=["The tuned weights (trial 18) are as good as equal weights: they differ by less than one training's luck (...)."],
    )
    call: str | None = Field(description="The verdict in a word: better, worse, as_good or not_enough; null without a baseline.")
    story: str = Field(
        description="Metric by metric, from the baseline of the verdict to the tuned weights.",
        examples=["price MAE 69.0 -> 64.3, sold accuracy 82.4 -> 86.0 %"],
    )
    level: float = Field(description="Level of confidence of all intervals.")
    margin: float | None = Field(description="One training's luck: its standard deviation over seeds.")
    detectable: float | None = Field(
        description="The smallest lead over `story`'s baseline that these seeds could show; null without one, and where "
        "all seeds gave the same."
    )
    split: str = Field(description="What the numbers are of: test where the workload has it.")
    seeds: list[int] = Field(description="The fresh seeds that the winner's numbers are of, none of them used for choosing.")
    chosen_on: list[int] = Field(description="The fresh seeds that the winner and its rivals were chosen on.")
    trainings: int = Field(description="Trainings on fresh seeds.")
    most_trainings: int = Field(description="As many there could have been.")
    stop: str | None = Field(description="Why no more were trained: decided, futile or seeds (all planned ones).")
    looks: list[LookBody] = Field(description="Every comparison on the way.")
    optimism: float | None = Field(
        description="The winner's value in the search minus its mean here: what luck and choice had added."
    )
    constraints: list[HeldBody] = Field(description="Whether the winner keeps the constraints on fresh seeds.")
    anchors: list[AnchorBody] = Field(description="What the objective is relative to, measured on the same seeds and split.")
    candidates: dict[str, ConfirmedBody] = Field(description="By rule, or `trial 18`.")
    epochs: dict[str, int] | None = Field(
        default=None, description="The winner's epoch that counts, by seed; absent where it is the last."
    )
    against: dict[str, IntervalBody] = Field(description="By the baseline's rule.")


class Recommended(Body):
    """What to train with. A baseline goes before tuned weights that are no better: weights that need no search are good news."""

    pick: str = Field(
        description="For `?pick=`: `objective` (of a front `confirmed`), the tuned weights, or `baseline:RULE`.",
        examples=["baseline:equal"],
    )
    weights: Numbers | None = Field(description="Every term's weight; null for a rule that moves them in training.")
    loss_weights: dict[str, float | list[float] | None] | None = Field(
        default=None, description="For `compile`, as in the document; absent where that cannot say them."
    )
    sentence: str


class BestWeights(Body):
    """The weights of the best trial, ready for `model.compile(loss_weights=...)` where that is enough."""

    model_config = ConfigDict(title="BestWeights")

    format: Literal["steelyard/best-weights"]
    version: Literal[1]
    final: bool = Field(description="Whether the study has ended.")
    confirmed: bool = Field(description="Whether the trial was chosen by trainings on fresh seeds: see `confirmation`.")
    study: BestStudy
    trial: int
    picked_by: str
    seeds: list[int]
    epoch: int = Field(description="The epoch whose numbers count.")
    weights: Numbers = Field(description="Every term's weight.")
    shared: Numbers = Field(description="Shared weights by name.")
    parameters: Numbers
    normalized_by: Numbers | None = Field(
        default=None,
        description="With `normalize`: each loss before training. A weight is the drawn one divided by it. Absent without.",
    )
    schedules: dict[str, Any] = Field(
        description="How weights come to their final value, by term path; `start` is a multiple of it, `fraction` a share of the "
        "epochs.",
        examples=[{"agreement": {"shape": "linear", "start": 0.0, "fraction": 0.3}}],
    )
    loss_weights: dict[str, float | list[float] | None] | None = Field(
        default=None,
        description="For `compile`, by the model's output keys; null for an output without a loss. Absent for `custom_loss`.",
        examples=[{"digit": 1.0, "parity": 0.31}],
    )
    losses: dict[str, Any] | None = Field(
        default=None,
        description="For `compile`, by the model's output keys, in the form of `loss_weights`: Keras's configs for "
        "`keras.losses.deserialize`, with their reduction. Absent where the losses' names alone train what was tuned.",
        examples=[{"digit": {"class_name": "Huber", "config": {"delta": 2.0, "reduction": "mean_with_sample_weight"}}}],
    )
    penalty_weights: Numbers
    reproduced_by: Literal["compile", "compile_with_losses", "compile_and_penalties", "custom_loss"] = Field(
        description="What trains what was tuned: `compile` with losses by name; `compile_with_losses`, those of `losses`; "
        "`compile_and_penalties` and `custom_loss`: `steelyard.apply`."
    )
    note: str
    terms: TermsBody
    objective: BestObjective
    metrics: MetricsBody
    confirmation: ConfirmationBody | None = Field(default=None, description="Absent where the study has none, or has not ended.")
    recommended: Recommended | None = Field(default=None, description="What to train with. Absent as `confirmation` is.")
    sensitivity: Matters | None = Field(
        default=None, description="What matters, and within what range nothing does. Absent before the study is COMPLETE."
    )
    baselines: dict[str, BaselineBody]
    training: dict[str, Any]
    workload: dict[str, Any] = Field(
        description="Its name and options, and what a script that imports it must know: `place` is `module:attribute`. Where it is "
        "made of the user's own files, `version` is theirs when the trial was trained, and `changed` says whether workers have "
        "another by now.",
        examples=[{"name": "digits", "options": {}, "place": "search.workloads.digits:Digits"}],
    )
    versions: dict[str, str | None]
    not_finite: NotFinite = Field(default_factory=dict)


class RankRequest(Strict):
    """What a study's trials are to be ranked by, in place of its own objective. Nothing is trained and nothing stored."""

    objective: Objective = Field(
        description="As in a definition, constraints included; over any metrics and terms that the study measures. `epoch` is the "
        "study's own where it is left out; `best` means the best epoch under the study's own objective, which is the one stored."
    )
    top: Annotated[int, Field(strict=True, ge=1, le=1000)] = Field(default=10, description="How many trials are listed.")


class RankedTrial(Body):
    """A trial under another objective."""

    number: int
    role: str
    rule: str | None
    weights: Numbers
    objective: ObjectiveBody


class Ranking(Body):
    """The study's search trials and fixed baselines that were trained to their last epoch, best first.

    Feasible before infeasible, ties by number. Those that the study's own objective could not judge (`no_objective`) are there too.
    """

    study: str
    state: str
    final: bool = Field(description="Whether the study has ended.")
    aggregate: str
    objective: dict[str, Any] = Field(description="The normalised objective that they are ranked by.")
    ranked: int = Field(description="How many trials were ranked.")
    best: int | None = Field(description="The number of the best trial; null where no feasible one has a finite value.")
    trials: list[RankedTrial]
    not_finite: NotFinite = Field(default_factory=dict)


class FrontTrial(Body):
    """A trial that no other beats in one metric without losing in another."""

    number: int
    role: str
    rule: str | None
    weights: Numbers
    values: Numbers = Field(description="The optimised metrics, as measured.")


class ParetoFront(Body):
    """The non-dominated trials over the optimised metrics, in the order of their numbers."""

    study: str
    state: str
    final: bool = Field(description="Whether the study has ended.")
    metrics: dict[str, str] = Field(description="The optimised metrics with their directions.")
    trials: list[FrontTrial]
    reference_point: Numbers = Field(description="The worst stored value of each metric, or the one that was asked for.")
    hypervolume: float | None = Field(
        description="What the front dominates beyond the reference point; null where it is too large."
    )
    picks: dict[str, int | None] = Field(
        description="`GET .../best?pick=` of these; `rules` says how they pick.", examples=[{"knee": 17, "nearest_ideal": 9}]
    )
    rules: list[str] = Field(description="How each of these is defined.")
    not_finite: NotFinite = Field(default_factory=dict)
