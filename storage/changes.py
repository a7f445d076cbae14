"""Whether anybody has written to a database: asked many times a second, so it must cost next to nothing."""

from __future__ import annotations

import contextlib
import sqlite3

from storage.database import Database


class Changes:
    """Sees whether another connection has written to an SQLite database since it was asked before.

    It reads a counter in shared memory, without a transaction. On PostgreSQL, and where the file cannot be read, it says no:
    whoever asks looks every now and then all the same.
    """

    def __init__(self, database: Database) -> None:
        self._file = database.url.database if database.dialect == "sqlite" else None
        self._connection: sqlite3.Connection | None = None
        self._version: int | None = None

    def any(self) -> bool:
        """Return whether there was a write since the last call; True the first time."""
        if self._file is None:
            return False
        try:
            if self._connection is None:
                uri = f"file:{self._file.replace('%', '%25').replace('?', '%3f').replace('#', '%23')}?mode=rw"
                self._connection = sqlite3.connect(uri, uri=True, timeout=0.0, check_same_thread=False)
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            self.close()
            return False
        before, self._version = self._version, version
        return bool(before != version)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = self._version = None
