"""Whether a database can be written, found by writing to it."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy import text

from storage.database import Database
from storage.errors import StorageFull, StorageUnavailable
from storage.migrations import VERSION_TABLE

LEAST_FREE_BYTES = 1 << 20
"""A tiny write still succeeds on a disk on which no trial's numbers do: SQLite has room left in its own files."""


def probe_write(database: Database) -> None:
    """Write a row as it is and commit that: a full disk, a read-only file or a lock of another refuse it as they refuse any write.

    The database has been migrated. Raises StorageBusy, StorageUnavailable, StorageFull.
    """
    if database.dialect == "sqlite":
        try:
            free = shutil.disk_usage(Path(str(database.url.database)).parent).free
        except OSError as error:  # its folder is gone
            raise StorageUnavailable(str(error)) from error
        if free < LEAST_FREE_BYTES:
            raise StorageFull(f"{free} bytes are free")
    with database.writing() as session:
        session.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = version_num"))
