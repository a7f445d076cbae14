"""A study that wants another number of threads for an operation than the child that begins to prepare it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from search.training.child.protocol import DefineStudy, PrepareStudy, ThreadsWanted, TrainCohort
from search.worker.child_process import ChildLost
from storage.records import StudyState
from tests.search.worker.test_worker import PREPARED, Scene, Scripted


class Threaded(Scripted):
    """A scripted child of so many threads."""

    def __init__(self, threads: int, *turns: Sequence[Any]) -> None:
        super().__init__(*turns)
        self.threads = threads


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    made = Scene(database_url)
    yield made
    made.close()


def _prepare(scene: Scene, *children: Threaded) -> None:
    """Have the worker claim the preflight and do it with these children, one after another."""
    left = list(children)
    work = scene.claim()
    assert work is not None
    scene.loop._start_child = lambda threads: left.pop(0)
    scene.loop.carry_out(work)
    assert left == []


def test_it_is_prepared_and_trained_by_a_child_that_has_them(scene: Scene) -> None:
    first, second = Threaded(1, [ThreadsWanted(2)]), Threaded(2, [replace(PREPARED, threads=2)])
    _prepare(scene, first, second)
    assert first.ended
    assert [order for order in first.orders if isinstance(order, PrepareStudy)] == [PrepareStudy(scene.study().id, 1)]
    kinds = [type(order) for order in second.orders]
    assert kinds == [DefineStudy, PrepareStudy, TrainCohort]  # its first cohort is begun at once
    assert second.orders[1] == PrepareStudy(scene.study().id)  # it is not asked again
    assert (scene.study().threads, scene.study().state) == (2, StudyState.RUNNING)


def test_a_second_child_that_is_lost_gives_the_preflight_back(scene: Scene) -> None:
    _prepare(scene, Threaded(1, [ThreadsWanted(2)]), Threaded(2, [ChildLost("killed")]))
    work = scene.claim()
    assert work is not None
    assert work.cohort is None
