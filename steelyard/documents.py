"""The JSON documents that the service answers with, as types. At run time they are plain dictionaries, ready for `json.dump`.

Numbers that are undefined, NaN or infinite come as None; `not_finite` has their kind ("nan", "inf", "-inf", "undefined") by their
place in the document, such as `metrics.validation.parity.crossentropy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

Numbers = Mapping[str, float | None]
"""Numbers by term or metric path."""


class Reason(TypedDict):
    """Why something is as it is: a stable code, a sentence, and where."""

    code: str
    message: str
    at: str | None


class ObjectiveValue(TypedDict):
    """A trial by the study's objective. `value` is always maximised."""

    value: float | None
    values: Numbers
    feasible: bool | None
    violations: Numbers


class Best(TypedDict):
    """The best trial so far, in short."""

    number: int
    objective: ObjectiveValue


class Progress(TypedDict):
    """How far a study is. `trials` counts every state; `epochs` are trial-epochs."""

    trials: Mapping[str, int]
    planned: int
    epochs: int
    epochs_planned: int
    seconds_left: float | None


class Study(TypedDict):
    """One study as it is now."""

    name: str
    state: str
    ended: bool
    reason: Reason | None
    warnings: list[str]
    definition: Mapping[str, Any]
    definition_sha256: str
    problem_sha256: str
    workload_version: str | None
    cost: str
    progress: Progress
    anchors: list[Mapping[str, Any]]
    bounds: list[Mapping[str, Any]]
    in_percent: list[str]
    best: Best | None
    times: Mapping[str, str | None]
    not_finite: Mapping[str, str]


class Validation(TypedDict):
    """What a definition would be as a study; nothing was stored. `epochs` are those of all trainings together."""

    definition: Mapping[str, Any]
    definition_sha256: str
    problem_sha256: str
    grid_size: int | None
    trainings: int
    phases: Mapping[str, int]
    cost: str
    epochs: int
    estimated_seconds: float | None
    warnings: list[str]


class Metrics(TypedDict):
    """Unweighted terms and metrics by split; `test` is empty except for confirmations."""

    train: Numbers
    validation: Numbers
    test: Numbers


class Epoch(TypedDict):
    """One epoch of a trial's latest attempt; epoch 0 is before training. `weights` are in force at its end, where they move."""

    epoch: int
    train: Numbers
    validation: Numbers
    seconds: float
    weights: Numbers
    not_finite: Mapping[str, str]


class Trial(TypedDict):
    """One training under one weight setting. `intermediate_values` only where one trial was asked for by number."""

    number: int
    role: str
    rule: str | None
    state: str
    ended: bool
    weights: Mapping[str, float]
    parameters: Mapping[str, float]
    objective: ObjectiveValue
    metrics: Metrics
    seed: int
    seeds: list[int]
    by_seed: Mapping[str, float | None]
    epochs: int
    best_epoch: int | None
    attempt: int
    worker: str | None
    cohort: int | None
    engine: str | None
    engine_why: str | None
    workload_version: str | None
    reason: Reason | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    not_finite: Mapping[str, str]
    intermediate_values: NotRequired[list[Epoch]]


class RankedTrial(TypedDict):
    """A trial as another objective judges it."""

    number: int
    role: str
    rule: str | None
    weights: Mapping[str, float]
    objective: ObjectiveValue


class Ranking(TypedDict):
    """A study's trials under another objective, best first. `best` is the winner's number, None where none is feasible."""

    study: str
    state: str
    final: bool
    aggregate: str
    objective: Mapping[str, Any]
    ranked: int
    best: int | None
    trials: list[RankedTrial]
    not_finite: Mapping[str, str]


class FrontTrial(TypedDict):
    """A trial that no other beats in one metric without losing in another."""

    number: int
    role: str
    rule: str | None
    weights: Mapping[str, float]
    values: Numbers


class ParetoFront(TypedDict):
    """The non-dominated trials. `metrics` has each metric's direction; `rules` says how everything is defined."""

    study: str
    state: str
    final: bool
    metrics: Mapping[str, str]
    trials: list[FrontTrial]
    reference_point: Numbers
    hypervolume: float | None
    picks: Mapping[str, int | None]
    rules: list[str]
    not_finite: Mapping[str, str]


class Importance(TypedDict):
    """A parameter's shares of what matters, for the objective's value and for each metric; None where nothing can be said."""

    objective: float | None
    metrics: Numbers


class CurvePoint(TypedDict):
    """The objective at one value of a parameter, by the model of all trainings, with its 95 % band."""

    at: float | str
    mean: float
    low: float
    high: float


class Edge(TypedDict):
    """At which end the range may be the limit, and what to write in a definition next (null where it is no weight)."""

    end: str
    suggested: dict[str, Any] | None
    sentence: str


class Range(TypedDict):
    """What is known of a parameter, in the units of `weights`: `low` to `high` is as good as the winner.

    `worse` and `untold` are the rest: spans, or of a choice values, with `values` the good ones. `curve` has the objective at 101
    values. `edge`: the range may be the limit.
    """

    low: float | None
    high: float | None
    best: float | str
    to_lowest: bool
    to_highest: bool
    searched: list[float] | None
    delta: float
    worse: list[list[float] | float | str]
    untold: list[list[float] | float | str]
    curve: list[CurvePoint]
    edge: Edge | None
    of: str | None
    values: NotRequired[list[float | str]]
    sentence: str


class Noise(TypedDict):
    """How far one training's value lies from seed to seed, which is what a value as good as the winner's may cost at most."""

    std: float | None
    of: str | None
    level: float
    best: float | None
    margin: float | None
    least: float | None
    why: str | None


class Sensitivity(TypedDict):
    """How much each parameter matters and which range of it is as good as the winner, both by parameter; `rules` define them."""

    study: str
    state: str
    final: bool
    sequence: int
    trial: int | None
    trials: int
    importance: Mapping[str, Importance]
    untold: Mapping[str, str]
    ranges: Mapping[str, Range]
    noise: Noise
    rules: list[str]
    not_finite: Mapping[str, str]


BestWeights = dict[str, Any]
"""The best-weights document: `format`, `trial`, `loss_weights`, `weights`, ...; works without the service."""
