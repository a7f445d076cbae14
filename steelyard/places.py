"""Know where things are: this command, for processes of its own, and the database, which is brought up to date."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from storage import migrations
from storage.database import Database
from storage.errors import SchemaOutdated

DATABASE_FILE = "steelyard.sqlite3"

STEELYARD = (sys.executable, "-P", "-m", "steelyard")
"""The command, run by this very Python. -P: a folder `search` or `app` of the user's in the current directory is not ours."""


def database_url_in(data_dir: str) -> str:
    """Return STEELYARD_DATABASE_URL, or the URL of the SQLite file in the data directory, which is made if need be."""
    if url := os.environ.get("STEELYARD_DATABASE_URL"):
        return url
    directory = Path(data_dir).resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return f"sqlite:///{directory / DATABASE_FILE}"


def migrate_database(url: str) -> str:
    """Bring the database to this program's schema, and return its revision. Raises ValueError for a bad URL, StorageError."""
    database = Database(url)
    try:
        _migrated(database)
        return migrations.revisions()[-1]
    finally:
        database.close()


def _migrated(database: Database) -> None:
    try:
        migrations.require_current(database)
    except SchemaOutdated:
        migrations.migrate(database)
