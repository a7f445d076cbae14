"""The cohort after the one that trains: planned in its last epoch, and sent to the child the moment it ends.

So the child need not wait for SQL. Nothing of it is stored, and no lease is taken, before the cohort that trains is stored whole:
the claim that follows decides, and may take the draws that were made here. Where it claims something else, what the child began is
cancelled; what would surely be cancelled is not begun. A worker that dies in between leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from search.logs import logger
from search.planning.ahead import PlannedAhead, plan_ahead
from search.planning.plan import History
from search.planning.rescoring import objective_of
from search.sampling.suggest import DrawnAhead
from search.training.child.protocol import StudyPrepared, TrainCohort
from search.validation.published import Named, named_plugins
from search.worker.claim import Claim, history_of
from search.worker.cohort_run import CohortRun, train_order
from search.worker.planning_aside import PlanningAside
from storage import studies, trial_rows
from storage.database import Database
from storage.ended_trials import EndedTrials
from storage.errors import StorageBusy, StorageUnavailable
from storage.records import PlannedTrial, Role, StudyRecord, TrialRecord, TrialState
from storage.study_rows import get_study_by_id

log = logger("steelyard.worker")

MOST_STUDIES = 64
"""Studies whose draws are kept; each takes some kilobytes."""


@dataclass(frozen=True, slots=True)
class _Expected:
    """What is expected after so many trials of a study."""

    drawn: DrawnAhead
    order: TrainCohort
    first: int


class NextCohort:
    """What is expected to be next, by study. `sent`: the study whose cohort the child has begun, while it is not claimed.

    Draws are kept until their study is claimed from, also where the child could not begin with them: what a study draws must not
    depend on when a child is replaced, or on other studies.

    `aside` plans: a study that took too long is planned for once the cohort has ended.
    """

    def __init__(self, database: Database, aside: PlanningAside) -> None:
        self._database, self._aside = database, aside
        self._expected: dict[int, _Expected] = {}
        self._ended = EndedTrials()
        self.sent: int | None = None

    @property
    def ahead(self) -> dict[int, DrawnAhead]:
        """Return what was drawn for the studies' next cohorts."""
        return {study: expected.drawn for study, expected in self._expected.items()}

    def order(self, study: int) -> TrainCohort | None:
        """Return the order that trains a study's next cohort as it is expected."""
        return self._expected[study].order if study in self._expected else None

    def is_due(self, work: Claim, workloads: Collection[str], plugins: Collection[Named]) -> bool:
        """Return whether the study is as its next cohort expects it, and is served next: else the child would begin in vain.

        `workloads` and `plugins` are those that this worker can train with. False where the database is away.
        """
        expected = self._expected.get(work.study.id)
        if expected is None:
            return False
        try:
            with self._database.reading() as session:
                found = studies.next_in_turn(session, workloads, work.study.id, without=work.lease.token)
        except (StorageBusy, StorageUnavailable) as error:
            log.warning("database away", error=str(error))
            return False
        if found is None:
            return False
        if found.study != work.study.id:
            return not set(named_plugins(found.definition)) <= set(plugins)  # passed over: then it is not known who is next
        return found.trials == expected.first and not found.waiting

    def plan(self, work: Claim, run: CohortRun, keep: Callable[[], None]) -> None:
        """Work out what follows a cohort, from what is stored and its numbers so far. Where that fails, nothing is expected.

        A sampler may think for longer than a lease lasts: `keep` keeps it meanwhile. Raises what `keep` raises.
        """
        run.plan_next = False  # once only: from later reports it would draw something else
        if not self._aside.is_slow(work.study.id):
            self._expect(work, lambda: self._after(work, run), keep)

    def plan_first(self, work: Claim, prepared: StudyPrepared, keep: Callable[[], None]) -> None:
        """Work out a study's first cohort, from how the child says it is trained. `keep`: see `plan`."""
        study = replace(work.study, cohort_size=prepared.cohort_size, engine=prepared.engine, threads=prepared.threads)
        history = History(study.trial_budget, initial=prepared.initial)
        size = prepared.cohort_size
        self._expect(work, lambda: _expected(work, study, plan_ahead(work.definition, history, size, ()), ()), keep)

    def _expect(self, work: Claim, planned: Callable[[], _Expected | None], keep: Callable[[], None]) -> None:
        self._expected.pop(work.study.id, None)
        found = self._aside.do(work.study.id, planned, keep)
        error = found.exception()
        if isinstance(error, StorageBusy | StorageUnavailable):
            log.warning("database away", error=str(error))
        elif error is not None:  # the plan proper says so again, where it counts
            log.warning("next cohort not planned ahead", study=work.study.name, exc_info=error)
        elif (expected := found.result()) is not None:
            self._expected[work.study.id] = expected
            while len(self._expected) > MOST_STUDIES:
                self._expected.pop(next(iter(self._expected)))

    def _after(self, work: Claim, run: CohortRun) -> _Expected | None:
        with self._database.reading() as session:
            study = get_study_by_id(session, work.study.id)
            unfinished = trial_rows.unfinished_trials(session, study.id)
            if any(trial.state is TrialState.WAITING for trial in unfinished):  # they come first
                return None
            history = history_of(session, study, work.definition, self._database.now(session), self._ended)
            objective = objective_of(session, study.id, work.definition)
        planned = plan_ahead(work.definition, history, study.cohort_size or 1, run.as_if_ended(objective))
        return _expected(work, study, planned, tuple(trial.number for trial in unfinished))

    def claimed(self, work: Claim, order: object) -> bool:
        """Note what was claimed, and return whether the child has begun this very order."""
        expected = self._expected.pop(work.study.id, None)
        begun = self.sent == work.study.id and expected is not None and expected.order == order
        if begun:
            self.sent = None
        return begun


def _expected(work: Claim, study: StudyRecord, planned: PlannedAhead | None, running: tuple[int, ...]) -> _Expected | None:
    if planned is None:
        return None
    return _Expected(planned.draws(study.sequence, running), train_order(_claim(work, study, planned)), planned.first)


def _claim(work: Claim, study: StudyRecord, planned: PlannedAhead) -> Claim:
    """Return the claim that is expected, without a lease of its own."""
    trials = tuple(_trial(study, trial, planned.first + place) for place, trial in enumerate(planned.trials))
    searched = [trial.number for trial in trials if trial.role is Role.SEARCH]
    indices = {number: planned.searched + place for place, number in enumerate(searched)} if work.definition.search.pruner else {}
    return Claim(study, work.definition, work.lease, None, trials, indices, work.objective, study.workload_version)


def _trial(study: StudyRecord, planned: PlannedTrial, number: int) -> TrialRecord:
    """Return a planned trial as it will be stored, as far as its training depends on it."""
    return TrialRecord(
        id=0,
        study_id=study.id,
        number=number,
        role=planned.role,
        rule=planned.rule,
        origin=planned.origin,
        confirms=planned.confirms,
        state=TrialState.RUNNING,
        seed=planned.seed,
        parameters=planned.parameters,
        weights=planned.weights,
        sampler_state=planned.sampler_state,
        planned_after=study.sequence,
        planned_beside=(),
        attempt=1,
        charged=0,
        cohort_limit=None,
        epochs=0,
        best_epoch=None,
        value=None,
        values={},
        feasible=None,
        violations={},
        reason=None,
        worker=None,
        cohort=None,
        engine=study.engine,
        engine_why=None,
        sequence=None,
        created_at=study.updated_at,
        started_at=None,
        ended_at=None,
        by_seed=dict.fromkeys(planned.seeds),
    )
