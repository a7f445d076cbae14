"""The cohort after the one that trains: planned in its last epoch, begun at its end, and claimed after that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from typing import Any

import pytest

from search.planning.plan import Run, plan
from search.training.child.protocol import CancelSettings, TrainCohort
from search.training.interface import EpochReport, report_before_last
from search.worker import next_cohort
from search.worker.child_process import ChildLost
from search.worker.claim import Claim, definition_of
from search.worker.work_loop import Stopped
from storage import leases, lifecycle
from storage.database import Database
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


def test_what_the_child_began_is_forgotten_where_the_lease_before_it_is_lost(
    scene: Scene, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Scripted.send

    def lose(child: Scripted, order: Any) -> None:
        send(child, order)
        if cohorts(child) == [list(FIRST), list(SECOND)] and isinstance(order, TrainCohort):
            late = Database(database_url, clock=lambda now: now.replace(year=now.year + 1))
            with late.writing() as session:
                assert leases.reap(session, late.now(session)) <= 1
            late.close()

    monkeypatch.setattr(Scripted, "send", lose)
    child = scene.play([epoch(9, *FIRST)], LAST, [TRAINED], NEXT)
    assert child.orders[-1] == CancelSettings()
    again = scene.claim()  # another takes what was lost
    assert again is not None
    assert [trial.number for trial in again.trials] == list(FIRST)
    assert go_on(scene) is not None
    assert cohorts(child) == [list(FIRST), list(SECOND), list(SECOND)]
    assert [trial.state for trial in scene.trials() if trial.number in SECOND] == [TrialState.COMPLETE] * 4


def test_another_child_than_the_one_that_began_a_cohort_is_given_its_order(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.play([epoch(9, *FIRST)], LAST)
    assert scene.loop._session is not None
    monkeypatch.setattr(scene.loop._session, "fits", lambda *_: False)
    other = scene.child = Scripted(NEXT)
    assert go_on(scene) is not None
    assert cohorts(other) == [list(SECOND)]
    assert [trial.state for trial in scene.trials() if trial.number in SECOND] == [TrialState.COMPLETE] * 4


class Between(Scripted):
    """A child of whose turns one is something that others do at that moment."""

    def messages(self, seconds: float) -> Iterator[Any]:
        if self.turns and callable(self.turns[0]):
            self.turns.pop(0)()
        return super().messages(seconds)


@pytest.mark.parametrize("happens", ["pause", "plan"])
def test_what_would_be_dropped_is_not_begun(scene: Scene, happens: str) -> None:
    def pause() -> None:
        with scene.database.writing() as session:
            lifecycle.pause(session, "x", scene.database.now(session))

    def plan_elsewhere() -> None:
        assert scene.claim() is not None

    work = scene.claim()
    assert work is not None
    scene.loop.end_child()
    meanwhile: Callable[[], None] = pause if happens == "pause" else plan_elsewhere
    child = scene.child = Between([epoch(9, *FIRST)], meanwhile, LAST)  # type: ignore[arg-type]
    scene.loop.carry_out(work)
    assert cohorts(child) == [list(FIRST)]
    assert [trial.state for trial in scene.trials()[:4]] == [TrialState.COMPLETE] * 4


def test_a_lease_is_kept_while_the_child_drops_what_it_began(scene: Scene) -> None:
    child = scene.play([epoch(9, *FIRST)], LAST, [], [], [TRAINED])
    kept: list[None] = []

    class Kept:
        def keep(self) -> None:
            kept.append(None)

    scene.loop._end_next(Kept())  # type: ignore[arg-type]
    assert len(kept) == 3
    assert not child.ended
    assert scene.loop._next.sent is None


def test_a_lease_is_kept_while_a_slow_sampler_plans(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    now, renewed = [0.0], Event()
    scene.clock = lambda: now[0]
    think, renew = next_cohort.plan_ahead, leases.renew

    def slowly(*asked: Any) -> Any:
        now[0] += 44.0  # of a lease of 45 s
        assert renewed.wait(60)
        now[0] += 44.0
        return think(*asked)

    def noted(*asked: Any) -> Any:
        if now[0] > 0:
            renewed.set()
        return renew(*asked)

    monkeypatch.setattr(next_cohort, "plan_ahead", slowly)
    monkeypatch.setattr(leases, "renew", noted)
    child = scene.play([epoch(9, *FIRST)], LAST)
    assert cohorts(child) == [list(FIRST), list(SECOND)]
    assert [trial.state for trial in scene.trials()] == [TrialState.COMPLETE] * 4


def test_a_worker_that_is_asked_to_stop_does_not_wait_for_a_slow_sampler(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped, unwanted = Event(), Event()

    def slowly(*asked: Any) -> Any:
        stopped.set()
        unwanted.wait()

    monkeypatch.setattr(next_cohort, "plan_ahead", slowly)
    monkeypatch.setattr(scene.loop, "_stopping", stopped.is_set)
    with pytest.raises(Stopped):
        scene.play([epoch(9, *FIRST)], LAST)
    unwanted.set()
    assert [(trial.state, trial.charged) for trial in scene.trials()] == [(TrialState.WAITING, 0)] * 4


def test_a_sampler_that_exits_while_it_plans_ahead_keeps_nobody_waiting(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaves(*_: Any) -> Any:
        raise SystemExit(1)

    monkeypatch.setattr(next_cohort, "plan_ahead", leaves)
    child = scene.play([epoch(9, *FIRST)], LAST)
    assert cohorts(child) == [list(FIRST)]
    assert [trial.state for trial in scene.trials()] == [TrialState.COMPLETE] * 4


def test_a_study_that_took_too_long_to_plan_for_is_planned_for_once_its_cohort_has_ended(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter of a lease of 45 s is 11.25 s."""
    scene, now, planned = Scene(database_url, trials=15), [0.0], []
    scene.play([PREPARED])
    scene.clock = lambda: now[0]
    think = next_cohort.plan_ahead

    def slowly(*asked: Any) -> Any:
        now[0] += 12.0
        planned.append(len(asked[-1]))
        return think(*asked)

    monkeypatch.setattr(next_cohort, "plan_ahead", slowly)
    child = scene.play([epoch(9, *FIRST)], LAST, [TAKEN, epoch(9, *SECOND)], [*map(ended, SECOND), TRAINED])
    assert go_on(scene) is not None
    assert planned == [4]
    assert cohorts(child) == [list(FIRST), list(SECOND)]
    found = scene.loop._claim_next()
    scene.close()
    assert isinstance(found, Claim)
    assert [trial.number for trial in found.trials] == [8, 9, 10, 11]


def test_draws_made_ahead_are_stored_with_what_they_came_after(scene: Scene) -> None:
    scene.play([epoch(9, *FIRST)], LAST, NEXT)
    assert go_on(scene) is not None
    found = {(trial.planned_after, trial.planned_beside) for trial in scene.trials() if trial.number in SECOND}
    assert found == {(0, FIRST)}


def test_what_trains_is_judged_by_the_anchors_of_now(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = definition_of(scene.study()).objective
    resolved = objective.model_copy(update={"metrics": objective.metrics[:1]})
    seen: list[float | None] = []
    think = next_cohort.plan_ahead

    def noted(*asked: Any) -> Any:
        seen.extend(trial.value for trial in asked[-1])
        return think(*asked)

    monkeypatch.setattr(next_cohort, "objective_of", lambda *_: resolved)
    monkeypatch.setattr(next_cohort, "plan_ahead", noted)
    scene.play([epoch(9, *FIRST)], LAST)
    assert seen == pytest.approx([0.9] * 4)  # the claim's objective would have said 0.85
