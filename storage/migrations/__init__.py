"""The schema's versions, run from inside the program: `migrate` brings a database up, `require_current` refuses any other.

A version is a file `versions/NNNN_what.py` with the revision NNNN; they are in one line, each naming the one before.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from storage.database import Database, wait_for_ever
from storage.errors import SchemaOutdated, SchemaTooNew, StorageBusy

VERSION_TABLE = "alembic_version"
PATIENCE = 6  # times that a migration tries to write
LOCK = 0x57E17A2D  # any number that others do not use for a lock of theirs


@lru_cache
def revisions() -> list[str]:
    """List the revisions that this program knows, oldest first."""
    files = resources.files("storage.migrations.versions").iterdir()
    return sorted(file.name[:4] for file in files if file.name[:4].isdigit())


def migrate(database: Database) -> None:
    """Bring a database to this program's schema, in one transaction; several at once are as good as one.

    Whoever finds another at it waits, for several times as long as a write waits: a migration may take longer than any write.
    Raises SchemaTooNew for a database that a later program has migrated, StorageBusy where somebody else never ends.
    """
    for _ in range(PATIENCE - 1):
        try:
            _migrate(database)
        except StorageBusy:
            continue
        return
    _migrate(database)


def _migrate(database: Database) -> None:
    with database.writing() as session:
        # SQLite's writers are one at a time already. PostgreSQL: whoever comes second waits, and finds nothing to do.
        if database.dialect == "postgresql":
            wait_for_ever(session)
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        if _found(session) not in (None, *revisions()):
            require_current_in(session)
        _upgrade(session)


def _upgrade(session: Session) -> None:
    # Imported here: only whoever migrates pays for Alembic, not every start of the service.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "storage:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = session.connection()
    command.upgrade(config, "head")


def require_current(database: Database) -> None:
    """Make sure that the schema is this program's. Raises SchemaOutdated, SchemaTooNew."""
    with database.reading() as session:
        require_current_in(session)


def require_current_in(session: Session) -> None:
    """Do as `require_current`, in a transaction that is open already."""
    _require(_found(session))


def require_still_current_in(session: Session) -> None:
    """Make sure that nobody has migrated a database that was current at the start. Raises SchemaTooNew, SchemaOutdated.

    In a transaction that writes it holds to its end: a migration writes too.
    """
    _require(_version(session))


def _require(found: str | None) -> None:
    known = revisions()
    if found is not None and found not in known:
        raise SchemaTooNew(found, known[-1])
    if found != known[-1]:
        raise SchemaOutdated(found, known[-1])


def _found(session: Session) -> str | None:
    if not inspect(session.connection()).has_table(VERSION_TABLE):
        return None
    return _version(session)


def _version(session: Session) -> str | None:
    found: str | None = session.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return found
