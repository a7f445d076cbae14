"""One study's preflight as its worker sees it: the child's answer comes in; the study is prepared, or FAILED."""

from __future__ import annotations

from search.planning.initial_values import normalization_error
from search.training.child.protocol import Answer, PrepareStudy, StudyPrepared, StudyRefused, ThreadsWanted
from search.validation.warnings import unpublished
from search.worker.claim import Claim
from search.worker.lease_keeper import Holding
from storage import derived, leases, studies
from storage.database import Database, Session
from storage.records import StudyState


class PreflightRun:
    """Waits for the answer to a preflight, and records it under its lease."""

    waiting = plan_next = False

    def __init__(self, database: Database, claim: Claim, holding: Holding) -> None:
        self._database, self._claim, self._holding = database, claim, holding
        self._answer: StudyPrepared | StudyRefused | None = None
        self._recorded = False
        self._threads: int | None = None
        self.wanted: int | None = None  # threads of another child that is to prepare the study

    def order(self) -> PrepareStudy:
        """Return the order that has the child prepare this study."""
        return PrepareStudy(self._claim.study.id, self._threads)

    def begin(self, threads: int | None) -> None:
        """Have it prepared by a child of so many threads, if the study wants no others; None: whatever it wants."""
        self._threads, self.wanted = threads, None

    def hear(self, answer: Answer) -> None:
        """Take in one answer of the child."""
        if isinstance(answer, StudyPrepared | StudyRefused):
            self._answer = answer
        elif isinstance(answer, ThreadsWanted):
            self.wanted = answer.threads

    @property
    def done(self) -> bool:
        """Return whether the child has answered."""
        return self._answer is not None or self.wanted is not None

    @property
    def prepared(self) -> StudyPrepared | None:
        """Return how the study is trained, once the child has said so and its weights can be normalised by what it measured."""
        answer = self._answer if isinstance(self._answer, StudyPrepared) else None
        return None if answer is None or normalization_error(self._claim.definition, answer.initial) else answer

    @property
    def failed(self) -> bool:
        """Return whether the child refused the study."""
        return isinstance(self._answer, StudyRefused)

    @property
    def traces(self) -> int:
        """Return how many graphs the child has traced in its life, as far as it said."""
        return self._answer.traces.made if isinstance(self._answer, StudyPrepared) else 0

    def reply(self) -> None:
        """Return what the child waits for: nothing, in a preflight."""

    def record(self) -> bool:
        """Store the answer, if it is there. Returns False where the database is away: it is kept. Raises LeaseLost."""
        if self._answer is not None and not self._recorded:
            self._recorded = self._holding.finish(self._write)
            return self._recorded
        return True

    def _write(self, session: Session) -> None:
        now, study = self._database.now(session), self._claim.study
        leases.complete(session, self._holding.token, now)  # first: a study that was cancelled meanwhile is no longer ours
        match self._answer:
            case StudyRefused(reason):
                studies.end_study(session, study.id, StudyState.FAILED, reason, now)
            case StudyPrepared() as answer:
                if fault := normalization_error(self._claim.definition, answer.initial):
                    studies.end_study(session, study.id, StudyState.FAILED, fault, now)
                else:
                    self._prepared(session, answer)

    def _prepared(self, session: Session, answer: StudyPrepared) -> None:
        study = self._claim.study
        derived.keep_initial_values(session, study.id, answer.initial)
        studies.prepared(
            session,
            study.id,
            cohort_size=answer.cohort_size,
            engine=answer.engine,
            threads=answer.threads,
            why=answer.why,
            warnings=answer.warnings,
            settled=[unpublished(study.workload)],
            workload_version=self._claim.workload_version,
            now=self._database.now(session),
        )
