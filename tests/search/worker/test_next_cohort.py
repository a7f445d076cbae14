"""The cohort after the one that trains: planned in its last epoch, begun at its end, and claimed after that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from search.planning.plan import Run, plan
from search.training.child.protocol import CancelSettings, TrainCohort
from search.training.interface import EpochReport, report_before_last
from search.worker.child_process import ChildLost
from search.worker.claim import Claim, definition_of
from storage import leases, lifecycle
from storage.records import StudyState, TrialState
from tests.search.definitions import define, flagship
from tests.search.histories import history
from tests.search.worker.test_worker import PREPARED, TAKEN, TRAINED, Scene, Scripted, ended, epoch

FIRST, SECOND = (0, 1, 2, 3), (4, 5, 6, 7)
LAST = [epoch(10, *FIRST), *map(ended, FIRST), TRAINED]
NEXT = [TAKEN, epoch(0, *SECOND), epoch(10, *SECOND), *map(ended, SECOND), TRAINED]


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    made = Scene(database_url, trials=7)  # and a baseline: two cohorts of 4
    made.play([PREPARED])
    yield made
    made.close()


def cohorts(child: Scripted) -> list[list[int]]:
    """Return the numbers of the settings of each order to train."""
    return [[setting.number for setting in order.settings] for order in child.orders if isinstance(order, TrainCohort)]


def go_on(scene: Scene) -> Claim | None:
    """Have the worker claim what comes after a cohort, and do it."""
    found = scene.loop._claim_next()
    assert found is None or isinstance(found, Claim)
    if found is not None:
        scene.loop.carry_out(found)
    return found


def test_the_last_report_but_one_is_that_of_the_schedule() -> None:
    training = define(flagship()).training
    epochs = [(10, 1), (10, 3), (10, 10), (1, 1), (2, 1)]
    found = [report_before_last(training.model_copy(update={"epochs": n, "report_every": every})) for n, every in epochs]
    assert found == [9, 9, None, None, 1]


def test_the_child_has_the_next_cohort_before_anything_of_it_or_of_the_end_before_is_stored(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    send = Scripted.send

    def noted(child: Scripted, order: Any) -> None:
        send(child, order)
        seen.append([(trial.number, trial.state) for trial in scene.trials()])

    monkeypatch.setattr(Scripted, "send", noted)
    child = scene.play([epoch(9, *FIRST)], LAST)
    assert cohorts(child) == [list(FIRST), list(SECOND)]
    assert seen[-1] == [(number, TrialState.RUNNING) for number in FIRST]
    assert [(trial.number, trial.state) for trial in scene.trials()] == [(number, TrialState.COMPLETE) for number in FIRST]


def test_the_child_begins_the_first_cohort_as_soon_as_it_has_said_how_a_study_is_trained(database_url: str) -> None:
    scene = Scene(database_url, trials=7)
    child = scene.play([PREPARED], [TAKEN, epoch(0, *FIRST), epoch(10, *FIRST), *map(ended, FIRST), TRAINED])
    assert cohorts(child) == [list(FIRST)]
    assert scene.trials() == []
    assert go_on(scene) is not None
    assert cohorts(child) == [list(FIRST)]
    assert [trial.state for trial in scene.trials()] == [TrialState.COMPLETE] * 4
    scene.close()


def test_a_child_of_other_threads_than_a_study_trains_with_begins_nothing(database_url: str) -> None:
    scene = Scene(database_url, trials=7)
    child = scene.play([replace(PREPARED, threads=2)])
    assert cohorts(child) == []
    scene.close()


def test_what_the_child_has_begun_is_claimed_and_recorded_without_another_order(scene: Scene) -> None:
    child = scene.play([epoch(9, *FIRST)], LAST, NEXT)
    assert go_on(scene) is not None
    assert cohorts(child) == [list(FIRST), list(SECOND)]
    (order,) = (order for order in child.orders if isinstance(order, TrainCohort) and order.settings[0].number == 4)
    stored = [trial for trial in scene.trials() if trial.number in SECOND]
    assert [trial.state for trial in stored] == [TrialState.COMPLETE] * 4
    assert [dict(setting.weights) for setting in order.settings] == [trial.weights for trial in stored]


def scored(number: int, *accuracies: float) -> EpochReport:
    report = epoch(number, *FIRST)
    return replace(report, validation={**report.validation, "digit.sparse_categorical_accuracy": list(accuracies)})


@pytest.mark.parametrize("slow", [False, True])
def test_the_next_trials_are_drawn_from_the_last_report_but_one_however_late_a_worker_hears(slow: bool, database_url: str) -> None:
    scene = Scene(database_url, trials=23, sampler={"name": "tpe", "config": {"n_startup_trials": 2}})
    scene.play([PREPARED])
    early = scored(9, 0.1, 0.2, 0.9, 0.3)
    late = [scored(10, 0.1, 0.9, 0.2, 0.3), *map(ended, FIRST), TRAINED]
    scene.play(*([[early, *late]] if slow else [[early], late]))
    work = scene.loop._claim_next()
    assert isinstance(work, Claim)
    at_nine = dict(zip(FIRST, (0.45, 0.5, 0.85, 0.55), strict=True))  # the mean with the other accuracy, which is 0.8
    as_if = [replace(trial, state=TrialState.COMPLETE, value=at_nine[trial.number], feasible=True) for trial in scene.trials()[:4]]
    definition = definition_of(scene.study())
    expected = plan(definition, history(definition, as_if), 4)
    scene.close()
    assert isinstance(expected, Run)
    assert [trial.parameters for trial in work.trials] == [trial.parameters for trial in expected.trials]


def test_a_cohort_that_another_has_taken_is_dropped_by_the_child(scene: Scene) -> None:
    child = scene.play([epoch(9, *FIRST)], LAST, [TRAINED])
    assert scene.claim() is not None  # as if by another worker
    scene.loop._end_next()
    assert child.orders[-1] == CancelSettings()
    assert not child.ended
    assert go_on(scene) is None


def test_a_study_that_was_cancelled_goes_no_further(scene: Scene) -> None:
    child = scene.play([epoch(9, *FIRST)], LAST, [TRAINED])
    with scene.database.writing() as session:
        lifecycle.cancel(session, "x", scene.database.now(session))
    assert scene.loop._claim_next() is None
    scene.loop._end_next()
    assert child.orders[-1] == CancelSettings()
    assert len(scene.trials()) == 4
    assert scene.study().state is StudyState.CANCELLED


def test_a_worker_that_dies_before_it_claims_leaves_nothing_behind(scene: Scene) -> None:
    scene.play([epoch(9, *FIRST)], LAST)
    with scene.database.reading() as session:
        assert leases.leases_of_worker(session, scene.heartbeat.worker_id) == []
    work = scene.claim()  # another's
    assert work is not None
    assert [(trial.number, trial.attempt, trial.charged) for trial in work.trials] == [(number, 0, 0) for number in SECOND]


def test_a_child_that_is_lost_in_a_cohort_that_was_begun_ahead_is_charged_once_that_is_claimed(scene: Scene) -> None:
    scene.play([epoch(9, *FIRST)], LAST, [TAKEN, ChildLost("killed")])
    assert go_on(scene) is not None
    assert {(trial.state, trial.charged) for trial in scene.trials() if trial.number in SECOND} == {(TrialState.WAITING, 1)}


def test_trials_that_wait_to_be_trained_again_come_first(scene: Scene) -> None:
    scene.play([epoch(9, *FIRST)], [*map(ended, FIRST[:3]), TRAINED])  # 3 waits again
    child = scene.play([epoch(0, 3)], [ended(3), TRAINED])
    assert cohorts(child) == [[3]]


def test_a_child_that_is_to_be_replaced_begins_nothing_more(scene: Scene) -> None:
    child = scene.play([epoch(9, *FIRST)], [epoch(10, *FIRST), *(ended(n, TrialState.FAILED) for n in FIRST), TRAINED])
    assert child.ended
    assert cohorts(child) == [list(FIRST)]
