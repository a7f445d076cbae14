"""What a worker's signs of life say of it: what its child traced, and how much memory there is of both."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from search.training.child.protocol import CohortTrained, StepsDone
from storage import workers
from storage.fleet_records import Traces, WarmStudy, WorkerRecord
from tests.search.worker.test_worker import PREPARED, Scene, ended, epoch


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    made = Scene(database_url)
    yield made
    made.close()


def beaten(scene: Scene) -> WorkerRecord:
    """Have the worker beat, and return it as it is listed."""
    scene.loop._poll._sweep()
    with scene.database.reading() as session:
        [found] = workers.list_workers(session, scene.database.now(session))
    return found


def test_a_heartbeat_says_what_the_child_said_that_it_traced(scene: Scene) -> None:
    assert beaten(scene).traces is None
    later = Traces(3, 1.25, 4.5, (WarmStudy("x", 3),))
    scene.play([StepsDone(0, 0.5, Traces(1)), PREPARED])
    assert beaten(scene).traces == Traces(2)
    work = scene.claim()
    assert work is not None
    scene.do(work, [epoch(0, 0, 1, 2, 3), StepsDone(5, 0.5, later), *map(ended, range(4)), CohortTrained(1.0, later)])
    assert beaten(scene).traces == later


def test_a_heartbeat_says_nothing_of_a_child_that_was_let_go(scene: Scene) -> None:
    scene.play([PREPARED])
    scene.loop.end_child()
    assert beaten(scene).traces is None


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read in /proc")
def test_a_heartbeat_says_how_much_memory_there_is_of_worker_and_child(scene: Scene) -> None:
    alone = beaten(scene).memory_bytes
    scene.play([PREPARED])  # its child is this process too
    both = beaten(scene)
    assert alone is not None
    assert both.memory_bytes is not None
    assert both.peak_memory_bytes is not None
    assert 1.5 * alone < both.memory_bytes <= both.peak_memory_bytes
