"""The transactions in which the service writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from storage.database import Database, Session
from storage.migrations import require_still_current_in


@contextmanager
def writing(database: Database) -> Iterator[Session]:
    """Open a transaction that writes, unless somebody has migrated the database since the service started.

    Raises SchemaTooNew then: what an earlier version writes may not be what a later one reads.
    """
    with database.writing() as session:
        require_still_current_in(session)
        yield session
