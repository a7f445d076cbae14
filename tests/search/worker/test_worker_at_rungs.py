"""The worker at a rung, with a child that plays a script: what it answers, what decides that, and what it does when it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from search.training.child.protocol import GoOn, RungReached, TrainCohort
from search.training.interface import Ended, EpochReport
from search.worker.child_process import ChildLost
from search.worker.claim import Claim
from search.worker.cohort_run import CohortRun
from search.worker.lease_keeper import Holding
from storage import epochs, outcomes, trials
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.records import Outcome, PlannedTrial, Reason, Role, TrialState
from tests.search.worker.test_worker import PREPARED, TRAINED, Scene, Scripted, ended

DIGIT, PARITY = "digit.sparse_categorical_accuracy", "parity.binary_accuracy"
HALVING = {"name": "successive_halving", "config": {"min_epochs": 3}}
SCORES = {0: 0.1, 1: 0.2, 2: 0.9, 3: 0.4}
"""Accuracies at the rung; trial 0 is the baseline `current`."""


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    made = Scene(database_url, pruner=HALVING, confirmation=None)
    made.play([PREPARED])
    yield made
    made.close()


def epoch(number: int, scores: Mapping[int, float]) -> EpochReport:
    settings = list(scores)
    terms = {path: [0.5] * len(settings) for path in ("digit.crossentropy", "parity.crossentropy", "agreement")}
    metrics = {path: list(scores.values()) for path in (DIGIT, PARITY)}
    return EpochReport(number, settings, 0.1, terms, {**terms, **metrics, "agreement.violations": [0.0] * len(settings)})


def rung(*numbers: int) -> RungReached:
    return RungReached(3, numbers)


def pruned(number: int) -> Ended:
    return Ended(number, TrialState.PRUNED, 3, Reason("pruned", "epoch 3: why"))


def replies(child: Scripted) -> list[Mapping[int, str]]:
    """Return whom each reply ends, and why."""
    sent = [order for order in child.orders if isinstance(order, GoOn)]
    assert all(order.epoch == 3 for order in sent)
    return [order.prune for order in sent]


def test_only_search_trials_have_rungs(scene: Scene) -> None:
    child = scene.play([epoch(10, SCORES), *map(ended, SCORES), TRAINED])
    (order,) = (order for order in child.orders if isinstance(order, TrainCohort))
    assert {setting.number: list(setting.rungs) for setting in order.settings} == {0: [], 1: [3], 2: [3], 3: [3]}


def test_at_a_rung_the_cohort_s_search_trials_are_compared_and_the_child_learns_who_ends(scene: Scene) -> None:
    rest = {0: 0.5, 2: 0.9}
    child = scene.play([epoch(3, SCORES), rung(1, 2, 3)], [pruned(1), pruned(3)], [epoch(10, rest), ended(0), ended(2), TRAINED])
    why = "epoch 3: not among the best 1 of 3 trials there"  # the baseline takes no part
    assert replies(child) == [{1: why, 3: why}]
    found = {trial.number: trial for trial in scene.trials()}
    assert [found[number].state.value for number in range(4)] == ["COMPLETE", "PRUNED", "COMPLETE", "PRUNED"]
    assert (found[1].epochs, found[1].value, found[1].values) == (3, pytest.approx(0.2), {DIGIT: 0.2, PARITY: 0.2})
    assert found[1].reason.code == "pruned"


def test_one_that_diverged_at_the_rung_is_still_compared_with(scene: Scene) -> None:
    """Trial 1 has ended by its validation numbers of this very epoch: two of the three at the rung are judged."""
    diverged = ended(1, TrialState.DIVERGED)
    child = scene.play([epoch(3, {1: 0.95, 2: 0.9, 3: 0.4}), diverged, rung(2, 3)], [*map(ended, (0, 2, 3)), TRAINED])
    assert [set(answer) for answer in replies(child)] == [{2, 3}]


def test_settings_that_come_to_the_rung_later_are_held_against_those_before(scene: Scene) -> None:
    """A cohort larger than its stack is trained in parts, one after another."""
    child = scene.play([epoch(3, {1: 0.2}), rung(1)], [epoch(3, {2: 0.9, 3: 0.4}), rung(2, 3)], [*map(ended, range(4)), TRAINED])
    assert [set(answer) for answer in replies(child)] == [set(), {3}]


class Patchy(Database):
    """A database that nobody answers for in the next few transactions."""

    away = 0

    def reading(self) -> Any:
        self._try()
        return super().reading()

    def writing(self) -> Any:
        self._try()
        return super().writing()

    def _try(self) -> None:
        if self.away > 0:
            self.away -= 1
            raise StorageUnavailable("connection refused")


def test_with_the_database_away_the_child_waits_and_is_answered_once(scene: Scene, database_url: str) -> None:
    now, patchy = [0.0], Patchy(database_url)
    work = scene.claim()
    assert work is not None
    run = CohortRun(patchy, work, Holding(patchy, work.lease, 45.0, lambda: now[0]))
    run.hear(epoch(3, SCORES))
    run.hear(rung(1, 2, 3))
    patchy.away = 1
    assert run.record() is False
    assert (run.reply(), run.waiting) == (None, True)  # what it decides by is not stored yet
    now[0] = 1.0  # it is asked again after a pause
    assert run.record() is True
    patchy.away = 1
    assert (run.reply(), run.waiting) == (None, True)
    reply = run.reply()
    assert reply is not None
    assert set(reply.prune) == {1, 3}
    assert (run.reply(), run.waiting) == (None, False)
    patchy.close()


def test_a_child_that_waits_for_us_is_not_silent(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer takes longer than a training may be silent."""
    now, asked = [0.0], []

    def late(self: CohortRun) -> Any:
        asked.append(now[0])
        now[0] += 20.0
        return reply(self) if len(asked) > 50 else None

    reply = CohortRun.reply
    monkeypatch.setattr(CohortRun, "reply", late)
    scene.clock = lambda: now[0]
    turns = [[epoch(3, SCORES), rung(1, 2, 3)], *([] for _ in range(51)), [*map(ended, SCORES), TRAINED]]
    child = scene.play(*turns)
    assert now[0] > scene.loop._settings.progress_seconds
    assert [set(answer) for answer in replies(child)] == [{1, 3}]


# What decides: nothing but what had ended when the cohort was claimed


def _earlier(scene: Scene, scores: Mapping[int, float], *, finish: bool) -> None:
    """Train and end search trials beside the scene's worker, with these numbers at the rung."""
    work = scene.claim()
    assert work is not None
    assert len(work.trials) == len(scores)
    with scene.database.writing() as session:
        now = scene.database.now(session)
        values = zip(work.trials, scores.values(), strict=True)
        answer = {trial.number: (3, {}, {DIGIT: value, PARITY: value}, 0.1) for trial, value in values}
        epochs.record_epoch(session, work.lease.token, work.cohort or 0, answer, now)
    if finish:
        _finish(scene, work)


def _finish(scene: Scene, work: Claim) -> None:
    with scene.database.writing() as session:
        ends = [Outcome(trial.number, TrialState.COMPLETE, 10, value=0.5, feasible=True) for trial in work.trials]
        outcomes.record_outcomes(session, work.lease.token, ends, scene.database.now(session))


def _add(scene: Scene, count: int) -> None:
    """Plan search trials, to be claimed before anything else is."""
    drawn = {"parity.crossentropy": 1.0, "agreement": 0.5}
    planned = PlannedTrial(Role.SEARCH, None, drawn, {"digit.crossentropy": 1.0, **drawn}, 0, "tpe")
    with scene.database.writing() as session:
        trials.add_trials(session, scene.study(), [planned] * count, beside=(), now=scene.database.now(session))


def _decided(scene: Scene, work: Claim, scores: Mapping[int, float]) -> set[int]:
    run = CohortRun(scene.database, work, Holding(scene.database, work.lease, 45.0, lambda: 0.0))
    run.hear(epoch(3, scores))
    run.hear(rung(*scores))
    assert run.record() is True
    reply = run.reply()
    assert reply is not None
    return set(reply.prune)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_ends_while_a_cohort_trains_decides_nothing(scene: Scene, workers: int) -> None:
    """The same outcomes before the cohort was planned: a second worker that is done before the rung changes no decision."""
    _add(scene, 4)
    _earlier(scene, dict.fromkeys(range(4), 0.3), finish=True)
    _add(scene, 4)
    if workers == 2:
        beside = scene.claim()
        assert beside is not None
        with scene.database.writing() as session:
            answer = {trial.number: (3, {}, {DIGIT: 0.99, PARITY: 0.99}, 0.1) for trial in beside.trials}
            epochs.record_epoch(session, beside.lease.token, beside.cohort or 0, answer, scene.database.now(session))
    _add(scene, 4)
    mine = scene.claim()
    assert mine is not None
    assert {trial.planned_after for trial in mine.trials} == {4}
    if workers == 2 and beside is not None:
        _finish(scene, beside)
    scores = {trial.number: value for trial, value in zip(mine.trials, (0.1, 0.4, 0.5, 0.6), strict=True)}
    worst, second, *_ = scores
    assert _decided(scene, mine, scores) == {worst, second}  # the best 2 of 8 go on


def test_a_trial_that_is_tried_again_is_held_against_its_former_companions(scene: Scene) -> None:
    """Three of four had been pruned at the rung when the process was lost; alone, the fourth would be the best of one."""
    _add(scene, 4)
    numbers = [trial.number for trial in scene.trials()]
    scores = dict(zip(numbers, (0.1, 0.2, 0.3, 0.9), strict=True))
    scene.play([epoch(3, scores), rung(*numbers)], [*map(pruned, numbers[:3]), ChildLost("killed")])
    work = scene.claim()
    assert work is not None
    assert [trial.number for trial in work.trials] == [3]
    assert _decided(scene, work, {3: 0.25}) == {3}
