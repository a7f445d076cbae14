"""The values that the catalog's tables are made of: parameters and entries. Frozen, JSON-ready, and light to import."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict. Tables hold tuples for lists."""

Direction = Literal["maximize", "minimize"]

Labels = Literal["integer", "one_hot", "binary", "continuous", "class_ids", "sequence"]
"""What a loss or metric wants its targets to be.

integer: class indices, one axis less than the output (or width 1). one_hot: a row of class probabilities in the output's shape.
binary: 0/1 in the output's shape (class indices become one-hot). continuous: real numbers in the output's shape. class_ids: class
indices on both sides, so the prediction goes through argmax (or a threshold of 0.5 where its width is 1). sequence: padded class
indices [batch, length], 0 for padding.
"""


class Marker(Enum):
    """A default that is no value."""

    REQUIRED = "required"  # the definition must give it
    FROM_OUTPUT = "from_output"  # the number of classes that the task's output has, unless given


REQUIRED = Marker.REQUIRED
FROM_OUTPUT = Marker.FROM_OUTPUT


@dataclass(frozen=True, slots=True)
class Parameter:
    """One constructor argument that a definition's `config` may name.

    `kind` is `any`, `number`, `integer`, `boolean`, `string`, `array[<one of those>]`, or several joined by ` or `. Bounds: `least`
    and `most` belong to the range, `above` and `below` do not; they hold for the items of an array too. `searchable`: a study may
    give a range in place of the number, since a tensor does in its place.
    """

    name: str
    default: Json | Marker
    kind: str
    description: str
    nullable: bool = False
    choices: tuple[Json, ...] = ()
    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    searchable: bool = False

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold between several arguments; `expected` finishes the sentence "expected ..."."""

    expected: str
    holds: Callable[[Mapping[str, Json]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One name that a definition may use.

    `owned` are arguments of the Keras or Optuna class that the service sets itself, each with the sentence for whoever names one.
    """

    name: str
    summary: str
    keras_class: str | None = None
    parameters: tuple[Parameter, ...] = ()
    owned: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    def parameter(self, name: str) -> Parameter | None:
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    @property
    def searchable(self) -> tuple[str, ...]:
        """Names of the parameters that a study may search."""
        return tuple(parameter.name for parameter in self.parameters if parameter.searchable)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossEntry(Entry):
    """A loss of `keras.losses`."""

    labels: Labels
    knows_logits: bool = False  # has `from_logits`: the task's own is passed
    takes_raw_output: bool = False  # its formula wants the output as it comes: no sigmoid or softmax before it, ever
    can_be_negative: bool = False  # with targets and predictions of the right form
    batch_statistic: bool = False  # couples the rows of a batch, so it depends on the batch size
    columnwise: bool = False  # the mean over the last axis of one value a column, so that single columns may lack their label
    accuracy: str | None = None  # the metric that `accuracy` means beside this loss


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricEntry(Entry):
    """A metric of `keras.metrics`; `range` is (low, high), None for no bound."""

    direction: Direction | None
    range: tuple[float | None, float | None]
    labels: Labels
    takes_from_logits: bool = False  # has `from_logits`; it stays False, since the engine hands over probabilities
    takes_raw_output: bool = False  # as for losses
    columnwise: bool = False  # a mean or counts over columns, so that single columns may lack their label
    in_percent: bool = False  # a share of rows that people read in percent; AUC, F1 and overlaps end at 1 too, and are read as such

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the parameters that a definition must give."""
        return tuple(parameter.name for parameter in self.parameters if parameter.required)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerEntry(Entry):
    """An optimizer of `keras.optimizers`.

    `elementwise`: the update of one element depends on that element's own value, gradient and slots and on the step count alone, so
    that K models stacked on a new first axis are trained exactly as apart. `coupling` names the options that end it when set.
    """

    elementwise: bool
    coupling: tuple[str, ...] = ("clipnorm", "global_clipnorm")

    def stacks(self, config: Mapping[str, Json]) -> bool:
        """Return whether stacking is exact under `config`; Keras takes a norm of 0 or null as not set."""
        return self.elementwise and not any(config.get(option) for option in self.coupling)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginEntry(Entry):
    """A name that packages outside of this one may add to. `implementation` names what computes it: `module:attribute`."""

    implementation: str

    def arguments(self, config: Mapping[str, Json]) -> dict[str, Json]:
        """Return the arguments under `config`: as given, else their defaults; one that must be given and is not is left out."""
        defaults = {parameter.name: parameter.default for parameter in self.parameters if not isinstance(parameter.default, Marker)}
        return {**defaults, **config}


@dataclass(frozen=True, slots=True, kw_only=True)
class PenaltyEntry(PluginEntry):
    """A penalty over two sides: zero when satisfied. `has_rows`: it has a value for each row, so `<penalty>.violations` exists.

    The implementation is a function of the two sides and of the parameters but `tolerance`: see
    `search.training.problem.penalties`. One of a batch statistic takes `weights` too.
    """

    formula: str
    two_sided: bool = True
    batch_statistic: bool = False
    can_be_negative: bool = False
    has_rows: bool = True
    reduces_first: bool = False  # takes all axes of its first side but the batch and the last together


@dataclass(frozen=True, slots=True)
class Extra:
    """What an implementation needs beyond the dependencies: a module, its name for people, and what to install."""

    module: str
    title: str
    install: str


PRUNED_BATCH = 2
"""How many times as many trials are suggested at once under a pruner: most end early, and the others go on as a smaller stack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerEntry(PluginEntry):
    """A sampler.

    The implementation is `make(config, seed)`, which returns a sampler of Optuna, made anew for every suggestion; or, where
    `draws_points`, `points(definition, index, count)`, which returns the parameters of the points `index`, `index` + 1, ...

    `first_batch`, `next_batch`: how many trials one that `learns` suggests at once, before and after there are trials (then
    `PRUNED_BATCH` times as many under a pruner); `first_batch` may name the parameter that says it. `generation`: the parameter
    that says how many results make a generation, of one that learns from whole generations.
    """

    draws_points: bool = False
    is_grid: bool = False  # takes every point of the grid once, so the grid is the budget
    learns: bool = True  # else suggestions do not depend on results, and any number is planned at once
    first_batch: int | str = 16
    next_batch: int = 8
    generation: str = ""
    first_at_random: bool = False  # its first generation is drawn at random, so it selects nothing before the second
    single_valued: bool = False  # follows one value: not for a front
    models_values: bool = False  # models how values lie, so that an extreme one spoils what it learns
    heeds_constraints: bool = True
    prunable: bool = True  # learns from pruned trials too, or needs none
    needs: Extra | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunerEntry(PluginEntry):
    """A pruner.

    The implementation is `rule(config, mine, known)`: why the trial `mine` is hopeless among all that are `known` at a rung, itself
    included, else None. Both are `search.sampling.pruning.RungScore`; `config` has defaults filled in.

    `halving`: rungs lie at powers of `reduction_factor` from `min_epochs`; else every `interval_epochs` after `warmup_epochs`.
    """

    halving: bool = False
    brackets: bool = False  # shares trials out among brackets, which skip the first rungs
    by_value: bool = True  # judges by the objective's value; else metric by metric, which takes two of them


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateEntry(PluginEntry):
    """An aggregate: how optimised metrics become one value, always to be maximised.

    The implementation is `value(counted, config)` over `search.objective.aggregates.OptimizedMetric`s. A parameter `ideal` has each
    metric's best value by its path, filled in where it is known.
    """

    is_front: bool = False  # no one value: trials are compared by dominance
    needs_references: bool = False  # relative to what each task reaches alone: the parameter `references`, measured where not given
    positive: bool = False  # for metrics to maximise that are never negative


def number(name: str, default: Json | Marker, description: str, **limits: Any) -> Parameter:
    """Return a parameter that takes a finite number."""
    return Parameter(name, default, "number", description, **limits)


def integer(name: str, default: Json | Marker, description: str, **limits: Any) -> Parameter:
    """Return a parameter that takes a whole number."""
    return Parameter(name, default, "integer", description, **limits)


def boolean(name: str, default: bool, description: str) -> Parameter:
    """Return a parameter that takes true or false."""
    return Parameter(name, default, "boolean", description)


def choice(name: str, default: str | None, choices: tuple[str, ...], description: str) -> Parameter:
    """Return a parameter that takes one of `choices`."""
    return Parameter(name, default, "string", description, choices=choices)
