"""How an idle worker looks for work: it writes only where there may be some, and misses none. On both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from sqlalchemy import text

from search.worker import claim_poll
from search.worker.claim import Claim, Claimant, claim
from search.worker.claim_poll import CLAIM_AGAIN_SECONDS, ClaimPoll
from storage import leases, lifecycle, workers
from storage.database import Database
from storage.errors import SchemaTooNew, StorageUnavailable
from tests.search.worker.test_worker import PREPARED, TAKEN, TRAINED, Scene, ended, epoch


class Watched:
    """A worker's poll beside a scene's study, and how many write transactions it has opened."""

    def __init__(self, scene: Scene, monkeypatch: pytest.MonkeyPatch, *, later: int = 0) -> None:
        self.now, self.writes, self.swept = 0.0, 0, 0
        clock = (lambda now: now.replace(year=now.year + later)) if later else None
        self.database = Database(scene.database.url.render_as_string(hide_password=False), clock=clock)
        self._writing = self.database.writing
        monkeypatch.setattr(self.database, "writing", self._counted)
        with self._writing() as session:
            now = self.database.now(session)
            record = workers.register(session, name="b", host="h", pid=2, version="1", workloads=["digits"], now=now)
        claimant = Claimant(record.id, "b", ["digits"], 45.0)
        self.poll = ClaimPoll(self.database, claimant, self._sweep, lambda: self.now)

    def _counted(self) -> AbstractContextManager[Any]:
        self.writes += 1
        return self._writing()

    def _sweep(self) -> None:
        with self._writing() as session:
            self.swept += leases.reap(session, self.database.now(session))


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    made = Scene(database_url)
    yield made
    made.close()


@pytest.fixture
def watched(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    made = Watched(scene, monkeypatch)
    yield made
    made.database.close()


def test_without_a_study_to_work_on_nothing_is_written(scene: Scene, watched: Watched) -> None:
    with scene.database.writing() as session:
        lifecycle.pause(session, "x", scene.database.now(session))
    for watched.now in (0.0, 10.0, 20.0):
        assert watched.poll.next() is None
    assert watched.writes == 0
    with scene.database.writing() as session:
        lifecycle.resume(session, "x", scene.database.now(session))
    assert watched.poll.next() is not None


def test_a_study_in_somebody_s_preflight_is_left_alone_without_a_write(scene: Scene, watched: Watched) -> None:
    assert scene.claim() is not None
    assert watched.poll.next() is None
    assert watched.writes == 0


def test_beside_a_study_with_nothing_to_train_it_claims_once_until_something_changes(scene: Scene, watched: Watched) -> None:
    scene.play([PREPARED])
    work = scene.claim()
    assert work is not None
    for _ in range(5):
        assert watched.poll.next() is None
    assert watched.writes == 1
    scene.do(work, [TAKEN, epoch(10, 0, 1, 2, 3), *map(ended, range(4)), TRAINED])
    with scene.database.writing() as session:
        lifecycle.raise_budget(session, "x", 6, scene.database.now(session))
    found = watched.poll.next()
    assert found is not None
    assert watched.writes == 3  # the first of these two found what the sampler is to be asked, and let go


def test_a_claim_that_took_nothing_is_repeated_after_a_second(scene: Scene, watched: Watched) -> None:
    scene.play([PREPARED])
    assert scene.claim() is not None
    watched.poll.next()
    watched.now = CLAIM_AGAIN_SECONDS
    watched.poll.next()
    assert watched.writes == 2


def test_what_a_dead_worker_held_is_swept_and_claimed_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.play([PREPARED])
    work = scene.claim()
    assert work is not None
    later = Watched(scene, monkeypatch, later=1)
    found = later.poll.next()
    later.database.close()
    assert later.swept == 1
    assert found is not None
    assert [trial.number for trial in found.trials] == [0, 1, 2, 3]  # together: a lost worker is none of their doing


@pytest.mark.parametrize("work", [True, False])
def test_a_worker_stops_at_its_next_look_when_a_later_version_has_migrated(scene: Scene, watched: Watched, work: bool) -> None:
    with scene.database.writing() as session:
        if not work:
            lifecycle.pause(session, "x", scene.database.now(session))
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew, match="schema is 9999, this program only knows up to"):
        watched.poll.next()


def test_a_claim_asks_again_under_the_lock_whether_the_schema_is_its_own(scene: Scene) -> None:
    with scene.database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew):
        scene.claim()


def test_a_running_worker_ends_with_the_sentence(scene: Scene) -> None:
    with scene.database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaTooNew, match="upgrade the program"):
        scene.loop.run()
    assert scene.child.ended


def test_what_a_claim_took_whose_commit_was_cut_off_is_given_back_uncharged(
    scene: Scene, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.play([PREPARED])

    def cut_off(*claimed: Any) -> Any:
        claim(*claimed)
        raise StorageUnavailable("the connection was lost in the commit")

    monkeypatch.setattr(claim_poll, "claim", cut_off)
    with pytest.raises(StorageUnavailable):
        watched.poll.next()
    assert [trial.state for trial in scene.trials()] == ["RUNNING"] * 4
    monkeypatch.setattr(claim_poll, "claim", claim)
    found = watched.poll.next()
    assert isinstance(found, Claim)
    assert [trial.number for trial in found.trials] == [0, 1, 2, 3]
    assert {trial.charged for trial in scene.trials()} == {0}
