"""What was trained again on fresh seeds: a finalist, a baseline or a reference, and what it measured on each. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from statistics import fmean

from search.catalog import find_baseline
from search.definition.rules import CURRENT, EQUAL
from search.definition.schema import Objective
from search.objective.scoring import evaluate
from storage.records import Measured, Role, TrialRecord, Values


def rule_in_words(rule: str) -> str:
    """Return a baseline's rule in words."""
    baseline = find_baseline(rule)
    return rule if baseline is None else baseline.titled(rule.partition(":")[2])


EQUALLY = rule_in_words(EQUAL)


def judged_on(trial: TrialRecord, measured: Collection[int], meeting: Collection[int]) -> tuple[int, ...]:
    """Return the seeds that a setting's means are of, of those that it was `measured` on.

    Those of the meeting, which chose nothing, if it was measured on two of them; else all. What others are relative to was measured
    on all of its seeds.
    """
    met = tuple(sorted({*measured} & {*meeting}))
    return met if len(met) > 1 and trial.role is not Role.REFERENCE else tuple(sorted(measured))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finalist, baseline or reference, and what its complete trainings on fresh seeds measured, by seed."""

    trial: TrialRecord
    measured: Mapping[int, Measured]

    @property
    def number(self) -> int:
        return self.trial.number

    @property
    def name(self) -> str:
        return self.trial.rule or f"trial {self.trial.number}"

    @property
    def in_words(self) -> str:
        """Return the candidate as a sentence names it."""
        if not self.is_baseline:
            return self.name
        if self.trial.rule in (EQUAL, CURRENT) and set(self.trial.weights.values()) == {1.0}:
            return EQUALLY
        return rule_in_words(self.name)

    @property
    def is_baseline(self) -> bool:
        return self.trial.role is Role.BASELINE

    @property
    def is_reference(self) -> bool:
        return self.trial.role is Role.REFERENCE

    @property
    def is_finalist(self) -> bool:
        return not self.is_baseline and not self.is_reference

    def on(self, seeds: tuple[int, ...]) -> Candidate:
        """Return the candidate with what it measured on some seeds alone."""
        return Candidate(self.trial, {seed: self.measured[seed] for seed in seeds if seed in self.measured})

    def values(self, objective: Objective, split: str) -> dict[int, float]:
        """Return the objective's value on a split, by seed."""
        return {seed: evaluate(objective, getattr(measured, split)).value for seed, measured in self.measured.items()}

    def means(self, split: str) -> dict[str, float]:
        """Return the mean over seeds of every number on a split, by path."""
        by_seed: list[Values] = [getattr(measured, split) for measured in self.measured.values()]
        return {
            path: fmean(values[path] for values in by_seed)
            for path in (by_seed[0] if by_seed else {})
            if all(path in v for v in by_seed)
        }
