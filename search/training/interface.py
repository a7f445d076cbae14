"""How a cohort is trained, seen from outside: settings go in, reports come out. An engine is one way to do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from pydantic import ValidatorFunctionWrapHandler, WrapValidator

from search.definition.schedules import AppliedSchedule
from search.definition.schema import Training
from storage.records import UNDEFINED, Measured, Reason, TrialState, Values


def _undefined_for_null(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    return UNDEFINED if value is None else read(value)


Number = Annotated[float, WrapValidator(_undefined_for_null)]
"""A measured number; one that is `storage.records.UNDEFINED` is null where reports are sent as JSON."""


@dataclass(frozen=True)
class Setting:
    """One trial of a cohort: its number in the study, its seed, and the used weight of every term by path.

    `test`: measure the test split too, where the workload has one. Only confirmations do, after everything has been chosen.
    `rule`: `fixed`, or the rule that moves the weights in training (see `search.catalog.weighting_rules`): those of all terms
    whose entry in `weights` is not 0, beginning with 1 for each. `schedules`: by term path, for fixed weights that come to their
    value. `arguments`: searched numbers beside weights by parameter path (`digit.focal.gamma`, `optimizer.learning_rate`). `rungs`:
    reported epochs after which the observer is asked whether the setting goes on.
    """

    number: int
    seed: int
    weights: Mapping[str, float]
    test: bool = False
    rule: str = "fixed"
    schedules: Mapping[str, AppliedSchedule] = field(default_factory=dict)
    arguments: Mapping[str, float] = field(default_factory=dict)
    rungs: Sequence[int] = ()


@dataclass(frozen=True)
class EpochReport:
    """What was measured after epoch `epoch` of the settings `numbers`; each value is a list with one entry a setting.

    Epoch 0 is before training. `train` has the terms as they were met in training (at epoch 0: measured without training);
    `validation` the terms, `<penalty>.violations` and the metrics; so has `test`, empty where no setting asked for it. `seconds` is
    what the cohort spent since its last report. `weights` are those in force at the end of the epoch by term, where some setting's
    weights move: the entry of a setting whose weights are fixed is its fixed weight.
    A number that the rows of its split do not define is `storage.records.UNDEFINED`.
    """

    epoch: int
    numbers: Sequence[int]
    seconds: float
    train: Mapping[str, Sequence[Number]]
    validation: Mapping[str, Sequence[Number]]
    test: Mapping[str, Sequence[Number]] = field(default_factory=dict)
    weights: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def measured(self) -> dict[int, Measured]:
        """Return the numbers of each setting."""
        return {
            number: Measured(_at(self.train, place), _at(self.validation, place), _at(self.test, place))
            for place, number in enumerate(self.numbers)
        }

    def weights_in_force(self) -> dict[int, Values]:
        """Return the weights of each setting at the end of the epoch; {} where none of them move."""
        return {number: _at(self.weights, place) for place, number in enumerate(self.numbers)}


def _at(values: Mapping[str, Sequence[float]], place: int) -> dict[str, float]:
    return {path: numbers[place] for path, numbers in values.items()}


@dataclass(frozen=True)
class Ended:
    """How a setting ended: COMPLETE, PRUNED, DIVERGED, FAILED or CANCELLED, after how many whole epochs."""

    number: int
    state: TrialState
    epochs: int
    reason: Reason | None = None


class Observer(Protocol):
    """Who observes a training as it goes on, and may cancel settings."""

    def progress(self, steps: int) -> None:
        """Hear that `steps` steps have been done since training began; called between graph calls, every 2 seconds or oftener."""

    def epoch(self, report: EpochReport) -> None:
        """Hear an epoch's numbers."""

    def ended(self, ended: Ended) -> None:
        """Hear that a setting has ended; called once for each."""

    def pruned(self, epoch: int, numbers: Sequence[int]) -> Mapping[int, str]:
        """Return which of these settings shall end, now that they have come to a rung, and why; training waits for it."""

    def more(self, epoch: int, numbers: Sequence[int]) -> Sequence[Setting]:
        """Return further settings, now that places are free after a rung; these settings go on, and wait meanwhile.

        They are of the same seed, and train up to the rung. This is asked again as long as there are some and places are free; then
        all that are left go on together.
        """

    def cancelled(self, number: int) -> bool:
        """Return whether a setting shall end now; asked between graph calls."""


class Engine(Protocol):
    """One way to train cohorts of a problem; keeps its traces, so that the next cohort needs none."""

    name: str

    @property
    def graphs(self) -> int: ...  # that a later cohort finds traced

    def trace(self, epochs_left: int = 0) -> None:
        """Make the traces, without training: also those in which settings go on that have so many epochs left after a first rung.

        Raises what the user's code raises in a graph.
        """

    def initial_values(self, seed: int, observer: Observer) -> dict[str, float]:
        """Return the terms before training under `seed`, over the training rows, by path: only finite ones.

        They are kept: the first cohort of the seed need not measure its epoch 0. The observer hears of progress.
        """

    def train(self, settings: Sequence[Setting], training: Training, observer: Observer) -> None:
        """Train all settings to the last epoch or their own ends, and report each to the observer.

        Settings of one seed share initial weights and the order of rows, so they differ by their weights alone.
        """


def report_before_last(training: Training) -> int | None:
    """Return the epoch of the last report but one, None where there is none after training began."""
    epochs = [epoch for epoch in range(1, training.epochs) if is_report_epoch(epoch, training)]
    return epochs[-1] if epochs else None


def is_report_epoch(epoch: int, training: Training) -> bool:
    """Return whether epoch `epoch` is validated and reported: every `report_every` ones, and the last."""
    return epoch % training.report_every == 0 or epoch == training.epochs
