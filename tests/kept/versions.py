"""A database of each earlier schema version, as SQL text of SQLite and of PostgreSQL (`versions/`), written by that version's code.

In each: the study `queued`, never begun; and `going`, with trial 0 complete, trial 1 without a finite value, trial 2 in training
under a lease that nobody renews any more, and trial 3 waiting.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
from sqlalchemy import make_url

FOLDER = Path(__file__).parent / "versions"
VERSIONS = sorted({file.name[:4] for file in FOLDER.glob("*.sql")})


def restore_version(url: str, version: str) -> None:
    """Fill an empty database with the text of a version."""
    parsed = make_url(url)
    kind = parsed.get_backend_name()
    script = (FOLDER / f"{version}.{kind}.sql").read_text()
    if kind == "sqlite":
        connection = sqlite3.connect(str(parsed.database))
        connection.executescript(script)
        connection.close()
    else:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(script.encode())
