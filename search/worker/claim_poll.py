"""How an idle worker looks for work: by a read that locks nothing. A claim, which locks, follows where there may be some."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from search.validation.published import Named
from search.worker.claim import NOTHING_AHEAD, Ahead, Analysis, Claim, Claimant, claim
from search.worker.planning_memory import PlanningMemory
from storage import leases, studies
from storage.database import Database
from storage.errors import LeaseLost, StorageUnavailable
from storage.migrations import require_still_current_in
from storage.records import Reason
from storage.studies import Claimable

CLAIM_AGAIN_SECONDS = 1.0
"""A claim may pass over a study that another worker holds at that moment, so one that took nothing is repeated after so long."""

SWEEP_SECONDS = 1.0
"""How often a worker without work looks for leases that nobody renews."""

CUT_OFF = Reason("worker_stopped", "the database went away while the worker claimed it")


class ClaimPoll:
    """Looks for work, and claims it. `clock`: this process's monotonic time; `sweep` ends the leases of workers that are dead.

    In between it remembers what it saw before the last claim that took nothing: while that is the same, another takes nothing.
    """

    def __init__(self, database: Database, claimant: Claimant, sweep: Callable[[], object], clock: Callable[[], float]) -> None:
        self._database, self._claimant, self._sweep, self._clock = database, claimant, sweep, clock
        self._memory = PlanningMemory()
        self._fruitless: frozenset[Claimable] = frozenset()
        self._claimed_at = clock()
        self._swept_at = -math.inf
        self._unknown = False  # whether a claim was cut off: it may hold a lease that this worker knows nothing of

    def claims(self, workloads: Collection[str], versions: Mapping[str, str], kept: Collection[tuple[str, str]]) -> None:
        """Claim from now on for these workloads, in these versions; `kept` are all versions that the worker can train."""
        self._claimant = replace(self._claimant, workloads=workloads, versions=versions, kept=kept)
        self._fruitless = frozenset()

    def next(
        self, plugins: Collection[Named] = (), failed: Collection[str] = (), ahead: Ahead = NOTHING_AHEAD
    ) -> Claim | Analysis | None:
        """Return the next work that this worker holds or is to work out, or None. `ahead`: see `search.worker.claim.claim`.

        Raises StorageBusy, StorageUnavailable, and SchemaTooNew where a later version has migrated the database.

        A study that names a plug-in from outside which is not among `plugins` is left to other workers, and so is one to prepare
        whose workload is among `failed`, those that this worker could not describe, where another has it.
        """
        self._claimant = replace(self._claimant, failed=frozenset(failed))
        if self._unknown:
            self._give_back()
        if self._clock() - self._swept_at >= SWEEP_SECONDS:
            self._sweep_lost()
        with self._database.reading() as session:
            require_still_current_in(session)
            seen = studies.claimable(session, self._claimant.workloads)
        recently = self._clock() - self._claimed_at < CLAIM_AGAIN_SECONDS
        if not seen or (recently and seen == self._fruitless):
            return None
        self._claimed_at = self._clock()
        try:
            found = claim(self._database, self._claimant, plugins, self._memory, ahead)
        except StorageUnavailable:
            self._unknown = True
            raise
        self._fruitless = seen if found is None else frozenset()
        return found

    def _give_back(self) -> None:
        """Release what a claim took whose commit was not answered: nobody works on it, and nobody is to be charged for it."""
        with self._database.writing() as session:
            for lease in leases.leases_of_worker(session, self._claimant.worker_id):
                with contextlib.suppress(LeaseLost):  # ended by a sweep just now
                    leases.release(session, lease.token, charge=False, now=self._database.now(session), reason=CUT_OFF)
        self._unknown = False

    def _sweep_lost(self) -> None:
        self._swept_at = self._clock()
        with self._database.reading() as session:
            lost = leases.is_any_over(session, self._database.now(session))
        if lost:
            self._sweep()
