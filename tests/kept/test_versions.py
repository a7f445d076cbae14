"""A database of each earlier schema version is refused by name, migrates, keeps its numbers, and its studies go on."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.worker.claim import Claim, Claimant, claim
from storage import curves, leases, outcomes, studies, study_rows, trial_rows
from storage.database import Database
from storage.errors import SchemaOutdated
from storage.migrations import migrate, require_current, revisions
from storage.records import Outcome, StudyState, TrialState
from tests.kept.versions import VERSIONS, restore_version
from tests.storage import scenes
from tests.storage.test_migrations import described

every = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'old.db'}"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.fixture
def database(empty_url: str, version: str) -> Iterator[Database]:
    """Give a database of the version."""
    restore_version(empty_url, version)
    database = Database(empty_url)
    yield database
    database.close()


def test_every_earlier_version_is_kept() -> None:
    assert revisions()[:-1] == VERSIONS


@every
def test_an_earlier_version_is_refused_by_its_name(database: Database, version: str) -> None:
    with pytest.raises(SchemaOutdated, match=f"schema is {version}, this program needs .*: run `steelyard migrate`"):
        require_current(database)


@every
def test_an_earlier_version_becomes_the_newest_schema(
    database: Database, empty_url: str, migrated_sqlite_file: Path, shared_postgres_url: str
) -> None:
    migrate(database)
    newest = described(f"sqlite:///{migrated_sqlite_file}" if database.dialect == "sqlite" else shared_postgres_url)
    found = described(empty_url)
    assert {name: plain(sql) for name, sql in found.items()} == {name: plain(sql) for name, sql in newest.items()}


def plain(sql: str) -> list[str]:
    """Return a statement's parts without their order, and without the casts and brackets that a dump of PostgreSQL adds."""
    return sorted(re.sub(r"::[a-z ]+(\[\])?|[()\s]", "", sql).split(","))


@every
def test_the_numbers_of_an_earlier_version_are_kept(database: Database, version: str) -> None:
    migrate(database)
    with database.reading() as session:
        study = study_rows.get_study(session, "going")
        first, second, *_ = trial_rows.trials_of(session, study.id)
        epochs = [curves.epochs_of(session, trial.id) for trial in (first, second)]
    assert (study.priority, study.labels) == (0, {"from": version})
    assert (first.value, first.values) == (-0.25, {"t0.mse": 0.25, "t1.mse": 0.25})
    assert math.isnan(second.value or 0.0)
    assert second.values["t1.mse"] == math.inf
    assert [epoch.validation["t0.mse"] for epoch in epochs[0]] == [0.5, 0.25]
    assert epochs[1][0].validation["t1.error"] == -math.inf


@every
def test_the_studies_of_an_earlier_version_go_on(database: Database) -> None:
    migrate(database)
    with database.writing() as session:
        now = database.now(session)
        assert leases.reap(session, now) == 1
        worker = scenes.register(session, workloads=["ads"])
    claimant = Claimant(worker, "w", ["ads"], 45.0)
    ended: set[int] = set()
    while len(ended) < 4:
        work = claim(database, claimant)
        assert isinstance(work, Claim)
        if work.study.name == "queued":
            assert work.cohort is None
            with database.writing() as session:  # left to somebody else
                studies.end_study(session, work.study.id, StudyState.STOPPED, None, database.now(session))
            continue
        results = [
            Outcome(number=trial.number, state=TrialState.COMPLETE, epochs=2, best_epoch=1, value=-0.5, feasible=True)
            for trial in work.trials
        ]
        with database.writing() as session:
            now = database.now(session)
            outcomes.record_outcomes(session, work.lease.token, results, now)
            leases.complete(session, work.lease.token, now)
        ended |= {trial.number for trial in work.trials}
    assert ended == {2, 3, 4, 5}
