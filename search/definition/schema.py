"""The study definition: what a user POSTs. The field descriptions here are the reference that the OpenAPI page shows.

Only the form of each part is checked here; what holds between parts is in `search.validation.checks`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, Tag, model_validator

from search.catalog import PENALTIES, PRUNERS, SAMPLERS
from search.catalog.entries import PenaltyEntry, PrunerEntry, SamplerEntry
from search.definition.effort import Confirmation, References, Stop
from search.definition.labels import BALANCED, REFUSE, ClassWeight, Missing
from search.definition.selectors import Selector
from search.definition.weights import SharedWeight, Space, Strict, Weight, refuse
from search.names import Key, Name, Path, StudyName

DEFINITION_VERSION = 1

MAX_TASKS = 64
MAX_TERMS = 64
MAX_PENALTIES = 64
MAX_TRIALS = 100_000
MAX_EPOCHS = 100_000
MAX_BATCH = 1_048_576
MAX_PRIORITY = 1000

Priority = Annotated[int, Field(strict=True, ge=-MAX_PRIORITY, le=MAX_PRIORITY)]
"""Which studies workers serve first: those of the highest."""

Config = dict[Annotated[str, Field(max_length=64)], JsonValue]
"""Constructor arguments by name, as JSON."""

PluginTraits = Annotated[
    dict[str, JsonValue] | None,
    Field(
        exclude_if=lambda traits: traits is None,
        description="What the worker's package says of a name from outside; filled in by the service, whatever is sent.",
    ),
]
"""Traits of a plug-in from outside, as they were published when the study was taken in; None for a name of our own."""


def _names(entries: Iterable[PenaltyEntry | PrunerEntry | SamplerEntry]) -> str:
    return ", ".join(entry.name for entry in entries)


SEARCHABLE = (
    'A range ({"low", "high"} or {"values"}, as for a weight) in place of a number searches it, where the catalog calls it '
    "searchable or where it belongs to the workload's own; its path among the parameters is `<term>.<argument>`, or "
    "`optimizer.<argument>`."
)


class WorkloadChoice(Strict):
    """The named problem: data and model."""

    name: Name = Field(description="Name of a registered workload: GET /v1/workloads lists them.")
    options: Config = Field(default_factory=dict, description="The workload's own options, by its published schema.")


class Loss(Strict):
    """One component loss of a task: an unweighted, named term."""

    name: Name = Field(description="Name of the term within its task; its path is `task.loss`.")
    loss: Name = Field(description="A loss of `keras.losses` by its snake_case name, or one of the workload's own.")
    config: Config = Field(default_factory=dict, description="Arguments of the loss, such as `label_smoothing`. " + SEARCHABLE)
    target: Key | None = Field(default=None, description="Key of y that this loss reads (default: the task's target).")
    weight: Weight = Field(default=1.0, description="Its loss weight: fixed, searched, or shared.")


class Metric(Strict):
    """One unweighted metric of a task, measured on the validation split."""

    name: Name = Field(description="Name of the metric within its task; its path is `task.metric`.")
    metric: Name = Field(
        description="A metric of `keras.metrics` by its snake_case name, an alias such as `iou`, or the workload's own."
    )
    config: Config = Field(default_factory=dict, description="Arguments of the metric, such as `k`.")
    direction: Literal["maximize", "minimize"] | None = Field(
        default=None, description="Which way is better. Required only for a metric that the catalog does not know."
    )


def _named_metric(value: Any) -> Any:
    """Read the short form: a metric's name alone names both the metric and its path."""
    return {"name": value, "metric": value} if isinstance(value, str) else value


class Task(Strict):
    """One output of the model that is to be predicted well."""

    name: Name = Field(description="Name of the task.")
    output: Key | None = Field(default=None, description="Key of the model's output dict (default: the task's name).")
    column: Annotated[int, Field(strict=True, ge=0, le=100_000)] | None = Field(
        default=None, description="One column of that output's last axis, kept as an axis of width 1: [batch, 1]."
    )
    target: Key | None = Field(default=None, description="Key of y (default: the task's name).")
    from_logits: bool = Field(
        strict=True,
        default=False,
        description="The output is logits. Passed to losses that know it; for all other losses, metrics and selectors a sigmoid "
        "(last axis 1) or softmax is put before.",
    )
    missing: Missing = Field(
        default="refuse",
        description="What marks a missing label in the target: `nan`, or a number such as -1. Missing labels count in no loss, "
        "metric or penalty that reads them; of several columns or steps of a row, only those that are missing do not. `refuse`: "
        "NaN in a target is an error.",
    )
    class_weight: ClassWeight | None = Field(
        default=None,
        description="How much each class counts in the losses on training rows, as in `fit`: `{class: weight}`, 1 for those left "
        "out; or `balanced`: n / (classes * count) over labelled training rows. Validation and test rows are not weighed so.",
    )
    losses: tuple[Loss, ...] = Field(
        default=(), max_length=MAX_TERMS, description="Component losses; may be empty where a penalty reads the task."
    )
    metrics: tuple[Annotated[Metric, BeforeValidator(_named_metric)], ...] = Field(
        default=(), max_length=MAX_TERMS, description="Unweighted metrics: a name, or {name, metric, config, direction}."
    )

    @property
    def used_output(self) -> str:
        return self.output or self.name

    @property
    def used_target(self) -> str:
        return self.target or self.name

    @property
    def read_targets(self) -> frozenset[str]:
        """The targets that its losses and metrics read."""
        return frozenset({self.used_target, *(loss.target for loss in self.losses if loss.target is not None)})

    @property
    def may_lack_labels(self) -> bool:
        return self.missing != REFUSE

    @property
    def weighs_labels(self) -> bool:
        """Whether labels count unequally: some are missing, or classes have weights."""
        return self.may_lack_labels or self.class_weight is not None

    @property
    def balances_classes(self) -> bool:
        return self.class_weight == BALANCED


class Penalty(Strict):
    """A named term over several outputs, or over inputs and outputs; zero when satisfied."""

    name: Name = Field(description="Name of the penalty and its path; it may not bear a task's name.")
    penalty: Name = Field(description=f"{_names(PENALTIES)}, or the workload's own.")
    config: Config = Field(
        default_factory=dict, description="Arguments of the penalty, such as consistency's `form`. " + SEARCHABLE
    )
    plugin: PluginTraits = None
    between: tuple[Selector, ...] | None = Field(
        default=None, min_length=2, max_length=2, description="The two sides; required for the built-in penalties."
    )
    weight: Weight = Field(default=1.0, description="Its weight: fixed, searched, or shared.")


class RelativeBound(Strict):
    """A bound that is measured before the search: the same metric of a reference or baseline, times and plus something."""

    of: Literal["reference", "equal", "current"] = Field(
        description="`reference`: the metric's task trained alone (mean over the references' seeds); `equal`: all weights 1; "
        "`current`: your own weights."
    )
    times: Annotated[float, Field(strict=True, gt=0, le=1e6)] = Field(default=1.0, description="Factor on the measured value.")
    plus: Annotated[float, Field(strict=True, ge=-1e12, le=1e12)] = Field(default=0.0, description="Added after the factor.")


Bound = Annotated[
    Annotated[float, Field(strict=True), Tag("number")] | Annotated[RelativeBound, Tag("relative")],
    Discriminator(
        lambda value: "relative" if isinstance(value, dict | RelativeBound) else "number",
        custom_error_type="bound_form",
        custom_error_message='a number or {"of", "times", "plus"}',
    ),
]


class ObjectiveMetric(Strict):
    """One unweighted number that the study is judged by."""

    metric: Path = Field(
        description="`task.metric`, a raw term's path, `<penalty>.violations`, or `*.metric`: that metric of every task with it."
    )
    direction: Literal["maximize", "minimize"] | None = Field(
        default=None, description="Which way is better; the catalog knows most."
    )
    utility: Annotated[float, Field(strict=True, gt=0, le=1e12)] = Field(
        default=1.0, description="How much it counts in the aggregate."
    )
    strategy: Literal["optimize", "constraint", "store"] = Field(
        default="optimize", description="Optimise it, hold it within bounds, or only store it with the objective."
    )
    at_least: Bound | None = Field(default=None, description="Constraint: smallest value that is feasible.")
    at_most: Bound | None = Field(default=None, description="Constraint: greatest value that is feasible.")

    @model_validator(mode="after")
    def _check(self) -> ObjectiveMetric:
        bounds = [name for name in ("at_least", "at_most") if getattr(self, name) is not None]
        if self.strategy == "constraint" and not bounds:
            raise refuse("at_least or at_most with strategy constraint", "neither")
        if self.strategy != "constraint" and bounds:
            raise refuse(f"strategy constraint with {' and '.join(bounds)}", self.strategy)
        if isinstance(self.at_least, float) and isinstance(self.at_most, float) and self.at_least > self.at_most:
            raise refuse("at_least <= at_most", {"at_least": self.at_least, "at_most": self.at_most})
        return self


class Objective(Strict):
    """What is optimised: unweighted per-task validation metrics, never a weighted loss."""

    metrics: tuple[ObjectiveMetric, ...] = Field(
        min_length=1, max_length=MAX_TERMS, description="The numbers the study is judged by."
    )
    aggregate: Name | None = Field(
        default=None,
        description="How two or more metrics become one value, always maximised (required then, since it changes the winner): "
        "`mean` (sum of utility x sign x metric over the sum of utilities; sign +1 to maximise, -1 to minimise), `worst` "
        "(the smallest utility x sign x metric), `geometric_mean`, `tchebycheff`, `smooth_tchebycheff`, `delta_m` (mean relative "
        "change against each task trained alone, in percent), or `pareto` (no one value: all trade-offs that nothing beats).",
    )
    config: Config = Field(
        default_factory=dict,
        description="Arguments of the aggregate: `ideal` ({path: best value}) for the Tchebycheff ones, `mu` for the smooth one, "
        "`references` ({path: value}) for delta_m where you know them already.",
    )
    epoch: Literal["last", "best"] = Field(default="last", description="Which epoch is a trial's result; both are stored.")
    plugin: PluginTraits = None


class Sampler(Strict):
    """How weight settings are suggested."""

    name: Name = Field(default="tpe", description=f"One of {_names(SAMPLERS)}, or of a plug-in.")
    config: Config = Field(default_factory=dict, description="Arguments of the sampler, such as tpe's `n_startup_trials`.")
    plugin: PluginTraits = None


class Pruner(Strict):
    """How hopeless search trials are ended early: by the study's aggregate at equal epochs."""

    name: Name = Field(description=f"One of {_names(PRUNERS)}, or of a plug-in.")
    config: Config = Field(default_factory=dict, description="Arguments of the pruner, such as `warmup_epochs`.")
    plugin: PluginTraits = None


class Search(Strict):
    """How long and by which sampler to search."""

    sampler: Sampler = Field(default_factory=Sampler, description="How weight settings are suggested.")
    trials: Annotated[int, Field(strict=True, ge=1, le=MAX_TRIALS)] | None = Field(
        default=None, description="Number of search trials (default 32; with grid: all points, and no other number)."
    )
    stop: Stop | None = Field(default=None, description="When to end the search early (default: never). Not hashed, like `trials`.")
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**31)] = Field(default=0, description="Seed of suggestions and of training.")
    seeds: Annotated[int, Field(strict=True, ge=1, le=32)] = Field(
        default=1,
        description="On how many seeds each search trial and each baseline trains, `seed` first. Its metrics are means over them, "
        "and its objective is that of the means; `by_seed` has the objective of each. A trial costs so many trainings.",
    )
    space: Space = Field(
        default="box",
        description="`box`: each weight in its own range. `simplex`: all searched weights sum to 1; or those of "
        '`{"simplex": [paths], "total": 1.0}` to that total. Each member is drawn in its own range and scale, then divided by the '
        "members' sum, times the total; `parameters` keeps what was drawn, `weights` what was used. With grid: every way to share "
        "the total out in steps of total / (`points` - 1), the same points for all members, 0 only where `low` is 0.",
    )
    pruner: Pruner | None = Field(default=None, description="Ends hopeless search trials early (default: none is).")
    normalize: Literal["initial_loss"] | None = Field(
        default=None,
        description="`initial_loss`: weights multiply losses divided by their value before training (study seed, training rows). "
        "`parameters` keeps what was drawn, `weights` what multiplied the raw loss.",
    )
    references: References | None = Field(
        default=None,
        description="Train each task alone (default: on 3 seeds where the objective needs it, that is for delta_m and for "
        "constraints relative to the reference; else not).",
    )
    baselines: tuple[Name, ...] | None = Field(
        default=None,
        max_length=32,
        description="Trainings that the winner is held against, beside your `current` weights: `equal` (all weights 1), "
        "`inverse_initial_loss`, `without` (equal without each penalty in turn; penalties of one shared weight count as one), and "
        "rules that adapt weights in training: "
        "`uncertainty` (Kendall 2018), `dwa` (Liu 2019), `random` (Lin 2021), `gradnorm` (Chen 2018), `famo` (Liu 2023), `imtl_l` "
        "(Liu 2021); `GET /v1/catalog` has their formulas. Default: the first three and `uncertainty`; none where nothing is "
        "confirmed.",
    )
    plugins: dict[str, dict[str, JsonValue]] | None = Field(
        default=None,
        exclude_if=lambda traits: traits is None,
        description="What workers' packages say of weighting rules from outside; filled in by the service, whatever is sent.",
    )
    confirmation: Confirmation | None = Field(
        default_factory=Confirmation,
        description="Afterwards, train the best trials and the baselines again on fresh seeds (default: the best 3, on as many "
        "seeds as 1.5 times the search's trainings allow; null leaves it out); `best` then answers with the confirmed winner, "
        "intervals and a verdict, on the test split where there is one.",
    )
    cohort_size: Annotated[int, Field(strict=True, ge=1, le=1024)] | None = Field(
        default=None, description="How many trials are trained together at most (default: chosen from the model's size)."
    )
    max_attempts: Annotated[int, Field(strict=True, ge=1, le=100)] = Field(
        default=3,
        description="How many training processes a trial may lose before it is FAILED: one that crashes, hangs or runs out of "
        "memory. The preflight too.",
    )
    max_losses: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(
        default=10,
        description="How many workers a trial may lose before it is FAILED: one that is killed, preempted, or loses its machine. "
        "The preflight too.",
    )


class Optimizer(Strict):
    """A Keras optimizer by name."""

    name: Name = Field(default="adam", description="An optimizer of `keras.optimizers` by its name, e.g. adam, sgd, adamw.")
    config: Config = Field(default_factory=dict, description="Arguments of the optimizer, such as `learning_rate`. " + SEARCHABLE)


class Training(Strict):
    """How each trial is trained; the same for all, so that trials differ by their weights alone."""

    epochs: Annotated[int, Field(strict=True, ge=1, le=MAX_EPOCHS)] = Field(
        default=10, description="Passes over the training rows."
    )
    batch_size: Annotated[int, Field(strict=True, ge=1, le=MAX_BATCH)] = Field(
        default=32, description="Rows a step; a short last batch is kept."
    )
    optimizer: Optimizer = Field(default_factory=Optimizer, description="The optimizer, new for every trial.")
    report_every: Annotated[int, Field(strict=True, ge=1, le=MAX_EPOCHS)] = Field(
        default=1, description="Validate and report every so many epochs; the last one always."
    )
    shuffle: Annotated[bool, Field(strict=True)] = Field(
        default=True,
        exclude_if=lambda shuffle: shuffle,
        description="`true`: each epoch takes the training rows in an order of its own, which the seed decides. `false`: as they "
        "come, in every epoch. Point sets of a workload (`extra`) are shuffled in any case.",
    )
    initial_weights: Literal["fresh", "fixed"] = Field(
        default="fresh",
        description="`fresh`: every seed has initial weights of its own; a workload whose build_model() gives the same under every "
        "seed is refused. `fixed`: every training starts from the weights that build_model() gives under seed 0, as where a model "
        "is read from a file; seeds then decide the order of rows alone, and that is all that intervals over seeds cover.",
    )


class StudyDefinition(Strict):
    """One search: what is trained, which weights are searched, and by what the result is judged."""

    name: StudyName | None = Field(default=None, description="Name of the study; made by the server if left out.")
    description: Annotated[str, Field(max_length=4096)] | None = Field(
        default=None, description="Free text; not part of the hashes."
    )
    labels: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=256)]] = Field(
        default_factory=dict, max_length=64, description="Free key-value pairs; not part of the hashes."
    )
    priority: Priority = Field(
        default=0,
        description="Workers serve the studies of the highest priority first, equal ones by turns; not part of the hashes.",
    )
    schema_: str | None = Field(default=None, alias="$schema", max_length=512, description="For editors; not part of the hashes.")
    workload: WorkloadChoice = Field(description="The named problem.")
    weights: dict[Name, SharedWeight] = Field(
        default_factory=dict, max_length=MAX_TERMS, description="Shared weights by name, for terms that count alike."
    )
    tasks: tuple[Task, ...] = Field(min_length=1, max_length=MAX_TASKS, description="The outputs that are to be predicted well.")
    penalties: tuple[Penalty, ...] = Field(default=(), max_length=MAX_PENALTIES, description="Terms over several outputs.")
    objective: Objective = Field(description="What is optimised.")
    search: Search = Field(default_factory=Search, description="How weights are searched.")
    training: Training = Field(default_factory=Training, description="How each trial is trained.")
