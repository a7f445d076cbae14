"""What a worker says of its workloads and plug-ins: published so that definitions can be checked before anything runs.

A workload is described when it is new or its files have changed, and again after a while where it could not be described.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from search.catalog.plugins import published_by
from search.logs import logger
from search.training.child.protocol import Answer, WorkloadsDescribed
from search.worker.child_session import ChildSession
from search.worker.registered_workloads import RegisteredWorkloads
from search.workloads.sources import Sources
from storage import plugins, workers, workloads
from storage.database import Database, Session

log = logger("steelyard.worker")

MOST_TRIES = 2
"""A child that dies while it describes is asked once more; then what it was asked for cannot be described."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 600.0
"""After so long a workload that could not be described is tried again: what it lacked may be there by now."""
PRESSING_SECONDS = 120.0
"""How long work waits for a child that describes and says nothing meanwhile."""


class Descriptions:
    """Asked of the child, heard when it answers, published when the database is there. `clock`: this process's monotonic time.

    `settled`: nothing is to be described. `pressing`: something is, before work is taken up.
    """

    def __init__(self, database: Database, registered: RegisteredWorkloads, clock: Callable[[], float]) -> None:
        self._database, self._registered, self._clock = database, registered, clock
        self._wanted = dict.fromkeys(registered.names)
        self._asked: dict[str, Sources | None] = {}
        self._alone = False  # a child died over several: one at a time from now on
        self._lost: Counter[str] = Counter()
        self._given_up: set[str] = set()  # each ended a child or held it up: tried again only while there is nothing else to do
        self._pauses: dict[str, tuple[float, float]] = {}  # when to try again, and how long that was waited for
        self._heard: list[Mapping[str, Any]] = []
        self._heard_at = clock()
        self._gone = {name for name in registered.names if registered.sources(name) is None}  # what failed before may be mended
        self._faults: Mapping[str, str] = {}
        self._plugins: Sequence[Mapping[str, Any]] = published_by("worker")
        self._unsaid = True  # what this worker can run has not been stored
        self.settled = False

    def changed(self, names: frozenset[str]) -> None:
        """Have workloads described that are new or have changed, and forget those that are gone."""
        self._want(name for name in self._registered.names if name in names)
        gone = names.difference(self._registered.names)
        for name in gone:
            self._wanted.pop(name, None)
            self._pauses.pop(name, None)
            self._given_up.discard(name)
        self._gone |= gone
        self._unsaid |= bool(names)
        self.settled = not self._wanted

    def _want(self, names: Any) -> None:
        for name in names:
            self._wanted[name] = None
            self._lost.pop(name, None)
            self._given_up.discard(name)
            self._pauses.pop(name, None)
            self._asked.pop(name, None)  # what is being said of it now is of an earlier version

    @property
    def failed(self) -> frozenset[str]:
        """Return the workloads that could not be described as they are now."""
        return frozenset(self._pauses) | self._holding_up

    @property
    def pressing(self) -> bool:
        """Return whether something is to be described before work is taken up."""
        return not self._holding_up.issuperset(self._wanted)

    @property
    def _holding_up(self) -> frozenset[str]:
        """Return what work does not wait for: what ended a child or held it up, and what a child has long said nothing of."""
        silent = self._clock() - self._heard_at >= PRESSING_SECONDS
        return frozenset(self._given_up).union(self._asked if silent else ())

    def try_again(self, *, idle: bool = False) -> None:
        """Have workloads described again whose pause is over. `idle`: also those that ended a child, or held it up."""
        due = [name for name, (at, _) in self._pauses.items() if self._clock() >= at and (idle or name not in self._given_up)]
        if due:
            self._wanted |= dict.fromkeys(due)
            self.settled = False

    def put_off(self) -> bool:
        """Try what ended a child, or held it up, again at a later time; return whether the child was just asked for it."""
        off = self._holding_up.intersection(self._wanted)
        if not off:
            return False
        asked = not off.isdisjoint(self._asked)
        for name in sorted(off):
            del self._wanted[name]
            self._pauses[name] = (self._clock() + LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        if asked:
            self._asked = {}
        self.settled = not self._wanted
        return asked

    def ask(self, session: ChildSession, *, new: bool = False) -> bool:
        """Ask for what is to be described; return False where that does not fit the child. Raises ChildLost."""
        if new:
            self._asked = {}
        if self.settled or self._asked:
            return True
        for name in sorted(self._wanted, key=self._given_up.__contains__):
            sources = self._registered.sources(name)
            if session.fits(name, sources) and not (self._alone and self._asked):
                session.use(name, sources)
                self._asked[name] = sources
        if self._asked:
            session.describe(list(self._asked))
            self._heard_at = self._clock()
        return bool(self._asked)

    def hear(self, answer: Answer) -> None:
        """Take in an answer, if it is that to `ask`."""
        self._heard_at = self._clock()
        if not isinstance(answer, WorkloadsDescribed):
            return
        for entry in answer.workloads:
            if entry["name"] in self._asked:
                self._hear(entry, self._asked.pop(entry["name"]))
                self._wanted.pop(entry["name"], None)
        if not answer.workloads:  # nothing is known of any that was asked for
            for name in self._asked:
                self._wanted.pop(name, None)
            self._asked = {}
        self.settled = not self._wanted
        if not self._plugins or answer.plugins:
            self._plugins = [*published_by("worker"), *answer.plugins]
        self._unsaid = True

    def _hear(self, entry: Mapping[str, Any], sources: Sources | None) -> None:
        name = entry["name"]
        heard = {**entry, "version": sources.version if sources is not None and sources.modules else None}
        if "description" in entry and sources is not None:
            code = {**entry["description"].get("code", {}), "sources": sources.digests}
            heard["description"] = {**entry["description"], "code": code}
        self._heard.append(heard)
        self._lost.pop(name, None)
        self._given_up.discard(name)
        _, waited = self._pauses.pop(name, (0.0, 0.0))
        if "description" not in entry:
            pause = min(max(2 * waited, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
            self._pauses[name] = (self._clock() + pause, pause)

    def lost(self, why: str, *, ready: bool = True, silent: bool = False) -> None:
        """Note that the child is lost: while it described, that was perhaps a workload's doing.

        `ready`: it had started well. `silent`: it was ended because it said nothing; what it alone was asked for is given up.
        """
        if self.settled:
            return
        to_blame = self._asked if len(self._asked) == 1 or not ready else {}
        for name, sources in to_blame.items():
            self._lost[name] += 1
            if self._lost[name] >= MOST_TRIES or (silent and ready) or name in self._given_up:
                reason = {"code": "workload_failed", "message": f"describing it ended the training process: {why}", "at": None}
                self._hear({"name": name, "reason": reason}, sources)
                self._given_up.add(name)
                self._pauses[name] = (self._clock() + LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
                self._wanted.pop(name, None)
                self._unsaid = True
        self._alone, self._asked = self._alone or ready, {}
        self.settled = not self._wanted

    def publish(self, worker_id: int) -> None:
        """Store what was heard and is not stored yet. Raises StorageBusy, StorageUnavailable: then it is kept."""
        if not self._unsaid and self._faults == self._registered.faults:
            return
        with self._database.writing() as session:
            self._publish_workloads(session, worker_id)
            now = self._database.now(session)
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
        self._heard, self._unsaid, self._gone, self._faults = [], False, set(), self._registered.faults

    def _publish_workloads(self, session: Session, worker_id: int) -> None:
        now = self._database.now(session)
        workers.set_workloads(session, worker_id, self._registered.names)
        workloads.set_worker_versions(session, worker_id, self._registered.kept)
        for name in {*self._gone, *self._faults}.difference(self._registered.faults):
            workloads.forget_failure(session, name)
        for name, fault in self._registered.faults.items():
            if name:
                workloads.publish_failure(session, name, fault, f"{name}.json", now)
        for entry in self._heard:
            name, version = entry["name"], entry["version"]
            if "description" in entry:
                workloads.publish_workload(session, name, entry["digest"], entry["description"], now, version)
            elif not self._registered.private:
                workloads.publish_failure(session, name, entry["reason"]["message"], entry["reason"]["at"], now, version)

    @property
    def runs(self) -> frozenset[tuple[str, str]]:
        """Return the (kind, name) of the plug-ins from outside that this worker and its child can run."""
        return frozenset((plugin["kind"], plugin["name"]) for plugin in self._plugins if "traits" in plugin)
