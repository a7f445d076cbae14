"""How an idle worker looks for work: by a read that locks nothing. A claim, which locks, follows where there may be some."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from search.validation.published import Named
from search.worker.claim import Analysis, Claim, Claimant, claim
from storage import leases, studies
from storage.database import Database
from storage.studies import Claimable

CLAIM_AGAIN_SECONDS = 1.0
"""A claim may pass over a study that another worker holds at that moment, so one that took nothing is repeated after so long."""


SWEEP_SECONDS = 1.0
"""How often a worker without work looks for leases that nobody renews."""


class ClaimPoll:
    """Looks for work, and claims it. `clock`: this process's monotonic time; `sweep` ends the leases of workers that are dead.

    In between it remembers what it saw before the last claim that took nothing: while that is the same, another takes nothing.
    """

    def __init__(self, database: Database, claimant: Claimant, sweep: Callable[[], object], clock: Callable[[], float]) -> None:
        self._database, self._claimant, self._sweep, self._clock = database, claimant, sweep, clock
        self._fruitless: frozenset[Claimable] = frozenset()
        self._claimed_at = clock()
        self._swept_at = -math.inf

    def claims(self, workloads: Collection[str], versions: Mapping[str, str], kept: Collection[tuple[str, str]]) -> None:
        """Claim from now on for these workloads, in these versions; `kept` are all versions that the worker can train."""
        self._claimant = replace(self._claimant, workloads=workloads, versions=versions, kept=kept)
        self._fruitless = frozenset()

    def next(self, plugins: Collection[Named] = ()) -> Claim | Analysis | None:
        """Return the next work that this worker holds or is to work out, or None. Raises StorageBusy, StorageUnavailable.

        A study that names a plug-in from outside which is not among `plugins` is left to other workers.
        """
        if self._clock() - self._swept_at >= SWEEP_SECONDS:
            self._sweep_lost()
        with self._database.reading() as session:
            seen = studies.claimable(session, self._claimant.workloads)
        recently = self._clock() - self._claimed_at < CLAIM_AGAIN_SECONDS
        if not seen or (recently and seen == self._fruitless):
            return None
        self._claimed_at = self._clock()
        found = claim(self._database, self._claimant, plugins)
        self._fruitless = seen if found is None else frozenset()
        return found

    def _sweep_lost(self) -> None:
        self._swept_at = self._clock()
        with self._database.reading() as session:
            lost = leases.is_any_over(session, self._database.now(session))
        if lost:
            self._sweep()
