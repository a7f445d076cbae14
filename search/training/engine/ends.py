"""Settings that end before the last epoch; the others keep their places in the stack, and every bit."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.errors import PreflightError
from search.training.engine.group import Group
from search.training.engine.shared_layer import shared_places
from search.training.engine.starts import Values
from search.training.interface import Ended, Observer, Setting
from search.training.problem.network import Network
from search.training.problem.problem import TrainingProblem
from search.training.weighting.loading import FIXED
from storage.records import Reason, TrialState


def end_unbalanceable(group: Group, problem: TrainingProblem, network: Network, observer: Observer) -> None:
    """End settings of rules that weigh by a shared layer's gradients where the losses share none; those of others go on."""
    if not group.in_force.needs_shared_layer:
        return
    try:
        shared_places(problem, network)
    except PreflightError as refused:
        for setting, _ in group.running():
            end(group, setting, TrialState.FAILED, refused.reason, observer)


def end_cancelled(group: Group, observer: Observer) -> None:
    for setting, _ in group.running():
        if observer.cancelled(setting.number):
            end(group, setting, TrialState.CANCELLED, Reason("cancelled", "cancelled while it was trained"), observer)


def end_pruned(group: Group, epoch: int, observer: Observer) -> float:
    """End the settings that the observer has no hope for at this rung. Returns the seconds spent waiting: none trained then."""
    judged = [setting for setting, _ in group.running() if epoch in setting.rungs]
    began = time.perf_counter()
    pruned = observer.pruned(epoch, [setting.number for setting in judged]) if judged else {}
    for setting in judged:
        if setting.number in pruned:
            end(group, setting, TrialState.PRUNED, Reason("pruned", pruned[setting.number]), observer)
    return time.perf_counter() - began


def more(waiting: Sequence[Setting], tried: Sequence[Setting], epoch: int, observer: Observer) -> tuple[Sequence[Setting], float]:
    """Return further settings of the one seed of those that go on after a rung of those `tried`.

    None where a rule learns in one that goes on. With the seconds spent waiting: none trained then.
    """
    if not any(epoch in setting.rungs for setting in tried) or any(setting.rule != FIXED for setting in waiting):
        return (), 0.0
    began = time.perf_counter()
    found = observer.more(epoch, [setting.number for setting in waiting])
    return found, time.perf_counter() - began


class TakesNoMore:
    """An observer that passes everything on to another, and gives no further settings: memory ran out before."""

    def __init__(self, observer: Observer) -> None:
        self.progress, self.epoch, self.ended = observer.progress, observer.epoch, observer.ended
        self.pruned, self.cancelled = observer.pruned, observer.cancelled

    def more(self, epoch: int, numbers: Sequence[int]) -> Sequence[Setting]:
        return ()


class Unfinished:
    """An observer that passes everything on to another, and knows which settings have not ended."""

    def __init__(self, settings: Sequence[Setting], observer: Observer) -> None:
        self._settings, self._observer = {setting.number: setting for setting in settings}, observer
        self.progress, self.epoch = observer.progress, observer.epoch
        self.pruned, self.cancelled = observer.pruned, observer.cancelled

    @property
    def settings(self) -> list[Setting]:
        return list(self._settings.values())

    def more(self, epoch: int, numbers: Sequence[int]) -> Sequence[Setting]:
        found = self._observer.more(epoch, numbers)
        self._settings |= {setting.number: setting for setting in found}
        return found

    def ended(self, ended: Ended) -> None:
        self._settings.pop(ended.number, None)
        self._observer.ended(ended)


def end_undefined(group: Group, epoch: int, observer: Observer) -> None:
    for setting, why in group.undefined():
        reason = Reason("undefined_weighting", f"epoch {epoch}: {why}", "search.baselines")
        end(group, setting, TrialState.FAILED, reason, observer)


def end_diverged(group: Group, epoch: int, values: Values, observer: Observer, split: str = "") -> None:
    for setting, where in group.running():
        for path in group.in_force.paths:
            if path not in values:
                continue
            value = float(values[path][where])
            if not math.isfinite(value) and group.counts(setting, path):
                named = "not a number" if math.isnan(value) else "infinite"
                reason = Reason("diverged", f"epoch {epoch}: the {split}term {path} is {named}")
                end(group, setting, TrialState.DIVERGED, reason, observer)
                break


def end_broken(group: Group, epoch: int, finite: NDArray[np.bool_], observer: Observer) -> None:
    for setting, where in group.running():
        if not finite[where]:
            reason = Reason("diverged", f"epoch {epoch}: the model's weights are not finite")
            end(group, setting, TrialState.DIVERGED, reason, observer)


def end(group: Group, setting: Setting, state: TrialState, reason: Reason, observer: Observer) -> None:
    group.drop(setting)
    observer.ended(Ended(setting.number, state, group.done, reason))
