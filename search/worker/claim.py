"""Claim work: in one short write transaction, find a study, plan its next trials, and take them under a lease.

What takes long, asking a sampler that learns, is done before: the transaction then finds its question answered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from search.analysis import gain, matters, sensitivity
from search.definition.finite import finite_space
from search.definition.schema import Objective, StudyDefinition
from search.logs import logger
from search.objective.anchors import is_resolved, required_anchors, resolve_anchors
from search.planning import kept_confirmation
from search.planning.history import recalled_and_others, repeated
from search.planning.plan import Ask, End, History, Run, ScoreStudy, confirmation, plan, wants_finalists, wants_gain
from search.planning.rescoring import measurements, objective_of, score
from search.sampling import suggest
from search.validation import normalize
from search.validation.published import Named, named_plugins
from search.worker import analysis_claims
from search.worker.planning_memory import PlanningMemory, Question, Unanswered
from storage import derived, leases, progress, studies, study_rows, trial_rows, trials, workloads
from storage.database import Database, Session, is_database_fault
from storage.ended_trials import EndedTrials
from storage.migrations import require_still_current_in
from storage.records import LeaseRecord, Reason, Role, StudyRecord, StudyState, TrialRecord, TrialState
from storage.rung_history import search_indices

log = logger("steelyard.worker")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker holds: a study to prepare, or a cohort of its trials to train.

    `objective` is the study's, with numbers for what it is relative to as far as they were known when the cohort was claimed.
    `indices` has the place of each search trial of the cohort among the study's, by number, where the study has a pruner.
    `workload_version`: of the files to train with; None where the workload is not the user's own files.
    """

    study: StudyRecord
    definition: StudyDefinition
    lease: LeaseRecord
    cohort: int | None = None
    trials: tuple[TrialRecord, ...] = ()
    indices: Mapping[int, int] = field(default_factory=dict)
    objective: Objective | None = None
    workload_version: str | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a study's plan waits for, to be worked out without a lease and outside of any lock.

    At its end what matters in it (`sensitivity`), in its search what is still to be gained (`gain`), after it who trains on fresh
    seeds (`finalists`).
    """

    study: StudyRecord
    definition: StudyDefinition
    kind: str


Ahead = Mapping[int, suggest.DrawnAhead]
"""By study, what was drawn for its next cohort before the one before it had ended."""

NOTHING_AHEAD: Ahead = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims, for how long, and what it can train.

    `versions` are the current ones of workloads that are the user's own files, by name; `kept` has earlier ones too. `failed`
    could not be described here.
    """

    worker_id: int
    name: str
    workloads: Collection[str]
    lease_seconds: float
    versions: Mapping[str, str] = field(default_factory=dict)
    kept: Collection[tuple[str, str]] = ()
    failed: Collection[str] = ()

    def can_train(self, study: StudyRecord) -> bool:
        """Return whether the study's version of its workload is at hand."""
        return study.workload_version is None or (study.workload, study.workload_version) in self.kept


@dataclass(frozen=True, slots=True)
class Planner:
    """How studies are planned for: with what was read before, how samplers are asked, and what was drawn ahead."""

    ended: EndedTrials | None = None
    ask: Ask = suggest.suggest
    ahead: Ahead = field(default_factory=lambda: NOTHING_AHEAD)
    read: _Read | None = None


class PlanningFailed(Exception):
    """A study's stored definition or its plan raised: an error of ours, or a definition of a newer version."""

    def __init__(self, study: StudyRecord, error: Exception) -> None:
        self.study = study
        super().__init__(f"study {study.name} cannot be planned: {type(error).__name__}: {error}")


class _Unplanned(Exception):
    """A study's sampler is to be asked while nobody holds a lock; what was read for it is `read`."""

    def __init__(self, question: Question, read: _Read) -> None:
        self.study, self.question, self.read = read.study, question, read
        super().__init__(f"the sampler of study {read.study.name} is to be asked first")


@dataclass(frozen=True, slots=True)
class _Read:
    """What a claim read of a study before its sampler was asked. It need not be read anew where the study is as it was.

    Whatever the plan depends on changes the study's row, or which trials have not ended, but for the seconds of training.
    """

    study: StudyRecord
    unfinished: tuple[tuple[int, TrialState, int], ...]
    history: History

    @classmethod
    def of(cls, study: StudyRecord, unfinished: Sequence[TrialRecord], history: History) -> _Read:
        return cls(study, _states(unfinished), history)

    def still(self, study: StudyRecord, unfinished: Sequence[TrialRecord]) -> History | None:
        """Return the history, where it is still that of the study."""
        same = study == self.study and _states(unfinished) == self.unfinished and not self.history.seconds
        return self.history if same else None


def _states(trials: Sequence[TrialRecord]) -> tuple[tuple[int, TrialState, int], ...]:
    return tuple((trial.id, trial.state, trial.attempt) for trial in trials)


MOST_ASKED = 3
"""How often a sampler is asked before its study is locked: each time another worker may plan for the study first."""


def claim(
    database: Database,
    claimant: Claimant,
    plugins: Collection[Named] = (),
    memory: PlanningMemory | None = None,
    ahead: Ahead = NOTHING_AHEAD,
) -> Claim | Analysis | None:
    """Take the next work there is for this worker, or None. Studies that are over are ended on the way.

    A study's plan takes the draws of `ahead` where they fit. Where they do not, a sampler that learns is asked outside of the
    transaction: what it answers is used where the study's rows are still the same. `memory` is what the worker keeps for its next
    claim.

    A study that names a plug-in from outside which is not among `plugins` is left to other workers. Raises SchemaTooNew where a
    later version has migrated the database since this worker started.

    A study that cannot be planned is ended FAILED, so that it does not stand in the way of all others.
    """
    try:
        return _claim(database, claimant, plugins, PlanningMemory() if memory is None else memory, ahead)
    except PlanningFailed as failed:
        log.exception("study cannot be planned", study=failed.study.name)
        with database.writing() as session:
            reason = Reason("internal_error", str(failed))
            studies.end_study(session, failed.study.id, StudyState.FAILED, reason, database.now(session))
        return None


def _claim(
    database: Database, claimant: Claimant, plugins: Collection[Named], memory: PlanningMemory, ahead: Ahead
) -> Claim | Analysis | None:
    read: _Read | None = None
    for _ in range(MOST_ASKED):
        try:
            return _claim_in_one(database, claimant, plugins, Planner(memory.ended, memory.ask_under_lock, ahead, read))
        except _Unplanned as unplanned:
            read = unplanned.read
            try:
                memory.answer(unplanned.question)
            except Exception as error:
                raise PlanningFailed(unplanned.study, error) from error
    return _claim_in_one(database, claimant, plugins, Planner(memory.ended, ahead=ahead))


def _claim_in_one(database: Database, claimant: Claimant, plugins: Collection[Named], planner: Planner) -> Claim | Analysis | None:
    """Claim in one transaction. Raises _Unplanned, and nothing has changed then."""
    skip: set[int] = set()
    with database.writing() as session:
        require_still_current_in(session)
        now = database.now(session)
        while study := studies.lock_next_study(session, claimant.workloads, skip=skip):
            if not set(named_plugins(study.definition)) <= set(plugins):
                skip.add(study.id)
                continue
            try:
                found = _claim_from(session, study, claimant, planner, now)
            except Exception as error:
                if isinstance(error, _Unplanned) or is_database_fault(error):  # neither is the study's
                    raise
                raise PlanningFailed(study, error) from error
            if found:
                return found
            skip.add(study.id)
    return None


def _claim_from(
    session: Session, study: StudyRecord, claimant: Claimant, planner: Planner, now: datetime
) -> Claim | Analysis | None:
    definition = definition_of(study)
    if study.prepared:
        return _claim_cohort(session, study, definition, claimant, planner, now)
    if reason := suggest.unavailable(definition):  # known before a preflight loads TensorFlow for nothing
        studies.end_study(session, study.id, StudyState.FAILED, reason, now)
        return None
    version = claimant.versions.get(study.workload)
    if study.workload in claimant.failed and workloads.is_described_elsewhere(
        session, study.workload, version, claimant.worker_id, now
    ):
        return None
    lease = leases.acquire(session, study.id, claimant.worker_id, leases.PREFLIGHT, claimant.lease_seconds, now)
    return Claim(study, definition, lease, workload_version=version)


def definition_of(study: StudyRecord) -> StudyDefinition:
    """Return the stored study's definition, with its budget."""
    return normalize.from_storage(study.definition, trials=study.trial_budget, name=study.name)


def _claim_cohort(
    session: Session, study: StudyRecord, definition: StudyDefinition, claimant: Claimant, planner: Planner, now: datetime
) -> Claim | Analysis | None:
    unfinished = trial_rows.unfinished_trials(session, study.id)
    waiting = [trial for trial in unfinished if trial.state is TrialState.WAITING]
    chosen = again(waiting, study.cohort_size or 1) or _planned(session, study, definition, planner, unfinished, now)
    if isinstance(chosen, Analysis):
        return chosen if analysis_claims.take(session, study, chosen.kind, claimant.worker_id, now) else None
    if not chosen:
        return None
    if not claimant.can_train(study):
        _pause_without_version(session, study, now)
        return None
    lease = leases.acquire(session, study.id, claimant.worker_id, leases.COHORT, claimant.lease_seconds, now)
    cohort = trials.start_cohort(session, study, chosen, lease, engine=study.engine or "", worker=claimant.name, now=now)
    pruned = definition.search.pruner is not None
    indices = search_indices(session, study.id, [trial.number for trial in chosen]) if pruned else {}
    objective = objective_of(session, study.id, definition)
    return Claim(study, definition, lease, cohort, tuple(chosen), indices, objective, study.workload_version)


def _pause_without_version(session: Session, study: StudyRecord, now: datetime) -> None:
    """Pause a study whose version of its workload no live worker has any more: another would train something else."""
    version = study.workload_version or ""
    if workloads.is_version_alive(session, study.workload, version, now):
        return
    text = (
        f"paused: the files of workload {study.workload!r} have changed since the study was prepared (version {version[:8]}), and "
        "no live worker has them as they were; put them back and resume it, or submit the study under another name"
    )
    study_rows.set_state(session, study, StudyState.PAUSED, Reason("workload_changed", text), now)


def again(waiting: Sequence[TrialRecord], size: int) -> list[TrialRecord]:
    """Choose which waiting trials go together: the first, and those after it, as many as the most cautious of them allows.

    A trial on several seeds takes as many of the `size` places.
    """
    chosen: list[TrialRecord] = []
    places, most = 0, size
    for trial in waiting:
        places, most = places + max(1, len(trial.seeds)), min(most, trial.cohort_limit or most)
        if len(chosen) + 1 > most or (chosen and places > size):
            break
        chosen.append(trial)
    return chosen


def _planned(
    session: Session,
    study: StudyRecord,
    definition: StudyDefinition,
    planner: Planner,
    unfinished: Sequence[TrialRecord],
    now: datetime,
) -> list[TrialRecord] | Analysis:
    """Ask the plan, and write down what it says: new trials, or the study's end. COMPLETE waits for its analysis.

    `unfinished` are the trials in training. Raises _Unplanned.
    """
    read = None if planner.read is None else planner.read.still(study, unfinished)
    read = read or history_of(session, study, definition, now, planner.ended)
    try:
        return _planned_from(session, study, definition, planner, read, [trial.number for trial in unfinished], now)
    except Unanswered as unanswered:
        raise _Unplanned(unanswered.question, _Read.of(study, unfinished, read)) from unanswered


def _planned_from(
    session: Session,
    study: StudyRecord,
    definition: StudyDefinition,
    planner: Planner,
    read: History,
    running: Sequence[int],
    now: datetime,
) -> list[TrialRecord] | Analysis:
    history = replace(read, ahead=planner.ahead.get(study.id))
    if wants_gain(definition, history):
        return Analysis(study, definition, gain.KIND)
    if wants_finalists(definition, history):
        return Analysis(study, definition, kept_confirmation.FINALISTS)
    step = plan(definition, history, study.cohort_size or 1, planner.ask)
    if isinstance(step, ScoreStudy):
        score(session, study, definition, step.anchors, now)
        history = history_of(session, study, definition, now, planner.ended)
        if wants_finalists(definition, history):
            return Analysis(study, definition, kept_confirmation.FINALISTS)
        step = plan(definition, history, study.cohort_size or 1, planner.ask)
    _keep_confirmation(session, study, definition, history, now)
    if isinstance(step, End):
        if step.state is StudyState.COMPLETE and not matters.is_kept(session, study):
            return Analysis(study, definition, sensitivity.KIND)
        studies.end_study(session, study.id, step.state, step.reason, now)
    if not isinstance(step, Run):
        return []
    return trials.add_trials(session, study, step.trials, beside=running, now=now)


def _keep_confirmation(session: Session, study: StudyRecord, definition: StudyDefinition, history: History, now: datetime) -> None:
    found = confirmation(definition, history)
    if found is not None:
        until = kept_confirmation.searched_until(history.trials)
        kept_confirmation.keep(session, study, found.meeting, history.finalists, until, now)


def history_of(
    session: Session, study: StudyRecord, definition: StudyDefinition, now: datetime, ended: EndedTrials | None = None
) -> History:
    """Read what the plan may know of a study. `ended` has trials that were read before."""
    counts = trial_rows.count_by_role(session, study.id)
    searched, others = recalled_and_others(session, study, definition, ended)
    fixed = [trial for trial in others if trial.role is not Role.CONFIRMATION]
    confirmations = [trial for trial in others if trial.role is Role.CONFIRMATION]
    anchors = () if is_resolved(definition.objective) else derived.anchors_of(session, study.id)
    confirming = {(trial.confirms, trial.seed): trial for trial in confirmations if trial.confirms is not None}
    stop = definition.search.stop
    return History(
        budget=study.trial_budget,
        counts=counts,
        trials=searched,
        references=[trial for trial in fixed if trial.role is Role.REFERENCE],
        baselines=[trial for trial in fixed if trial.role is Role.BASELINE],
        confirmed=frozenset(confirming),
        repeating=frozenset(place for place, trial in confirming.items() if not trial.ended),
        repeated=repeated(session, study, confirmations),
        finalists=kept_confirmation.kept_finalists(session, study.id, searched),
        next_number=sum(counts.values()),
        initial=derived.initial_values(session, study.id),
        anchors=anchors,
        settings=trial_rows.search_parameters(session, study.id) if finite_space(definition) is not None else (),
        measurements=measurements(session, study, fixed)
        if required_anchors(resolve_anchors(definition.objective, anchors))
        else (),
        seconds=progress.trained_seconds(session, study.id, now) if stop is not None and stop.after_seconds is not None else 0.0,
        expected_gain=gain.find(session, study, counts) if stop is not None and stop.no_gain is not None else None,
    )
