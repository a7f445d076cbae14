"""The worker on a study whose search trials train on two seeds, with a child that plays a script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from search.planning.seeds import several_seeds
from search.training.child.protocol import CancelSettings, GoOn, RungReached, TrainCohort
from search.training.interface import Ended, EpochReport
from search.worker.child_process import ChildLost
from search.worker.claim import definition_of
from storage import cohorts, curves
from storage.records import Moment, Reason, TrialState
from tests.search.worker.test_worker import PREPARED, TAKEN, TRAINED, Scene, ended

DIGIT, PARITY = "digit.sparse_categorical_accuracy", "parity.binary_accuracy"
TRIALS = (0, 1, 2, 3)


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    made = Scene(database_url, seeds=2, pruner={"name": "successive_halving", "config": {"min_epochs": 3}})
    made.play([replace(PREPARED, cohort_size=8)])  # four trials on two seeds
    yield made
    made.close()


def reported(epoch: int, scores: Mapping[int, float]) -> EpochReport:
    """Return an epoch of settings by number, each with its two accuracies equal."""
    terms = {path: [0.5] * len(scores) for path in ("digit.crossentropy", "parity.crossentropy", "agreement")}
    metrics = {path: list(scores.values()) for path in (DIGIT, PARITY)}
    violations = {"agreement.violations": [0.0] * len(scores)}
    return EpochReport(epoch, list(scores), 0.4, terms, {**terms, **metrics, **violations})


def second(number: int) -> int:
    """Return the number that a trial's setting under the second seed has with the child."""
    return -1 - number


def of_second(scores: Mapping[int, float]) -> dict[int, float]:
    return {second(number): score for number, score in scores.items()}


FIRST = {0: 0.5, 1: 0.6, 2: 0.7, 3: 0.8}
SECOND = of_second({0: 0.7, 1: 0.6, 2: 0.9, 3: 0.4})


def test_a_trial_is_judged_by_the_means_of_its_seeds(scene: Scene) -> None:
    child = scene.play(
        [reported(0, FIRST), reported(10, FIRST), *map(ended, FIRST)],
        [reported(0, SECOND), reported(10, SECOND), *map(ended, SECOND), TRAINED],
    )
    (order,) = (order for order in child.orders if isinstance(order, TrainCohort))
    seeds = several_seeds(definition_of(scene.study()))
    assert [(setting.number, setting.seed) for setting in order.settings] == [
        each for number in TRIALS for each in ((number, seeds[0]), (second(number), seeds[1]))
    ]
    found = scene.trials()
    assert [trial.seeds for trial in found] == [seeds] * 4
    assert [trial.value for trial in found] == pytest.approx([0.6, 0.6, 0.8, 0.6])
    assert [list(trial.by_seed.values()) for trial in found] == [
        pytest.approx(each) for each in zip(FIRST.values(), SECOND.values(), strict=True)
    ]
    with scene.database.reading() as session:
        stored = curves.measured(session, found[3].id)[Moment.LAST]
        epochs = curves.epochs_of(session, found[3].id)
    assert stored.validation[DIGIT] == pytest.approx(0.6)
    assert [(each.epoch, each.seconds, each.validation[PARITY]) for each in epochs] == [
        (0, pytest.approx(0.2), pytest.approx(0.6)),
        (10, pytest.approx(0.2), pytest.approx(0.6)),
    ]


def test_nothing_is_stored_of_a_trial_before_all_its_seeds_are_there(scene: Scene) -> None:
    work = scene.claim()
    assert work is not None
    scene.do(work, [reported(10, FIRST), *map(ended, FIRST)], [reported(10, SECOND), *map(ended, list(SECOND)[:2]), TRAINED])
    assert [trial.state for trial in scene.trials()] == [
        TrialState.COMPLETE,
        TrialState.COMPLETE,
        TrialState.WAITING,
        TrialState.WAITING,
    ]


def test_a_trial_that_diverges_under_one_seed_diverges_and_is_trained_on_no_other(scene: Scene) -> None:
    diverged = Ended(1, TrialState.DIVERGED, 3, Reason("diverged", "epoch 4: the term agreement is infinite"))
    child = scene.play(
        [reported(3, FIRST), diverged],
        [reported(10, {n: FIRST[n] for n in (0, 2, 3)}), *map(ended, (0, 2, 3))],
        [ended(second(1), TrialState.CANCELLED), reported(10, {n: SECOND[n] for n in map(second, (0, 2, 3))})],
        [*map(ended, map(second, (0, 2, 3))), TRAINED],
    )
    assert [order for order in child.orders if isinstance(order, CancelSettings)] == [CancelSettings([second(1)])]
    found = scene.trials()[1]
    assert (found.state, found.value, found.by_seed[found.seed]) == (TrialState.DIVERGED, None, None)
    assert found.reason is not None
    assert found.reason.message == f"under seed {found.seed}: epoch 4: the term agreement is infinite"


def test_a_rung_is_judged_by_means_once_the_last_seed_has_come_to_it(scene: Scene) -> None:
    searched = (1, 2, 3)
    child = scene.play(
        [reported(3, FIRST), RungReached(3, searched)],
        [reported(10, FIRST), *map(ended, FIRST)],
        [reported(3, SECOND), RungReached(3, list(map(second, searched)))],
        [Ended(second(n), TrialState.PRUNED, 3, Reason("pruned", "epoch 3: why")) for n in (1, 3)],
        [reported(10, {n: SECOND[n] for n in map(second, (0, 2))}), *map(ended, map(second, (0, 2))), TRAINED],
    )
    first, last = (order for order in child.orders if isinstance(order, GoOn))
    assert first.prune == {}  # trial 3 leads under the first seed alone
    assert set(last.prune) == {second(1), second(3)}
    found = scene.trials()
    assert [trial.state.value for trial in found] == ["COMPLETE", "PRUNED", "COMPLETE", "PRUNED"]
    assert (found[3].epochs, found[3].value) == (3, pytest.approx(0.6))
    with scene.database.reading() as session:  # all that was reported counts, also what trials have no epoch of
        assert cohorts.trained_seconds(session, scene.study().id) == pytest.approx(4 * 0.4)


def test_memory_that_ran_out_halves_what_is_trained_together_seeds_counted(scene: Scene) -> None:
    scene.play([TAKEN, ChildLost("killed by SIGKILL", short_of_memory=True)])
    assert scene.study().cohort_size == 4  # of four trials on two seeds
