"""Measured numbers that trials are held against: references and baselines, trained before the search is scored. Pure functions.

delta_m needs what each task reaches alone; a relative bound needs a metric of the reference, of equal weights or of the user's own.
Both are resolved once, from the trials of the search's phase, and kept: an objective is `resolved` before anything is scored by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from search.catalog import find_aggregate
from search.catalog.aggregates import REFERENCES
from search.definition.rules import CURRENT, EQUAL
from search.definition.schema import Bound, Objective, RelativeBound, StudyDefinition
from search.names import rule_for
from storage.records import AnchorRecord, Role, TrialRecord, Values

REFERENCE = "reference"
ALONE = "alone"
"""Kind of a reference's rule: `alone:digit` trains the losses of the task digit, and nothing else."""

Wanted = tuple[str, str]
"""What an anchor is of (`reference`, `equal`, `current`), and the metric's path."""


def required_anchors(objective: Objective) -> list[Wanted]:
    """Return the anchors that an objective needs and does not have yet, each once."""
    found: dict[Wanted, None] = {}
    if needs_references(objective):
        given = objective.config.get(REFERENCES)
        known = given if isinstance(given, dict) else {}
        found |= {
            (REFERENCE, entry.metric): None
            for entry in objective.metrics
            if entry.strategy == "optimize" and entry.metric not in known
        }
    for entry in objective.metrics:
        for bound in (entry.at_least, entry.at_most):
            if isinstance(bound, RelativeBound):
                found[bound.of, entry.metric] = None
    return list(found)


def needs_references(objective: Objective) -> bool:
    """Return whether an objective's aggregate is relative to what each task reaches alone."""
    found = find_aggregate(objective.aggregate or "mean", objective.plugin)
    return found is not None and found.needs_references


def measured_by(of: str, path: str) -> tuple[Role, str]:
    """Return the role and rule of the trials that an anchor is measured by."""
    if of == REFERENCE:
        return Role.REFERENCE, rule_for(ALONE, path.partition(".")[0])
    return Role.BASELINE, {EQUAL: EQUAL, CURRENT: CURRENT}[of]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A reference or baseline that has ended: role, rule, seed, and what it measured by path; nothing where it failed."""

    role: Role
    rule: str | None
    seed: int
    values: Values


def settled(definition: StudyDefinition, trials: Sequence[TrialRecord]) -> bool:
    """Return whether every trial that an anchor of the study is measured by has ended."""
    needed = {measured_by(*each) for each in required_anchors(definition.objective)}
    ended = {(trial.role, trial.rule) for trial in trials if trial.ended}
    running = {(trial.role, trial.rule) for trial in trials if not trial.ended}
    return needed <= ended and not needed & running


def anchors(objective: Objective, measurements: Iterable[Measurement]) -> list[AnchorRecord]:
    """Return the anchors that an objective needs, as means over the seeds that have a finite number.

    One that nothing has measured is left out: what depends on it stays unresolved.
    """
    known = list(measurements)
    found = []
    for of, path in required_anchors(objective):
        role, rule = measured_by(of, path)
        by_seed = {each.seed: each.values[path] for each in known if (each.role, each.rule) == (role, rule) and path in each.values}
        finite = {seed: value for seed, value in sorted(by_seed.items()) if math.isfinite(value)}
        if finite:
            values = list(finite.values())
            spread = stdev(values) if len(values) > 1 else None
            found.append(AnchorRecord(of, path, fmean(values), spread, tuple(finite)))
    return found


def resolve_anchors(objective: Objective, known: Iterable[AnchorRecord]) -> Objective:
    """Return the objective with numbers in place of what is relative, as far as the anchors are known."""
    values: Mapping[Wanted, float] = {(anchor.of, anchor.path): anchor.value for anchor in known}
    metrics = tuple(
        entry.model_copy(
            update={name: _number(getattr(entry, name), entry.metric, values) for name in ("at_least", "at_most")},
        )
        for entry in objective.metrics
    )
    config = objective.config
    if needs_references(objective):
        given = config.get(REFERENCES)
        measured = {path: value for (of, path), value in values.items() if of == REFERENCE}
        config = {**config, REFERENCES: {**measured, **(given if isinstance(given, dict) else {})}}
    return objective.model_copy(update={"metrics": metrics, "config": config})


def _number(bound: Bound | None, path: str, values: Mapping[Wanted, float]) -> Bound | None:
    if not isinstance(bound, RelativeBound) or (bound.of, path) not in values:
        return bound
    return values[bound.of, path] * bound.times + bound.plus


def is_resolved(objective: Objective) -> bool:
    """Return whether a trial can be scored: nothing relative is left."""
    return not required_anchors(objective)
