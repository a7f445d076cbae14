"""The study's next trials in the places that a rung has left free, with a child that plays a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from typing import Any

import pytest
from sqlalchemy import update

from search.training.child.protocol import GoOn, PlacesFree, TrainAlso, TrainCohort
from search.worker.child_process import ChildLost
from search.worker.claim import Claim
from search.worker.cohort_run import CohortRun
from search.worker.lease_keeper import Holding
from storage import leases, lifecycle, outcomes, study_rows
from storage.models import TRIALS
from storage.records import Outcome, Reason, TrialState
from tests.search.worker.test_worker import PREPARED, TAKEN, TRAINED, Scene, Scripted, ended
from tests.search.worker.test_worker_at_rungs import HALVING, _add, epoch, pruned, rung

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


def test_the_study_s_next_trials_come_as_often_as_places_are_free(database_url: str) -> None:
    scene = made(database_url, trials=13)
    second = [[epoch(3, dict.fromkeys(range(8, 12), 0.3)), rung(*range(8, 12))], [*map(pruned, range(8, 12)), FREE]]
    third = [
        [epoch(3, {12: 0.8, 13: 0.2}), rung(12, 13)],
        [pruned(13), epoch(10, {6: 0.9, 12: 0.8}), *map(ended, (6, 12)), TRAINED],
    ]
    child = scene.play(*TO_THE_RUNG, *second, *third)
    assert also(child) == [(3, [8, 9, 10, 11]), (3, [12, 13])]
    assert states(scene)[4:] == ["PRUNED", "PRUNED", "COMPLETE", *["PRUNED"] * 5, "COMPLETE", "PRUNED"]
    found = {trial.number: trial for trial in scene.trials()}
    assert len({found[number].cohort for number in range(4, 14)}) == 1
    assert (found[8].planned_after, found[12].planned_after, found[12].planned_beside) == (7, 11, (6,))
    scene.close()


@pytest.mark.parametrize(("trials", "given"), [(24, 9), (25, 8)])
def test_the_study_s_last_few_come_with_those_before_them(trials: int, given: int, database_url: str) -> None:
    """A ninth beside eight, not two: alone, or as two, they would train at the end with all other places free."""
    scene = Scene(database_url, pruner=HALVING, baselines=[], trials=trials)
    scene.play([replace(PREPARED, cohort_size=8)])
    scene.play([*map(ended, range(8)), TRAINED])
    second = range(8, 16)
    child = scene.play(
        [epoch(3, {number: number / 20 for number in second}), rung(*second)],
        [*map(pruned, range(8, 15)), FREE],
        [*map(ended, (15, *range(16, 16 + given))), TRAINED],
    )
    assert also(child) == [(3, list(range(16, 16 + given)))]
    scene.close()


def test_they_are_held_against_the_whole_cohort_at_the_rung(scene: Scene) -> None:
    child = scene.play(*TO_THE_RUNG, [epoch(3, {8: 0.3, 9: 0.5}), rung(8, 9)], [*map(ended, (6, 8, 9)), TRAINED])
    *_, last = (order for order in child.orders if type(order).__name__ == "GoOn")
    assert dict(last.prune) == {8: "epoch 3: not among the best 2 of 6 trials there"}  # 6 and 9 go on


def test_a_third_round_is_held_against_those_before_it(database_url: str) -> None:
    scene = made(database_url, trials=13)
    second = [[epoch(3, dict.fromkeys(range(8, 12), 0.3)), rung(*range(8, 12))], [*map(pruned, range(8, 12)), FREE]]
    child = scene.play(*TO_THE_RUNG, *second, [epoch(3, {12: 0.8, 13: 0.2}), rung(12, 13)], [*map(ended, (6, 12, 13)), TRAINED])
    *_, last = (order for order in child.orders if type(order).__name__ == "GoOn")
    assert dict(last.prune) == {13: "epoch 3: not among the best 3 of 10 trials there"}  # 6, 7 and 12 are
    scene.close()


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
    scene.play([TAKEN], *TO_THE_RUNG, [epoch(3, {8: 0.3, 9: 0.8}), ChildLost("killed")])
    assert states(scene)[4:] == ["PRUNED", "PRUNED", "WAITING", "PRUNED", "WAITING", "WAITING"]
    lost = [trial for trial in scene.trials() if trial.number in (6, 8, 9)]
    assert [(trial.charged, trial.cohort_limit) for trial in lost] == [(1, 2)] * 3
    work = scene.claim()
    assert work is not None
    assert [trial.number for trial in work.trials] == [6, 8]


@pytest.mark.parametrize("ended_before", [[], [8]], ids=["later ones tried again too", "a later one ended"])
def test_a_trial_that_is_tried_again_is_not_held_against_those_that_came_later(scene: Scene, ended_before: list[int]) -> None:
    """It had gone on before they came, and goes on again: 6 of the best 1 of 4, though they are better."""
    later = {8: 0.95, 9: 0.97}
    lost = [*map(ended, ended_before), ChildLost("killed")]
    scene.play(*TO_THE_RUNG, [epoch(3, later), rung(*later)], [epoch(5, {6: 0.9, **later}), *lost])
    judged: dict[int, str] = {}
    while work := scene.claim():
        again = {trial.number: {**FIRST, **later}[trial.number] for trial in work.trials}
        child = scene.do(work, [epoch(3, again), rung(*again)], [*map(ended, again), TRAINED])
        judged |= {number: why for order in child.orders if isinstance(order, GoOn) for number, why in order.prune.items()}
    assert judged == {}
    assert states(scene)[4:] == ["PRUNED", "PRUNED", "COMPLETE", "PRUNED", "COMPLETE", "COMPLETE"]


def test_after_a_kill_for_memory_cohorts_are_half_as_large_as_what_trained_at_a_time(database_url: str) -> None:
    scene = made(database_url, trials=12)
    give_back(scene, keep=1)
    killed = ChildLost("killed", short_of_memory=True)
    child = scene.play([TAKEN, epoch(3, {4: 0.9}), rung(4)], [FREE], [epoch(3, {5: 0.1, 6: 0.2}), killed])
    assert also(child) == [(3, [5, 6, 7, 8])]
    assert scene.study().cohort_size == 2
    assert {trial.cohort_limit for trial in scene.trials()[4:]} == {2}
    scene.close()


def give_back(scene: Scene, keep: int) -> None:
    """Have the next trials claimed but for all after the first `keep`, as if there had been no more places, and given back."""
    with scene.database.writing() as session:
        full = scene.study().cohort_size
        study_rows.change_study(session, scene.study().id, scene.database.now(session), cohort_size=keep)
    work = scene.claim()
    assert work is not None
    assert len(work.trials) == keep
    with scene.database.writing() as session:
        leases.release(
            session, work.lease.token, charge=False, now=scene.database.now(session), reason=Reason("worker_stopped", "x")
        )
        study_rows.change_study(session, scene.study().id, scene.database.now(session), cohort_size=full)


@pytest.mark.parametrize("suspect", [{"charged": 1}, {"losses": 1}, {"cohort_limit": 1}])
def test_a_cohort_with_a_trial_that_was_lost_before_takes_none(suspect: dict[str, int], scene: Scene) -> None:
    give_back(scene, keep=1)
    with scene.database.writing() as session:
        session.execute(update(TRIALS).where(TRIALS.c.number == 4).values(**suspect))
    work = scene.claim()
    assert work is not None
    assert [trial.number for trial in work.trials] == [4]
    assert CohortRun(scene.database, work, Holding(scene.database, work.lease, 45.0, lambda: 0.0)).order().more_at is None


def test_no_more_are_planned_than_the_child_was_ordered_to_train_at_a_time(database_url: str) -> None:
    scene = made(database_url, trials=20)
    work = scene.claim()
    assert work is not None
    with scene.database.writing() as session:
        study_rows.change_study(session, work.study.id, scene.database.now(session), cohort_size=8)  # another worker's success
    child = scene.do(work, *TO_THE_RUNG, [ended(6), TRAINED])
    assert also(child) == [(3, [8, 9, 10, 11])]
    scene.close()


def between(scene: Scene, work: Claim | None, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> Scripted:
    """Have a cohort trained to its rung; after further trials are planned, and before they are started, do `act`."""
    import search.worker.further_trials as module

    planned = module._planned

    def slow(database: Any, claim: Any, standing: Any) -> Any:
        found = planned(database, claim, standing)
        act()
        return found

    monkeypatch.setattr(module, "_planned", slow)
    assert work is not None
    return scene.do(work, *TO_THE_RUNG, [ended(6), TRAINED])


@pytest.mark.parametrize("changed", ["budget", "definition"])
def test_what_a_user_changes_while_they_are_planned_holds(changed: str, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def change() -> None:
        with scene.database.writing() as session:
            now, study = scene.database.now(session), scene.study()
            if changed == "budget":
                lifecycle.raise_budget(session, "x", 7, now)
            else:
                search = {**study.definition["search"], "stop": {"after_seconds": 1.0}}
                study_rows.change_study(session, study.id, now, definition={**study.definition, "search": search})

    assert also(between(scene, scene.claim(), monkeypatch, change)) == [(3, [])]
    assert len(scene.trials()) == 8


def test_they_say_what_had_ended_when_they_were_drawn(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what ended since: their sampler knew nothing of it."""
    work = scene.claim()
    _add(scene, 1)
    other = scene.claim()
    assert other is not None

    def end() -> None:
        with scene.database.writing() as session:
            done = [Outcome(trial.number, TrialState.COMPLETE, 10, value=0.5, feasible=True) for trial in other.trials]
            outcomes.record_outcomes(session, other.lease.token, done, scene.database.now(session))

    child = between(scene, work, monkeypatch, end)
    assert also(child) == [(3, [9])]
    (found,) = (trial for trial in scene.trials() if trial.number == 9)
    assert (found.planned_after, found.planned_beside) == (7, (6, 8))


def test_a_lease_is_kept_while_a_slow_sampler_plans_and_the_child_is_not_silent(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than a lease lasts, and than a training may be silent."""
    import search.worker.further_trials as module

    now, renewed, think, renew = [0.0], Event(), module.plan_ahead, leases.renew

    def slowly(*asked: Any) -> Any:
        for _ in range(20):
            renewed.clear()
            now[0] += 44.0  # of a lease of 45 s
            assert renewed.wait(60)
        return think(*asked)

    def noted(*asked: Any) -> Any:
        renewed.set()
        return renew(*asked)

    work = scene.claim()
    assert work is not None
    scene.clock = lambda: now[0]
    monkeypatch.setattr(module, "plan_ahead", slowly)
    monkeypatch.setattr(leases, "renew", noted)
    child = scene.do(work, *TO_THE_RUNG, [], [epoch(3, {8: 0.3, 9: 0.8}), rung(8, 9)], [*map(ended, (6, 8, 9)), TRAINED])
    assert now[0] > scene.loop._settings.progress_seconds
    assert also(child) == [(3, [8, 9])]
    assert states(scene)[6:] == ["COMPLETE", "PRUNED", "COMPLETE", "COMPLETE"]


def test_a_study_that_takes_too_long_to_plan_for_takes_none_the_next_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, asked = made(database_url, trials=20), []
    work = scene.claim()
    assert work is not None
    monkeypatch.setattr(scene.loop._aside, "is_slow", lambda study: asked.append(study) or True)
    child = scene.do(work, *TO_THE_RUNG, [ended(6), TRAINED])
    assert also(child) == [(3, [])]
    assert asked[0] == work.study.id
    assert len(scene.trials()) == 8
    scene.close()


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
