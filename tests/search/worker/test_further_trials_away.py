"""The study's next trials for a cohort under way, while the database is away or goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from search.training.child.protocol import TrainAlso
from search.worker.cohort_run import CohortRun
from search.worker.lease_keeper import Holding
from storage.database import Database, Session
from storage.errors import StorageUnavailable
from tests.search.worker.test_further_trials import FIRST, FREE, made, states
from tests.search.worker.test_worker import Scene
from tests.search.worker.test_worker_at_rungs import Patchy, epoch, pruned


class Forgetful(Database):
    """A database that does the next few writes, and whose connection goes before it can say so."""

    forgets = 0

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with super().writing() as session:
            yield session
        if self.forgets:
            self.forgets -= 1
            raise StorageUnavailable("server closed the connection unexpectedly")


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    found = made(database_url)
    yield found
    found.close()


def at_the_rung(scene: Scene, database: Database, now: list[float]) -> CohortRun:
    """Return a run over a database whose child waits for further trials; nothing of it is recorded yet."""
    work = scene.claim()
    assert work is not None
    run = CohortRun(database, work, Holding(database, work.lease, 45.0, lambda: now[0]))
    for answer in (epoch(3, FIRST), pruned(4), pruned(5), pruned(7), FREE):
        run.hear(answer)
    return run


def test_a_sampler_is_asked_once_however_often_the_write_fails(
    scene: Scene, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import search.worker.further_trials as module

    now, patchy, asked, planned = [0.0], Patchy(database_url), [], module._planned

    def noted(*given: Any) -> Any:
        asked.append(given)
        found = planned(*given)
        patchy.away = 1  # the write
        return found

    monkeypatch.setattr(module, "_planned", noted)
    run = at_the_rung(scene, patchy, now)
    assert run.record() is True
    assert [run.reply() for _ in range(3)] == [None] * 3
    now[0] = 1.0
    assert isinstance(run.reply(), TrainAlso)
    assert len(asked) == 1
    patchy.close()


def test_trials_that_were_started_before_the_connection_went_are_trained(scene: Scene, database_url: str) -> None:
    now, forgetful = [0.0], Forgetful(database_url)
    run = at_the_rung(scene, forgetful, now)
    assert run.record() is True
    forgetful.forgets = 1
    assert run.reply() is None
    assert states(scene)[8:] == ["RUNNING", "RUNNING"]
    now[0] = 1.0
    reply = run.reply()
    assert isinstance(reply, TrainAlso)
    assert [setting.number for setting in reply.settings] == [8, 9]
    assert len(scene.trials()) == 10
    forgetful.close()


def test_with_the_database_away_the_child_waits_and_is_answered_once(scene: Scene, database_url: str) -> None:
    now, patchy = [0.0], Patchy(database_url)
    run = at_the_rung(scene, patchy, now)
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
