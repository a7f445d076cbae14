"""A connection to PostgreSQL that waits for an answer no longer than it should.

The server's own time-outs end what it does; they are of no use where the network swallows what either side says.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import errors
from psycopg.abc import RV, PQGen


class TimedConnection(psycopg.Connection[Any]):
    """Raises OperationalError, and is closed, where the server has not answered within `answer_seconds` (None: waits for ever)."""

    answer_seconds: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Consume a generator of psycopg's; see `psycopg.Connection.wait`."""
        try:
            return super().wait(gen, interval, self.answer_seconds if timeout is None else timeout)
        except errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server did not answer within {self.answer_seconds:g} seconds") from None
