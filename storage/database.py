"""One database, SQLite or PostgreSQL: its connections, its transactions, its clock, and every difference between the two."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session as Session  # for the rooms above, which do not import SQLAlchemy

from storage.errors import StorageBusy, StorageError, StorageFull, StorageUnavailable

Clock = Callable[[datetime], datetime]
"""What makes a test's time out of the database's."""

CONNECTIONS = 10  # kept; as many again under load
PAGES_KIB = 512  # SQLite: kept by each; with four times as many the points of 10,000 trials are read 3 % faster, the rest no faster
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30  # PostgreSQL: no single statement of ours is near this
ANSWER_SECONDS = STATEMENT_SECONDS + 15.0  # PostgreSQL: the network swallowed what either side said
IDLE_SECONDS = 30  # PostgreSQL: a stopped process gives up its row locks after this

SQLITE_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
SQLITE_GONE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}
SQLITE_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
READ_ONLY = "the database is read-only"
DAMAGED = "the database file is damaged, or is no SQLite database"
REPLACED = "the database file was removed or replaced while it was open: put it back, or restart the service and its workers"
# deadlock, serialisation failure, lock time-out, statement time-out
POSTGRESQL_BUSY = {"40P01", "40001", "55P03", "57014"}
# shut down (three ways), too many connections, idle in a transaction, out of memory, its disk fails
POSTGRESQL_GONE = {"57P01", "57P02", "57P03", "53300", "25P03", "53200", "58030"}
POSTGRESQL_READ_ONLY = "25006"
POSTGRESQL_FULL = "53100"


class Database:
    """The connections to one database.

    `answer_seconds`: how long PostgreSQL may leave a statement unanswered before the connection counts as lost.
    `clock` maps the database's time to the one to be used; tests move time with it. Raises ValueError for a URL that is neither
    PostgreSQL nor an SQLite file (in memory, every connection would see a database of its own).
    """

    def __init__(
        self,
        url: str,
        *,
        busy_timeout_seconds: float = 10.0,
        answer_seconds: float = ANSWER_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        parsed = _parsed(url)
        self.url = parsed
        self.dialect: str = parsed.get_backend_name()
        self._clock = clock
        if self.dialect == "sqlite":
            self._engine = _sqlite_engine(parsed, busy_timeout_seconds)
            self._reader = self._engine.execution_options(begin="BEGIN")
            self._writer = self._engine.execution_options(begin="BEGIN IMMEDIATE")
        else:
            self._engine = _postgresql_engine(parsed, busy_timeout_seconds, answer_seconds)
            # One snapshot for all of a reader's statements, as SQLite gives by itself: counts and states then agree.
            self._reader = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            self._writer = self._engine.execution_options()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that sees one moment of the database and writes nothing.

        Raises StorageBusy and StorageUnavailable, here and for every statement in the block.
        """
        with self._session(self._reader) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that is committed at the end of the block and rolled back when it raises.

        On SQLite it is the only writer from here on (BEGIN IMMEDIATE), so that it never fails half-way for having read first.
        Raises StorageBusy and StorageUnavailable; after StorageUnavailable the commit may have happened or not.
        """
        with self._session(self._writer) as session:
            yield session

    def now(self, session: Session) -> datetime:
        """Ask the database what time it is: the only clock that leases know.

        On PostgreSQL the wall clock, not the time at which the transaction began. SQLite's clock is this machine's.
        """
        found = datetime.now(UTC) if self.dialect == "sqlite" else session.scalar(text("SELECT clock_timestamp()"))
        assert found is not None
        now = found.astimezone(UTC)
        return self._clock(now) if self._clock is not None else now

    def close(self) -> None:
        """Close all connections that nobody uses now."""
        self._engine.dispose()

    @contextmanager
    def _session(self, engine: Engine) -> Iterator[Session]:
        try:
            with Session(engine, autoflush=False, expire_on_commit=False) as session:
                session.connection()  # begins now: a writer's lock is taken before anything is read
                yield session
                session.commit()
        except (DBAPIError, PoolTimeout) as error:
            translated = _translated(error, str(self.url.database), writes=engine is self._writer)
            if translated is None:
                raise
            raise translated from error


def _parsed(text: str) -> URL:
    wanted = "a database URL is sqlite:///FILE or postgresql://..."
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # not shown: it may hold a password
        raise ValueError(f"{wanted}, this is none") from None
    backend = url.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite" or not url.database or url.database == ":memory:":
        raise ValueError(f"{wanted}, got {url.render_as_string()!r}")
    return url


def _sqlite_engine(url: URL, busy_timeout_seconds: float) -> Engine:
    file = _SqliteFile(Path(str(url.database)).absolute())
    engine = create_engine(
        url,
        pool_size=CONNECTIONS,
        max_overflow=CONNECTIONS,
        pool_timeout=busy_timeout_seconds,
        pool_use_lifo=True,  # each keeps pages and statements: those that are seldom needed keep none
        connect_args={"timeout": busy_timeout_seconds, "check_same_thread": False},
    )

    @event.listens_for(engine, "do_connect")
    def look(*_: Any) -> None:
        file.require_same()  # before SQLite makes an empty one

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not BEGIN by itself: `begin` below does
        for pragma in (f"cache_size = -{PAGES_KIB}", "journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").close()
        file.opened()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        file.require_same()
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine


class _SqliteFile:
    """The file that was opened first. SQLite writes to one that has no name any more without a word, and it is lost."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first: tuple[int, int] | None = None

    def opened(self) -> None:
        """Note which file it is, the first time."""
        self._first = self._first or self._found()

    def require_same(self) -> None:
        """Make sure that the path still names the file that was opened. Raises StorageUnavailable."""
        if self._first is not None and self._found() != self._first:
            raise StorageUnavailable(str(self._path), REPLACED)

    def _found(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _postgresql_engine(url: URL, busy_timeout_seconds: float, answer_seconds: float) -> Engine:
    settings = {
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "lock_timeout": f"{int(busy_timeout_seconds * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
        "timezone": "UTC",
    }
    options = " ".join([str(url.query.get("options", "")), *(f"-c {name}={value}" for name, value in settings.items())])
    from storage.timed_connection import TimedConnection  # psycopg is for whoever uses it

    engine = create_engine(
        url,
        pool_size=CONNECTIONS,
        max_overflow=CONNECTIONS,
        pool_timeout=busy_timeout_seconds,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "options": options.strip(),
            "application_name": "steelyard",
            # A peer that vanished without a word is found in seconds, not in the two hours of TCP's defaults.
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "tcp_user_timeout": STATEMENT_SECONDS * 1000,
        },
    )

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        connection = TimedConnection.connect(*arguments, **options)
        connection.answer_seconds = answer_seconds
        return connection

    @event.listens_for(engine, "checkin")
    def limit(connection: Any, _record: Any) -> None:
        if connection is not None:  # None: it was lost
            connection.answer_seconds = answer_seconds  # after `wait_for_ever`, whoever uses it next does not

    return engine


def wait_for_ever(session: Session) -> None:
    """Let the statements of a transaction on PostgreSQL take as long as they take, a migration's: SQLite has no limit anyway."""
    session.execute(text("SET LOCAL statement_timeout = 0"))
    connection: Any = session.connection().connection.driver_connection
    connection.answer_seconds = None


def is_database_fault(error: Exception) -> bool:
    """Return whether an error inside a transaction is its database's: `reading` and `writing` name it when they end."""
    if isinstance(error, DBAPIError | PoolTimeout):
        return _translated(error, "", writes=True) is not None
    return isinstance(error, StorageError)


def _translated(error: DBAPIError | PoolTimeout, file: str, *, writes: bool) -> StorageError | None:
    """Name a driver's error in our words; None for one that only a mistake of ours explains, such as a write where we only read.

    `file` is SQLite's.
    """
    if isinstance(error, PoolTimeout):
        return StorageBusy(str(error))
    detail = " ".join(str(error.orig).split())  # PostgreSQL's has several lines
    if isinstance(error.orig, sqlite3.Error):
        detail = f"{detail} ({file})"
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the high bits only say which kind of it
        if code in SQLITE_BUSY:
            return StorageBusy(detail)
        if code == sqlite3.SQLITE_FULL:
            return StorageFull(detail)
        if code == sqlite3.SQLITE_READONLY:
            return StorageUnavailable(detail, READ_ONLY)
        if code in SQLITE_DAMAGED:
            return StorageUnavailable(detail, DAMAGED)
        return StorageUnavailable(detail) if code in SQLITE_GONE else None
    state = getattr(error.orig, "sqlstate", None)
    if state in POSTGRESQL_BUSY:
        return StorageBusy(detail)
    if state == POSTGRESQL_FULL:
        return StorageFull(detail)
    if state == POSTGRESQL_READ_ONLY and writes:
        return StorageUnavailable(detail, READ_ONLY)
    lost = error.connection_invalidated or state in POSTGRESQL_GONE or str(state).startswith("08")
    unexplained = state is None and type(error.orig).__name__ in ("OperationalError", "InterfaceError", "ConnectionTimeout")
    return StorageUnavailable(detail) if lost or unexplained else None


def insert_many(session: Session, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert many rows of plain numbers and words in one round trip; a row whose key is there already is left as it is.

    Goes around SQLAlchemy's per-row work, and on PostgreSQL hands over one array per column: 384 values take 4 ms there.
    """
    filled = list(rows)
    if not filled:
        return
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_sqlite_insert(table, tuple(columns)), [tuple(row) for row in filled])
    else:
        by_column = tuple(list(each) for each in zip(*filled, strict=True))
        connection.exec_driver_sql(_postgresql_insert(table, tuple(columns)), by_column)


@lru_cache
def _sqlite_insert(table: Table, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) ON CONFLICT DO NOTHING"


@lru_cache
def _postgresql_insert(table: Table, columns: tuple[str, ...]) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    arrays = ", ".join(f"%s::{table.c[column].type.compile(dialect)}[]" for column in columns)
    return f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"
