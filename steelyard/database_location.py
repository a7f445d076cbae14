"""Know where the database is, and bring it up to date."""

from __future__ import annotations

import os
from pathlib import Path

from storage import migrations
from storage.database import Database
from storage.errors import SchemaOutdated

DATABASE_FILE = "steelyard.sqlite3"


def database_url_in(data_dir: str) -> str:
    """Return STEELYARD_DATABASE_URL, or the URL of the SQLite file in the data directory, which is made if need be."""
    if url := os.environ.get("STEELYARD_DATABASE_URL"):
        return url
    directory = Path(data_dir).resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return f"sqlite:///{directory / DATABASE_FILE}"


def workloads_folder_in(data_dir: str) -> Path:
    """Return the folder of the data directory in which `submit --workload` registers workloads, and which workers watch."""
    return Path(data_dir).resolve() / "workloads"


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
