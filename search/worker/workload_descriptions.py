"""What a worker's child says of its workloads, published once so that definitions can be checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from search.training.child.protocol import Answer, WorkloadsDescribed
from search.worker.child_session import ChildSession
from storage import workers
from storage.database import Database

log = structlog.get_logger("steelyard.worker")

MOST_TRIES = 2
"""A child that dies while it describes is asked once more; then the worker works without, and preflights say what is wrong."""


class Descriptions:
    """Asked of the first child, heard when it answers, published when the database is there."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tries = 0
        self._heard: Sequence[Mapping[str, Any]] = ()
        self.settled = False

    def ask(self, session: ChildSession) -> None:
        """Ask a new child, unless that is settled. Raises ChildLost."""
        if not self.settled:
            self._tries += 1
            session.describe()

    def hear(self, answer: Answer) -> None:
        """Take in an answer, if it is that to `ask`."""
        if isinstance(answer, WorkloadsDescribed):
            self._heard, self.settled = answer.workloads, True

    def lost(self, why: str) -> None:
        """Note that the child is lost: while it described, that may have been a workload's doing."""
        if not self.settled and self._tries >= MOST_TRIES:
            log.error("workloads cannot be described; one of them ends the training process", reason=why)
            self.settled = True

    def publish(self) -> None:
        """Store what was heard and is not stored yet. Raises StorageBusy, StorageUnavailable: then it is kept."""
        if not self._heard:
            return
        with self._database.writing() as session:
            now = self._database.now(session)
            for entry in self._heard:
                if "description" in entry:
                    workers.publish_workload(session, entry["name"], entry["digest"], entry["description"], now)
        for entry in self._heard:
            if "description" not in entry:
                log.warning("workload cannot be described", workload=entry["name"], reason=entry["reason"])
        self._heard = ()
