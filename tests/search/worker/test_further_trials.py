"""The study's next trials in the places that a rung has left free, with a child that plays a script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from search.training.child.protocol import PlacesFree, TrainAlso, TrainCohort
from search.worker.child_process import ChildLost
from search.worker.cohort_run import CohortRun
from search.worker.lease_keeper import Holding
from storage import lifecycle
from storage.records import TrialState
from tests.search.worker.test_worker import PREPARED, TRAINED, Scene, Scripted, ended
from tests.search.worker.test_worker_at_rungs import HALVING, Patchy, epoch, pruned, rung

FIRST = {4: 0.1, 5: 0.2, 6: 0.9, 7: 0.4}
FREE = PlacesFree(3)
TO_THE_RUNG = [[epoch(3, FIRST), rung(*FIRST)], [pruned(4), pruned(5), pruned(7), FREE]]
"""The second cohort, the first of search trials alone, of which trial 6 goes on."""


def made(database_url: str, **search: Any) -> Scene:
    """Return a study of nine search trials whose first three have ended, with the baseline `current`."""
    found = Scene(database_url, **{"pruner": HALVING, "baselines": [], "trials": 9, **search})
    found.play([PREPARED])
    found.play([*map(ended, range(4)), TRAINED])
    return found


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    found = made(database_url)
    yield found
    found.close()


def also(child: Scripted) -> list[tuple[int, list[int]]]:
    return [(order.epoch, [each.number for each in order.settings]) for order in child.orders if isinstance(order, TrainAlso)]


def states(scene: Scene) -> list[str]:
    return [trial.state.value for trial in scene.trials()]


def test_the_next_trials_train_in_the_same_cohort_and_the_budget_is_kept(scene: Scene) -> None:
    rest = [[epoch(3, {8: 0.3, 9: 0.8}), rung(8, 9)], [pruned(8), epoch(10, {6: 0.9, 9: 0.8}), ended(6), ended(9), TRAINED]]
    child = scene.play(*TO_THE_RUNG, *rest)
    assert also(child) == [(3, [8, 9])]
    assert states(scene)[4:] == ["PRUNED", "PRUNED", "COMPLETE", "PRUNED", "PRUNED", "COMPLETE"]
    found = {trial.number: trial for trial in scene.trials() if trial.number >= 4}
    assert len({(trial.cohort, trial.engine, trial.worker) for trial in found.values()}) == 1
    assert {(trial.planned_after, trial.planned_beside, trial.attempt) for trial in (found[8], found[9])} == {(7, (6,), 1)}
    assert (found[9].epochs, found[9].value) == (10, pytest.approx(0.8))


def test_they_are_held_against_the_whole_cohort_at_the_rung(scene: Scene) -> None:
    child = scene.play(*TO_THE_RUNG, [epoch(3, {8: 0.3, 9: 0.5}), rung(8, 9)], [*map(ended, (6, 8, 9)), TRAINED])
    *_, last = (order for order in child.orders if type(order).__name__ == "GoOn")
    assert dict(last.prune) == {8: "epoch 3: not among the best 2 of 6 trials there"}  # 6 and 9 go on


def test_the_trials_that_wait_are_observed_as_pruned_at_the_rung(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    import search.worker.further_trials as module

    seen: list[Any] = []

    def noted(definition: Any, history: Any, limit: int, cohort: Any) -> Any:
        seen.extend((trial.number, trial.state, trial.epochs, trial.value) for trial in cohort)
        return plan_ahead(definition, history, limit, cohort)

    plan_ahead = module.plan_ahead
    monkeypatch.setattr(module, "plan_ahead", noted)
    scene.play(*TO_THE_RUNG, [*map(ended, (6, 8, 9)), TRAINED])
    assert seen == [(6, TrialState.PRUNED, 3, pytest.approx(0.9))]


def test_a_study_without_trials_to_come_gives_none(database_url: str) -> None:
    scene = made(database_url, trials=7)
    child = scene.play(*TO_THE_RUNG, [ended(6), TRAINED])
    assert also(child) == [(3, [])]
    assert len(scene.trials()) == 8
    scene.close()


def test_a_study_that_was_paused_meanwhile_plans_none(scene: Scene) -> None:
    work = scene.claim()
    assert work is not None
    with scene.database.writing() as session:
        lifecycle.pause(session, "x", scene.database.now(session))
    child = scene.do(work, *TO_THE_RUNG, [ended(6), TRAINED])
    assert also(child) == [(3, [])]
    assert len(scene.trials()) == 8


def test_a_child_that_is_lost_gives_back_those_that_came_later_too(scene: Scene) -> None:
    scene.play(*TO_THE_RUNG, [epoch(3, {8: 0.3, 9: 0.8}), ChildLost("killed")])
    assert states(scene)[4:] == ["PRUNED", "PRUNED", "WAITING", "PRUNED", "WAITING", "WAITING"]
    work = scene.claim()
    assert work is not None
    assert {trial.number for trial in work.trials} <= {6, 8, 9}


def test_with_the_database_away_the_child_waits_and_is_answered_once(scene: Scene, database_url: str) -> None:
    now, patchy = [0.0], Patchy(database_url)
    work = scene.claim()
    assert work is not None
    run = CohortRun(patchy, work, Holding(patchy, work.lease, 45.0, lambda: now[0]))
    for answer in (epoch(3, FIRST), pruned(4), pruned(5), pruned(7), FREE):
        run.hear(answer)
    patchy.away = 1
    assert run.record() is False
    assert (run.reply(), run.waiting) == (None, True)  # what they are drawn from is not stored yet
    now[0] = 1.0
    assert run.record() is True
    patchy.away = 1
    assert (run.reply(), run.waiting) == (None, True)
    reply = run.reply()
    assert isinstance(reply, TrainAlso)
    assert [setting.number for setting in reply.settings] == [8, 9]
    assert (run.reply(), run.waiting) == (None, False)
    patchy.close()


@pytest.mark.parametrize(
    ("search", "rung_for_more"),
    [
        ({}, 3),
        ({"pruner": {"name": "hyperband", "config": {"min_epochs": 1}}}, 3),  # the last of 1 and 3
        ({"pruner": {"name": "median"}}, None),
        ({"pruner": None}, None),
        ({"seeds": 2}, None),
        ({"sampler": {"name": "nsga2"}}, None),  # it learns from a whole generation
    ],
)
def test_which_cohorts_take_further_trials(search: dict[str, Any], rung_for_more: int | None, database_url: str) -> None:
    scene = Scene(database_url, **{"pruner": HALVING, "baselines": [], "trials": 9, **search})
    scene.play([PREPARED])
    for expected in (None, rung_for_more):  # the first cohort has a baseline in it, which is no search trial
        work = scene.claim()
        assert work is not None
        child = scene.do(work, [*(ended(trial.number) for trial in work.trials), TRAINED])
        (order,) = (order for order in child.orders if isinstance(order, TrainCohort))
        assert order.more_at == expected
    scene.close()


def test_another_workers_plan_in_between_goes_first(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was drawn for places that are no longer the next is not used."""
    import search.worker.further_trials as module

    work = scene.claim()
    assert work is not None
    planned = module._planned

    def slow(database: Any, claim: Any, standing: Any) -> Any:
        found = planned(database, claim, standing)
        assert scene.claim() is not None
        return found

    monkeypatch.setattr(module, "_planned", slow)
    child = scene.do(work, *TO_THE_RUNG, [ended(6), TRAINED])
    assert also(child) == [(3, [])]
    assert len(scene.trials()) == 10
