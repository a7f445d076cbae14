"""A trial that trains on several seeds, as its worker sees it: one setting for each seed, and means of what they report.

The child knows settings alone. What it reports of a trial's settings becomes one report of the trial once all of them have come to
the same epoch; they end as one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import NamedTuple

from search.objective.outcomes import TrialCurve
from search.objective.seed_means import mean_measured, mean_values
from search.training.child.protocol import CancelSettings, GoOn, RungReached
from search.training.interface import Ended, Setting
from storage.records import Measured, Reason, TrialRecord, TrialState, Values

WORST_FIRST = (TrialState.FAILED, TrialState.DIVERGED, TrialState.CANCELLED, TrialState.PRUNED, TrialState.COMPLETE)
"""How a trial ends: as the first of these that one of its settings does."""


class SeedEpoch(NamedTuple):
    """What one setting reported after an epoch."""

    measured: Measured
    seconds: float
    weights: Values


@dataclass
class Copies:
    """The settings of one trial, by the number that each has with the child: the trial's own number under its first seed."""

    trial: TrialRecord
    seeds: Mapping[int, int]
    curves: dict[int, TrialCurve] = field(default_factory=dict)
    ends: dict[int, Ended] = field(default_factory=dict)
    _reports: dict[int, dict[int, SeedEpoch]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.curves = {seed: TrialCurve() for seed in self.seeds.values()}

    def add(self, number: int, epoch: int, report: SeedEpoch) -> SeedEpoch | None:
        """Take in a setting's epoch; return the trial's once all settings have reported it: means, and the seconds of all."""
        self.curves[self.seeds[number]].add(epoch, report.measured)
        found = self._reports.setdefault(epoch, {})
        found[number] = report
        if len(found) < len(self.seeds):
            return None
        each = [self._reports[epoch][number] for number in self.seeds]
        del self._reports[epoch]
        weights = mean_values([one.weights for one in each])
        return SeedEpoch(mean_measured([one.measured for one in each]), sum(one.seconds for one in each), weights)

    def end(self, ended: Ended) -> Ended | None:
        """Take in a setting's end; return the trial's once all settings have ended."""
        self.ends[ended.number] = ended
        if len(self.ends) < len(self.seeds):
            return None
        each = [self.ends[number] for number in self.seeds]
        state = next(state for state in WORST_FIRST if any(one.state is state for one in each))
        first = next(one for one in each if one.state is state)
        epochs = min(one.epochs for one in each if one.state is state)
        return Ended(self.trial.number, state, epochs, self._named(first))

    def _named(self, ended: Ended) -> Reason | None:
        """Return why a setting ended so, with its seed where there are several."""
        if ended.reason is None or len(self.seeds) == 1:
            return ended.reason
        return replace(ended.reason, message=f"under seed {self.seeds[ended.number]}: {ended.reason.message}")

    @property
    def unreported_seconds(self) -> float:
        """What settings took for epochs that not all of them came to."""
        return sum(one.seconds for found in self._reports.values() for one in found.values())

    @property
    def spoiled(self) -> bool:
        """Whether a setting ended such that the trial can have no result any more."""
        return any(ended.state in (TrialState.FAILED, TrialState.DIVERGED) for ended in self.ends.values())


class Cohort:
    """All settings of a cohort's trials."""

    def __init__(self, trials: Sequence[TrialRecord]) -> None:
        spare = count(-1, -1)  # no trial has such a number
        self._copies = {
            trial.number: Copies(trial, {next(spare) if seed != trial.seed else trial.number: seed for seed in trial.seeds})
            for trial in trials
        }
        self._trials = {number: copies.trial.number for copies in self._copies.values() for number in copies.seeds}
        self._dropped: set[int] = set()

    def add(self, trials: Sequence[TrialRecord]) -> None:
        """Take in further trials, of one seed each."""
        for trial in trials:
            self._copies[trial.number] = Copies(trial, {trial.number: trial.seed})
            self._trials[trial.number] = trial.number

    def settings(self, of_trials: Mapping[int, Setting]) -> list[Setting]:
        """Return the settings to train, made of each trial's own by number; trial by trial, so that one's seeds share a stack."""
        return [
            replace(of_trials[trial], number=number, seed=seed)
            for trial, copies in self._copies.items()
            for number, seed in copies.seeds.items()
        ]

    def of(self, number: int) -> Copies:
        """Return the trial that a setting belongs to, by the setting's number."""
        return self._copies[self._trials[number]]

    def by_seed(self, trial: int) -> Mapping[int, TrialCurve]:
        """Return the curves of a trial by seed; empty where it has only one."""
        curves = self._copies[trial].curves
        return curves if len(curves) > 1 else {}

    def unreported_seconds(self, trial: int) -> float:
        """Return what a trial took for epochs that it has no report of: not all of its settings came to them."""
        return self._copies[trial].unreported_seconds

    def trials_at(self, reached: RungReached, measured: Collection[int]) -> RungReached:
        """Return a rung as the trials come to it: those whose settings are all there, which `measured` has the numbers of."""
        numbers = dict.fromkeys(self._trials[number] for number in reached.numbers)
        return RungReached(reached.epoch, [number for number in numbers if number in measured])

    def reply(self, reached: RungReached, of_trials: GoOn) -> GoOn:
        """Return what the child waits for at a rung, from what is said of the trials."""
        prune = {
            number: of_trials.prune[self._trials[number]] for number in reached.numbers if self._trials[number] in of_trials.prune
        }
        return GoOn(reached.epoch, prune)

    def to_drop(self) -> CancelSettings | None:
        """Return the settings that are in vain, each once: others of a trial of which one has failed or diverged."""
        left = [
            number for copies in self._copies.values() if copies.spoiled for number in copies.seeds if number not in copies.ends
        ]
        fresh = [number for number in left if number not in self._dropped]
        self._dropped.update(fresh)
        return CancelSettings(fresh) if fresh else None
