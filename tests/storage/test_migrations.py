"""The schema: made by the migrations, equal to the models, made once, and refused where it does not fit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from storage import curves, epochs, outcomes, study_rows, trial_rows, workers, workloads
from storage.database import Database
from storage.errors import SchemaOutdated, SchemaTooNew
from storage.migrations import migrate, require_current, revisions
from storage.models import Base
from storage.records import UNDEFINED, Measured, Moment
from tests.kept.versions import restore_version
from tests.storage import scenes
from tests.storage.scenes import NOW, Running

CATALOG = """
    SELECT c.conrelid::regclass::text || ' ' || c.conname, pg_get_constraintdef(c.oid) FROM pg_constraint c
        WHERE c.connamespace = 'public'::regnamespace
    UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT table_name || '.' || column_name,
            concat_ws(' ', data_type, character_maximum_length, is_nullable, column_default)
        FROM information_schema.columns WHERE table_schema = 'public'
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


def described(url: str) -> dict[str, str]:
    """Describe everything in a database as it sees itself, but for Alembic's own table."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL" if engine.dialect.name == "sqlite" else CATALOG
    with engine.connect() as connection:
        found = {name: re.sub(r"\s+", " ", sql) for name, sql in connection.execute(text(query))}
    engine.dispose()
    return {name: sql for name, sql in found.items() if "alembic" not in name}


def make_by_models(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    Base.metadata.create_all(engine)
    engine.dispose()


def sorted_parts(sql: str) -> list[str]:
    """Take a statement apart, since the order of a table's columns and constraints means nothing."""
    head, _, rest = sql.strip().partition("(")
    body, _, tail = rest.rpartition(")")
    return sorted([head.strip(), *(part.strip() for part in re.split(r",(?![^(]*\))", body)), tail.strip()])


def test_migrated_sqlite_schema_is_that_of_the_models(migrated_sqlite_file: Path, tmp_path: Path) -> None:
    make_by_models(f"sqlite:///{tmp_path / 'models.db'}")
    migrated, modelled = described(f"sqlite:///{migrated_sqlite_file}"), described(f"sqlite:///{tmp_path / 'models.db'}")
    assert {name: sorted_parts(sql) for name, sql in migrated.items()} == {
        name: sorted_parts(sql) for name, sql in modelled.items()
    }


def test_migrated_postgresql_schema_is_that_of_the_models(empty_postgres_url: str) -> None:
    make_by_models(empty_postgres_url)
    modelled = described(empty_postgres_url)
    engine = create_engine(empty_postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    Base.metadata.drop_all(engine)
    engine.dispose()
    database = Database(empty_postgres_url)
    migrate(database)
    database.close()
    assert described(empty_postgres_url) == modelled


def test_an_empty_database_is_refused_as_outdated(empty_url: str) -> None:
    database = Database(empty_url)
    with pytest.raises(SchemaOutdated) as refused:
        require_current(database)
    database.close()
    assert (refused.value.found, refused.value.wanted) == (None, revisions()[-1])


def test_a_migrated_database_is_accepted(database: Database) -> None:
    require_current(database)


def test_migrating_again_changes_nothing(database: Database, database_url: str) -> None:
    before = described(database_url)
    migrate(database)
    assert described(database_url) == before


def set_version(database: Database, version: str) -> None:
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


def test_an_older_schema_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = revisions()[-1]
    monkeypatch.setattr("storage.migrations.revisions", lambda: ["0001", newest, "9998"])
    with pytest.raises(SchemaOutdated, match=f"schema is {newest}, this program needs 9998"):
        require_current(database)


@pytest.mark.parametrize("action", [require_current, migrate])
def test_a_newer_schema_is_refused(database: Database, action: Callable[[Database], None]) -> None:
    set_version(database, "9999")
    with pytest.raises(SchemaTooNew, match="schema is 9999"):
        action(database)


def test_four_migrate_at_once_and_one_does(empty_url: str) -> None:
    def migrate_alone(_: int) -> None:
        database = Database(empty_url)
        migrate(database)
        database.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(migrate_alone, range(4)))
    database = Database(empty_url)
    require_current(database)
    database.close()


# A fourth word for numbers that are not finite (0003)


ODD = {"agreement": 0.25, "digit.accuracy": math.nan, "digit.crossentropy": math.inf, "parity.crossentropy": -math.inf}


def fill(database: Database, name: str, numbers: dict[str, float]) -> Running:
    """Write numbers wherever numbers that are not finite may stand: epochs, moments, and what the objective is made of."""
    running = scenes.running(database, 1, name=name)
    end = scenes.outcome(0, math.nan, values=numbers, violations=numbers, measured={Moment.LAST: Measured(numbers, numbers)})
    with database.writing() as session:
        epochs.record_epoch(session, running.token, running.cohort, {0: (1, numbers, numbers, 0.5)}, NOW)
        outcomes.record_outcomes(session, running.token, [end], NOW)
    return running


def everything(database: Database, running: Running) -> str:
    """Read all of a study's numbers back, as text, since no NaN equals another."""
    with database.reading() as session:
        trial = trial_rows.get_trial(session, running.study.id, 0)
        return f"{trial} {curves.measured(session, trial.id)} {curves.epochs_of(session, trial.id)}"


def test_an_undefined_number_is_refused_before_0003_and_kept_after_it(empty_url: str) -> None:
    restore_version(empty_url, "0002")
    database = Database(empty_url)
    undefined = text("UPDATE epoch_values SET not_finite = 'undefined' WHERE not_finite = 'nan'")
    with pytest.raises(DBAPIError, match=r"CHECK constraint|too long"), database.writing() as session:
        session.execute(undefined)
    migrate(database)
    new = fill(database, "new", {**ODD, "agreement.violations": UNDEFINED})
    assert everything(database, new).count("undefined") == 6
    database.close()


def test_the_migration_touches_no_word_that_was_refused_before(database: Database) -> None:
    running = fill(database, "old", ODD)
    for table, column in (("epoch_values", "not_finite"), ("trial_values", "not_finite"), ("trials", "value_not_finite")):
        with pytest.raises(IntegrityError), database.writing() as session:
            session.execute(text(f"UPDATE {table} SET {column} = 'odd', value = NULL"))
    assert "undefined" not in everything(database, running)


def test_a_sqlite_file_is_sound_after_the_migration(migrated_sqlite_file: Path) -> None:
    engine = create_engine(f"sqlite:///{migrated_sqlite_file}")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA integrity_check")).scalars().all() == ["ok"]
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
    engine.dispose()


# Losses of workers, and cohorts that grow back (0005)


def test_a_prepared_study_of_version_0004_knows_how_far_its_cohorts_grow_back(empty_url: str) -> None:
    restore_version(empty_url, "0004")
    database = Database(empty_url)
    migrate(database)
    with database.reading() as session:
        study = study_rows.get_study(session, "going")
        trial = trial_rows.trials_of(session, study.id)[0]
    database.close()
    assert study.prepared_cohort_size == study.cohort_size
    assert study.cohort_size is not None
    assert (study.losses, study.cohort_losses, study.cohort_successes, trial.losses) == (0, 0, 0, 0)


# Versions of workloads (0007)


def test_a_filled_database_of_version_0004_keeps_its_workloads_and_has_no_versions(empty_url: str) -> None:
    restore_version(empty_url, "0004")
    database = Database(empty_url)
    with database.writing() as session:
        session.execute(
            text("INSERT INTO workloads (name, digest, description, published_at) VALUES ('mine', 'd', '{\"outputs\": 1}', :now)"),
            {"now": "2026-03-01 12:00:00"},
        )
    migrate(database)
    with database.reading() as session:
        found = workloads.find_workload(session, "mine")
        assert workloads.failures(session, NOW) == {}
    assert found is not None
    assert (found.name, found.description, found.version) == ("mine", {"outputs": 1}, None)
    database.close()


# What workers use (0010)


def test_of_a_worker_of_version_0009_it_is_not_known_what_it_uses(empty_url: str) -> None:
    restore_version(empty_url, "0009")
    database = Database(empty_url)
    migrate(database)
    with database.reading() as session:
        [found] = workers.list_workers(session, NOW)
    database.close()
    assert (found.name, found.memory_bytes, found.peak_memory_bytes, found.traces) == ("w1", None, None, None)
