"""Fetch what a study's answer is made from: in one transaction, in few statements, however many trials were confirmed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from search.analysis.sensitivity import KIND
from search.definition.schema import StudyDefinition
from search.objective.order import BEST_FIRST, closest, leader
from search.objective.scoring import is_pareto
from search.planning.candidates import Candidate
from search.planning.history import recalled
from search.planning.meeting import Trained
from storage import contenders, curves, derived, trial_rows, workloads
from storage.database import Session
from storage.records import AnalysisRecord, AnchorRecord, Measured, Moment, Role, StudyRecord, StudyState, TrialRecord, TrialState
from storage.study_rows import counted_moment


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was stored of a study at one moment.

    `leader` is the best complete trial of the search and its baselines, feasible or not; `closest` the one that misses its
    constraints by the least, where the leader is infeasible. `trials` has by number all that were fetched; `measured` the numbers
    of those that an answer shows, at the epoch that counts. `candidates` were trained on fresh seeds, `again` are these trainings,
    however they ended.
    `recalled` are the search trials of a front, which its compromise is over. `analysis` is for the sensitivity. `own_metrics` are
    the names of the workload's own.
    """

    study: StudyRecord
    definition: StudyDefinition
    trials: Mapping[int, TrialRecord]
    measured: Mapping[int, Measured]
    leader: TrialRecord | None = None
    closest: TrialRecord | None = None
    anchors: Sequence[AnchorRecord] = ()
    candidates: Sequence[Candidate] = ()
    again: Sequence[TrialRecord] = ()
    recalled: Sequence[TrialRecord] = ()
    analysis: AnalysisRecord | None = None
    own_metrics: frozenset[str] = frozenset()

    @property
    def baselines(self) -> list[TrialRecord]:
        """The complete baselines by number."""
        return [trial for trial in self.trials.values() if trial.role is Role.BASELINE and trial.state is TrialState.COMPLETE]

    @property
    def trained(self) -> Trained:
        """What there is of the confirmation."""
        planned = {(each.number, seed): True for each in self.candidates for seed in each.measured}
        planned |= {(trial.confirms, trial.seed): trial.ended for trial in self.again if trial.confirms is not None}
        return Trained(self.candidates, frozenset(planned), frozenset(place for place, ended in planned.items() if not ended))

    def counted_epochs(self, number: int) -> dict[int, int]:
        """Return by seed the epoch that counts of each training again of a trial; none where the study counts the last one."""
        if counted_moment(self.study) is Moment.LAST:
            return {}
        own = [trial for trial in self.again if trial.confirms == number and trial.state is TrialState.COMPLETE]
        return {trial.seed: trial.best_epoch for trial in own if trial.best_epoch is not None}


def gather(
    session: Session,
    study: StudyRecord,
    definition: StudyDefinition,
    *,
    numbers: Collection[int] = (),
    fresh: bool = True,
    sensitivity: bool = False,
) -> Evidence:
    """Fetch the evidence. `numbers`: trials that are shown whoever wins; `fresh`: what was trained on fresh seeds, once COMPLETE.

    `sensitivity`: what a worker analysed.
    """
    analysis = derived.find_analysis(session, study.id, KIND) if sensitivity else None
    fresh = fresh and study.state is StudyState.COMPLETE
    front = is_pareto(definition.objective)
    found = contenders.answer_trials(session, study.id, BEST_FIRST, valued=not front, fresh=fresh, numbers=numbers)
    trials = {trial.number: trial for trial in found}
    first = leader(found, valued=not front)
    again = [trial for trial in found if trial.role is Role.CONFIRMATION and trial.confirms is not None and fresh]
    confirmed = {trial.confirms for trial in again}
    shown = [trial for trial in found if trial.role is Role.BASELINE or trial is first or trial.number in {*numbers, *confirmed}]
    measured = _measured(session, study, [*shown, *again])
    return Evidence(
        study=study,
        definition=definition,
        trials=trials,
        measured=measured,
        leader=first,
        closest=None if first is None or first.feasible else _closest(session, study),
        anchors=derived.anchors_of(session, study.id) if again or analysis is not None else (),
        candidates=candidates(trials, again, measured),
        again=again,
        recalled=recalled(session, study, definition) if front and again else (),
        analysis=analysis,
        own_metrics=_own_metrics(session, study) if again else frozenset(),
    )


def candidates(
    trials: Mapping[int, TrialRecord], again: Iterable[TrialRecord], measured: Mapping[int, Measured]
) -> list[Candidate]:
    """Return what was trained again on fresh seeds, by number, with what it measured by seed: nothing where that failed."""
    by_seed: dict[int, dict[int, Measured]] = defaultdict(dict)
    for trial in again:
        if trial.confirms is not None:
            own = by_seed[trial.confirms]
            own |= {trial.seed: measured[trial.number]} if trial.state is TrialState.COMPLETE else {}
    return [Candidate(trials[number], by_seed[number]) for number in sorted(by_seed)]


def _measured(session: Session, study: StudyRecord, trials: Sequence[TrialRecord]) -> dict[int, Measured]:
    moment = counted_moment(study)
    found = curves.measured_of(session, [trial.id for trial in trials], [moment])
    return {trial.number: found[trial.id].get(moment, Measured()) for trial in trials}


def _own_metrics(session: Session, study: StudyRecord) -> frozenset[str]:
    described = workloads.descriptions_of(session, {study.workload}).get(study.workload, {})
    return frozenset(described.get("metrics", ()))


def _closest(session: Session, study: StudyRecord) -> TrialRecord | None:
    number = closest(contenders.missed_constraints(session, study.id))
    return None if number is None else trial_rows.get_trial(session, study.id, number)
