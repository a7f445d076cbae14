"""The rungs of one cohort as its worker sees them: when the child asks who shall end, and what it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search.logs import logger
from search.objective.outcomes import TrialCurve
from search.objective.scoring import score_paths
from search.sampling.pruning import rungs, trials_to_prune
from search.training.child.protocol import GoOn, RungReached
from search.worker.claim import Claim
from storage.database import Database
from storage.errors import StorageBusy, StorageUnavailable
from storage.records import Rival
from storage.rung_history import rivals

log = logger("steelyard.worker")


def rungs_of(claim: Claim, number: int) -> tuple[int, ...]:
    """Return the epochs at which a trial of a cohort is judged; none for one that is no search trial."""
    index = claim.indices.get(number)
    return () if index is None else rungs(claim.definition, index)


class Rungs:
    """Judges a cohort's search trials at their rungs.

    A trial is held against the cohort's own search trials, and against those that had ended when the cohort was claimed: for one
    that is tried again also what was planned with it or before it and has ended since, its former companions above all.
    So neither the pace of other workers nor that of this one decides anything.
    """

    def __init__(self, database: Database, claim: Claim) -> None:
        self._database, self._claim = database, claim
        self._asked: RungReached | None = None

    def ask(self, reached: RungReached) -> None:
        """Note that the child waits at a rung."""
        self._asked = reached

    @property
    def asked(self) -> bool:
        """Return whether the child waits for a reply."""
        return self._asked is not None

    def reply(self, curves: Mapping[int, TrialCurve]) -> GoOn | None:
        """Return what the child waits for. None where it waits for nothing, or the database is away: it is asked again."""
        if self._asked is None:
            return None
        epoch, numbers = self._asked.epoch, frozenset(self._asked.numbers)
        try:
            before = self._before(epoch)
        except (StorageBusy, StorageUnavailable) as error:
            log.warning("database away", error=str(error))
            return None
        cohort = self._of_cohort(epoch, curves)
        judged = [rival for rival in cohort if rival.number in numbers]
        others = [rival for rival in cohort if rival.number not in numbers]
        objective = self._claim.objective or self._claim.definition.objective
        ended = trials_to_prune(self._claim.definition, objective, epoch, judged, [*others, *before])
        self._asked = None
        return GoOn(epoch, dict(ended))

    def _of_cohort(self, epoch: int, curves: Mapping[int, TrialCurve]) -> list[Rival]:
        """Return the cohort's search trials that were measured at the epoch, those that have ended since included."""
        planned_after = {trial.number: trial.planned_after for trial in self._claim.trials}
        return [
            Rival(number, index, curves[number].reports[epoch].validation, planned_after[number])
            for number, index in self._claim.indices.items()
            if epoch in curves[number].reports
        ]

    def _before(self, epoch: int) -> Sequence[Rival]:
        study, paths = self._claim.study, score_paths(self._claim.definition.objective)
        with self._database.reading() as session:
            return rivals(session, study.id, epoch=epoch, paths=paths, until=study.sequence)
