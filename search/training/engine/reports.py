"""What an engine says of a group after an epoch."""

from __future__ import annotations

from collections.abc import Iterable

from search.training.engine.group import Group
from search.training.engine.starts import Values
from search.training.interface import EpochReport
from search.training.problem.problem import TrainingProblem
from storage.records import UNDEFINED


def report_of(
    problem: TrainingProblem, group: Group, epoch: int, seconds: float, train: Values, validation: Values, test: Values | None
) -> EpochReport | None:
    """Return the numbers of the settings that go on, given those of all places, each by path and [K]; None where none goes on.

    What a split cannot measure is undefined.
    """
    running = list(group.running())
    if not running:
        return None

    def lists(values: Values, paths: Iterable[str]) -> dict[str, list[float]]:
        return {path: [float(values[path][where]) if path in values else UNDEFINED for _, where in running] for path in paths}

    moved = group.moved_weights(epoch)
    return EpochReport(
        epoch,
        [setting.number for setting, _ in running],
        seconds,
        train=lists(train, problem.paths),
        validation=lists(validation, problem.measured_paths),
        test=lists(test, problem.measured_paths) if test else {},
        weights=lists(moved, moved),
    )
