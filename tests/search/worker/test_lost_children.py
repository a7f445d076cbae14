"""A training process that dies, hangs or runs out of memory: what it costs trials, preflights and cohorts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from search.training.child.protocol import (
    ChildReady,
    StepsDone,
)
from search.worker.child_losses import MOST_UNREAD
from search.worker.child_process import ChildLost
from storage.records import Reason, StudyState, TrialState
from tests.search.worker.test_worker import PREPARED, TAKEN, Scene, Scripted, ended, epoch


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    made = Scene(database_url)
    yield made
    made.close()


def test_what_ended_before_the_child_was_lost_is_kept_and_the_rest_charged(scene: Scene) -> None:
    scene.play([PREPARED])
    child = scene.play([TAKEN, epoch(0, 0, 1, 2, 3), epoch(10, 0, 1, 2, 3), ended(0), ended(1), ChildLost("killed")])
    assert child.ended
    found = {trial.number: trial for trial in scene.trials()}
    assert {number: trial.state.value for number, trial in found.items()} == {
        0: "COMPLETE",
        1: "COMPLETE",
        2: "WAITING",
        3: "WAITING",
    }
    assert [found[number].charged for number in (2, 3)] == [1, 1]


def test_after_a_kill_that_may_be_for_memory_cohorts_are_half_as_large(scene: Scene) -> None:
    scene.play([PREPARED])
    scene.play([TAKEN, ChildLost("killed by SIGKILL", short_of_memory=True)])
    assert scene.study().cohort_size == 2
    work = scene.claim()
    assert work is not None
    assert len(work.trials) == 2


def test_a_kill_that_is_not_for_memory_leaves_the_cohorts_of_others_as_large(scene: Scene) -> None:
    scene.play([PREPARED])
    scene.play([TAKEN, ChildLost("killed by SIGKILL")])
    assert scene.study().cohort_size == 4


def test_memory_that_ran_out_has_its_own_code(scene: Scene) -> None:
    scene.play([PREPARED])
    scene.play([TAKEN, ChildLost("memory ran out", code="out_of_memory", short_of_memory=True)])
    assert {trial.reason.code for trial in scene.trials()} == {"out_of_memory"}


def silent(scene: Scene, seconds: float, *said: Any) -> Scripted:
    """Have a child say something, and then nothing for so many seconds."""
    now = [0.0]
    scene.clock = lambda: now[0]
    work = scene.claim()
    assert work is not None
    scene.loop.end_child()
    child = scene.child = Scripted([TAKEN, *said])
    turns = child.messages

    def pass_time(patience: float) -> Iterator[Any]:
        yield from turns(patience)
        now[0] += 0.0 if child.turns else seconds

    child.messages = pass_time  # type: ignore[method-assign]
    child.turns.append(())
    scene.loop.carry_out(work)
    return child


def test_a_training_that_is_silent_before_its_first_graph_call_is_hung_after_ten_minutes(scene: Scene) -> None:
    scene.play([PREPARED])
    child = silent(scene, 601)
    assert child.ended
    assert {trial.reason for trial in scene.trials()} == {Reason("hung", "the training process said nothing for 600 s")}


def test_a_training_that_falls_silent_is_hung_after_twenty_times_its_slowest_graph_call(scene: Scene) -> None:
    scene.play([PREPARED])
    silent(scene, 81, StepsDone(1, slowest=4.0))
    assert {trial.reason for trial in scene.trials()} == {Reason("hung", "the training process said nothing for 80 s")}


def test_three_hung_preflights_end_a_study_and_it_says_so(scene: Scene) -> None:
    for _ in range(3):
        silent(scene, 601)
    text = "the preflight was lost 3 times with its training process, the last time so: the training process said nothing for 600 s"
    assert (scene.study().state, scene.study().reason) == (StudyState.FAILED, Reason("hung", text))


def test_a_child_that_was_lost_before_it_began_costs_the_trials_nothing(scene: Scene) -> None:
    scene.play([PREPARED])
    child = scene.play([ChildLost("killed by SIGKILL", short_of_memory=True)])
    assert child.ended
    assert {(trial.state, trial.charged) for trial in scene.trials()} == {(TrialState.WAITING, 0)}
    assert scene.study().cohort_size == 4


READY = ChildReady({})
DIES = ChildLost("the training process ended with exit code 1")


def test_an_order_that_ends_every_child_that_reads_it_is_charged_at_the_third(scene: Scene) -> None:
    scene.play([PREPARED])
    for lost in range(1, MOST_UNREAD + 1):
        scene.play([READY, DIES])
        assert {trial.charged for trial in scene.trials()} == {lost // MOST_UNREAD}
    text = f"3 training processes in a row ended on reading an order of this study, the last one so: {DIES}"
    assert {trial.reason for trial in scene.trials()} == {Reason("child_lost", text)}


def test_a_preflight_that_ends_every_child_that_reads_it_fails_its_study(scene: Scene) -> None:
    while scene.study().state is StudyState.QUEUED:
        scene.play([READY, DIES])
    assert scene.study().state is StudyState.FAILED
    assert scene.study().preparations == 3


def test_children_that_die_on_reading_count_in_a_row_alone(scene: Scene) -> None:
    scene.play([PREPARED])
    for _ in range(MOST_UNREAD - 1):
        scene.play([READY, DIES])
    scene.play([READY, TAKEN, DIES])  # charged, since it had begun
    for _ in range(MOST_UNREAD - 1):
        scene.play([READY, DIES])
    assert {trial.charged for trial in scene.trials()} == {1}


def test_children_that_never_get_ready_charge_nobody(scene: Scene) -> None:
    scene.play([PREPARED])
    for _ in range(MOST_UNREAD + 1):
        scene.play([DIES])
    assert {(trial.state, trial.charged) for trial in scene.trials()} == {(TrialState.WAITING, 0)}


def test_a_dead_child_is_found_before_it_is_given_work(scene: Scene) -> None:
    scene.play([PREPARED])
    scene.loop.end_child()
    child = scene.child = Scripted([ChildLost("killed by SIGKILL", short_of_memory=True)])
    scene.loop.step()
    assert child.ended
    assert not child.orders
    assert {trial.attempt for trial in scene.trials()} <= {0}
