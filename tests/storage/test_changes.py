"""Seeing at little cost that somebody has written."""

from __future__ import annotations

from pathlib import Path

from storage.changes import Changes
from storage.database import Database
from tests.storage import scenes


def test_a_write_is_seen_once_and_a_read_never(database: Database) -> None:
    changes, on_sqlite = Changes(database), database.dialect == "sqlite"
    changes.any()
    with database.reading() as session:
        database.now(session)
    assert not changes.any()
    with database.writing() as session:
        scenes.register(session, "new")
    assert changes.any() is on_sqlite
    assert not changes.any()
    changes.close()


def test_a_file_that_is_not_there_has_no_changes_and_is_not_made(tmp_path: Path) -> None:
    file = tmp_path / "gone #1.db"
    changes = Changes(Database(f"sqlite:///{file}"))
    assert not changes.any()
    assert not file.exists()
