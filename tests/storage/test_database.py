"""Transactions, time, and what becomes of a driver's errors."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import DBAPIError

from storage.database import Database
from storage.errors import StorageBusy, StorageFull, StorageUnavailable
from storage.models import WORKERS
from tests.storage import scenes


def worker_names(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(WORKERS.c.name).order_by(WORKERS.c.id)))


def test_a_writing_block_is_committed(database: Database) -> None:
    with database.writing() as session:
        scenes.register(session, "kept")
    assert worker_names(database) == ["kept"]


def test_a_writing_block_that_raises_leaves_nothing(database: Database) -> None:
    def fail_half_way() -> None:
        with database.writing() as session:
            scenes.register(session, "dropped")
            raise KeyError("half-way")

    with pytest.raises(KeyError):
        fail_half_way()
    assert worker_names(database) == []


def test_a_reader_sees_one_moment(database: Database) -> None:
    with database.writing() as session:
        scenes.register(session, "before")
    with database.reading() as session:
        assert session.scalars(select(WORKERS.c.name)).all() == ["before"]
        with database.writing() as other:
            scenes.register(other, "meanwhile")
        assert session.scalars(select(WORKERS.c.name)).all() == ["before"]
    assert worker_names(database) == ["before", "meanwhile"]


def test_a_postgresql_reader_cannot_write(empty_postgres_url: str) -> None:
    database = Database(empty_postgres_url)
    with pytest.raises(DBAPIError, match="read-only transaction"), database.reading() as session:
        session.execute(text("CREATE TABLE written (id int)"))
    database.close()


def test_a_writer_after_a_reader_may_write(empty_postgres_url: str) -> None:
    """The pool gives the same connection again: being read-only must not stay with it."""
    database = Database(empty_postgres_url)
    ping(database)
    with database.writing() as session:
        session.execute(text("CREATE TABLE written (id int)"))
    database.close()


def test_now_is_aware_utc_and_this_hour(database: Database) -> None:
    with database.reading() as session:
        now = database.now(session)
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(hours=1)


def test_the_clock_moves_the_databases_time(database_url: str) -> None:
    fixed = datetime(2001, 1, 1, tzinfo=UTC)
    database = Database(database_url, clock=lambda _: fixed)
    with database.reading() as session:
        assert database.now(session) == fixed
    database.close()


def test_now_goes_on_within_a_postgresql_transaction(empty_postgres_url: str) -> None:
    database = Database(empty_postgres_url)
    with database.writing() as session:
        assert database.now(session) < database.now(session)
    database.close()


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/steelyard", "nonsense", "postgresql://me:secret@host:port/x"]
)
def test_a_url_that_cannot_work_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="database URL is sqlite:///FILE or postgresql://"):
        Database(url)


def test_a_refused_url_does_not_show_its_password() -> None:
    with pytest.raises(ValueError, match=r"mysql://me:\*\*\*@localhost"):
        Database("mysql://me:secret@localhost/steelyard")


@pytest.fixture
def impatient(database_url: str) -> Iterator[Database]:
    database = Database(database_url, busy_timeout_seconds=0.05)
    yield database
    database.close()


def test_a_held_writer_makes_the_next_busy(database: Database, impatient: Database) -> None:
    with database.writing() as session:
        study = scenes.create(session)
    lock = text("UPDATE studies SET sequence = 1 WHERE id = :id").bindparams(id=study.id)
    with database.writing() as holder:
        holder.execute(lock)
        with pytest.raises(StorageBusy), impatient.writing() as session:
            session.execute(lock)


def test_a_busy_writer_can_write_later(database: Database, impatient: Database) -> None:
    with database.writing() as holder:
        holder.execute(text("UPDATE studies SET sequence = 1"))
        with pytest.raises(StorageBusy), impatient.writing() as session:
            session.execute(text("LOCK TABLE studies" if impatient.dialect == "postgresql" else "SELECT 1"))
    with impatient.writing() as session:
        scenes.register(session, "later")
    assert worker_names(database) == ["later"]


def test_a_held_sqlite_writer_does_not_stop_readers(tmp_path: Path, migrated_sqlite_file: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(migrated_sqlite_file.read_bytes())
    database = Database(f"sqlite:///{copy}", busy_timeout_seconds=0.05)
    with database.writing() as session:
        scenes.register(session)
        assert worker_names(database) == []
    database.close()


def test_sqlite_is_opened_as_it_should_be(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new.db'}", busy_timeout_seconds=7.0)
    with database.reading() as session:
        pragmas = {name: session.scalar(text(f"PRAGMA {name}")) for name in PRAGMAS}
    database.close()
    assert pragmas == PRAGMAS


PRAGMAS = {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 7000}


def test_a_refused_connection_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        database = Database(f"postgresql://nobody@127.0.0.1:{taken.getsockname()[1]}/nothing")
        with pytest.raises(StorageUnavailable):
            ping(database)
        database.close()


def test_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'missing' / 'steelyard.db'}")
    with pytest.raises(StorageUnavailable):
        ping(database)
    database.close()


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to have a header " * 40)
    database = Database(f"sqlite:///{tmp_path / 'notes.txt'}")
    with pytest.raises(StorageUnavailable, match="is damaged, or is no SQLite database"):
        ping(database)
    database.close()


def test_a_damaged_file_is_named_so(tmp_path: Path, migrated_sqlite_file: Path) -> None:
    whole = migrated_sqlite_file.read_bytes()
    (tmp_path / "file.db").write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    database = Database(f"sqlite:///{tmp_path / 'file.db'}")
    with pytest.raises(StorageUnavailable, match="is damaged"):
        worker_names(database)
    database.close()


@pytest.mark.parametrize("another", [False, True])
def test_nothing_is_written_to_a_file_that_was_removed(tmp_path: Path, migrated_sqlite_file: Path, another: bool) -> None:
    file, away = tmp_path / "file.db", tmp_path / "away.db"
    file.write_bytes(migrated_sqlite_file.read_bytes())
    database = Database(f"sqlite:///{file}")
    assert worker_names(database) == []
    file.rename(away)
    if another:
        file.write_bytes(migrated_sqlite_file.read_bytes())

    def write() -> None:
        with database.writing() as session:
            scenes.register(session, "lost")

    with pytest.raises(StorageUnavailable, match="was removed or replaced"):
        write()
    assert file.exists() is another
    away.rename(file)
    write()
    assert worker_names(database) == ["lost"]
    database.close()


def ping(database: Database) -> None:
    with database.reading() as session:
        session.execute(text("SELECT 1"))


def end_connections(url: str) -> None:
    """End every connection to a database but this one, as a restart of the server does."""
    with psycopg.connect(make_url(url).render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_connection_lost_within_a_transaction_is_unavailable(empty_postgres_url: str) -> None:
    database = Database(empty_postgres_url)

    def lose() -> None:
        with database.writing() as session:
            end_connections(empty_postgres_url)
            session.execute(text("SELECT 1"))

    with pytest.raises(StorageUnavailable):
        lose()
    database.close()


def test_a_connection_lost_between_transactions_heals(empty_postgres_url: str) -> None:
    database = Database(empty_postgres_url)
    ping(database)
    end_connections(empty_postgres_url)
    ping(database)
    database.close()


def test_a_full_disk_is_named_so(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'small.db'}")

    def fill() -> None:
        with database.writing() as session:
            session.execute(text("CREATE TABLE filled (content BLOB)"))
            session.connection().exec_driver_sql("PRAGMA max_page_count = 4")
            session.execute(text("INSERT INTO filled VALUES (zeroblob(1000000))"))

    with pytest.raises(StorageFull, match="disk is full"):
        fill()
    database.close()


def test_an_error_of_ours_stays_what_it_is(database: Database) -> None:
    with pytest.raises(DBAPIError) as raised, database.reading() as session:
        session.execute(text("SELECT nothing FROM nowhere"))
    assert isinstance(raised.value.orig, sqlite3.Error | psycopg.Error)
