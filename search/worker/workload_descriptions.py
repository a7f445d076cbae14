"""What a worker says of its workloads and plug-ins, published once so that definitions can be checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from search.catalog.plugins import published_by
from search.training.child.protocol import Answer, WorkloadsDescribed
from search.worker.child_session import ChildSession
from storage import plugins, workers
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
        self._plugins: Sequence[Mapping[str, Any]] = published_by("worker")
        self._unsaid = True  # what this worker can run has not been stored
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
            self._plugins, self._unsaid = [*self._plugins, *answer.plugins], True

    def lost(self, why: str) -> None:
        """Note that the child is lost: while it described, that may have been a workload's doing."""
        if not self.settled and self._tries >= MOST_TRIES:
            log.error("workloads cannot be described; one of them ends the training process", reason=why)
            self.settled = True

    def publish(self, worker_id: int) -> None:
        """Store what was heard and is not stored yet. Raises StorageBusy, StorageUnavailable: then it is kept."""
        if not self._unsaid:
            return
        with self._database.writing() as session:
            now = self._database.now(session)
            for entry in self._heard:
                if "description" in entry:
                    workers.publish_workload(session, entry["name"], entry["digest"], entry["description"], now)
            for plugin in self._plugins:
                if "traits" in plugin:
                    plugins.publish_plugin(session, plugin["kind"], plugin["name"], plugin["digest"], plugin["traits"], now)
                else:
                    plugins.publish_failure(session, plugin["kind"], plugin["name"], plugin["reason"], now)
            plugins.set_worker_plugins(session, worker_id, self.runs)
        for entry in self._heard:
            if "description" not in entry:
                log.warning("workload cannot be described", workload=entry["name"], reason=entry["reason"])
        for plugin in self._plugins:
            if "traits" not in plugin:
                log.warning("plug-in cannot be loaded", kind=plugin["kind"], name=plugin["name"], reason=plugin["reason"])
        self._heard, self._unsaid = (), False

    @property
    def runs(self) -> frozenset[tuple[str, str]]:
        """Return the (kind, name) of the plug-ins from outside that this worker and its child can run."""
        return frozenset((plugin["kind"], plugin["name"]) for plugin in self._plugins if "traits" in plugin)
