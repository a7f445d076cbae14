"""One cohort's training as its worker sees it: the child's answers come in, what is stored goes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from search.definition.rules import weighting_of
from search.definition.schema import Objective, StudyDefinition
from search.definition.space import SearchSpace
from search.logs import logger
from search.objective.outcomes import TrialCurve, judged, outcome
from search.objective.scoring import with_value
from search.objective.seed_means import seed_results
from search.planning.rescoring import SCORED, objective_of
from search.training.child.protocol import (
    Answer,
    CancelSettings,
    CohortTrained,
    GoOn,
    PlacesFree,
    RungReached,
    TrainAlso,
    TrainCohort,
)
from search.training.interface import Ended, EpochReport, Setting, report_before_last
from search.worker.claim import Claim
from search.worker.copies import Cohort, SeedEpoch
from search.worker.further_trials import Aside, FurtherTrials, at_once, rung_for_more
from search.worker.lease_keeper import Holding
from search.worker.rungs import Rungs, rungs_of
from storage import epochs, leases, outcomes
from storage.database import Database, Session
from storage.errors import StorageBusy, StorageUnavailable
from storage.fencing import fence
from storage.records import Measured, Outcome, Role, TrialRecord, TrialState

log = logger("steelyard.worker")

EpochReports = Mapping[int, epochs.EpochWrite]


class CohortRun:
    """Collects a cohort's reports, and records them under its lease, several messages in one transaction.

    `aside`: how further trials are planned.
    """

    def __init__(self, database: Database, claim: Claim, holding: Holding, aside: Aside = at_once) -> None:
        self._database, self._claim, self._holding = database, claim, holding
        self._cohort = Cohort(claim.trials)
        self._curves: dict[int, TrialCurve] = {}
        self._roles: dict[int, Role] = {}
        self._epochs: list[EpochReports] = []
        self._moving: set[int] = set()
        self._ends: list[Ended] = []
        self._recorded_ends: set[int] = set()
        self._rungs = Rungs(database, claim)
        self._reached: RungReached | None = None
        self._places: PlacesFree | None = None
        self._more = FurtherTrials(database, holding, aside)
        self._before_last = report_before_last(claim.definition.training)
        self.plan_next = False
        self.done = False
        self.traces = 0  # graphs that the child has traced in its life
        self._recorded = False
        self.failed = False  # some setting raised
        self._take_in(claim.trials)

    def _take_in(self, trials: Sequence[TrialRecord]) -> None:
        self._curves |= {trial.number: TrialCurve() for trial in trials}
        self._roles |= {trial.number: trial.role for trial in trials}
        self._moving |= {trial.number for trial in trials if _moves(self._claim.definition, trial)}

    def order(self) -> TrainCohort:
        """Return the order that has the child train this cohort."""
        return train_order(self._claim)

    def hear(self, answer: Answer) -> None:
        """Take in one answer of the child."""
        match answer:
            case EpochReport():
                self._hear_epoch(answer)
            case Ended():
                self.failed |= answer.state is TrialState.FAILED
                if (ended := self._cohort.of(answer.number).end(answer)) is not None:
                    self._ends.append(ended)
            case RungReached():
                self._hear_rung(answer)
            case PlacesFree():
                self._places = answer
            case CohortTrained():
                self.done, self.traces = True, answer.traces.made

    def _hear_epoch(self, report: EpochReport) -> None:
        share, weights = report.seconds / len(report.numbers), report.weights_in_force()
        written: dict[int, epochs.EpochWrite] = {}
        for number, measured in report.measured().items():
            copies = self._cohort.of(number)
            trial = copies.trial.number
            whole = copies.add(number, report.epoch, SeedEpoch(self._valued(measured), share, weights[number]))
            if whole is not None:
                mean = self._valued(whole.measured)
                self._curves[trial].add(report.epoch, mean)
                moved = whole.weights if trial in self._moving else {}
                written[trial] = epochs.EpochWrite(report.epoch, mean.train, mean.validation, whole.seconds, moved)
        if written:
            self._epochs.append(written)
            self._look_ahead(report.epoch)

    def _look_ahead(self, epoch: int) -> None:
        """Note, once, that what follows can be planned: every trial that has not ended has come to its last report but one."""
        if epoch == self._before_last and all(epoch in self._curves[number].reports for number in self._running()):
            self.plan_next, self._before_last = True, None

    def _running(self) -> list[int]:
        ended = {each.number for each in self._ends} | self._recorded_ends
        return [number for number in self._curves if number not in ended]

    def as_if_ended(self, objective: Objective) -> list[TrialRecord]:
        """Return the trials that have not ended as they would be stored if they had, after their latest reports."""
        running = set(self._running())
        return [
            _as_if_ended(trial, self._curves[trial.number], objective) for trial in self._claim.trials if trial.number in running
        ]

    def _hear_rung(self, reached: RungReached) -> None:
        """Ask who ends at a rung, of the trials whose settings have all come to it: they are judged by their means."""
        measured = {number for number, curve in self._curves.items() if reached.epoch in curve.reports}
        self._reached = reached
        self._rungs.ask(self._cohort.trials_at(reached, measured))

    def _valued(self, measured: Measured) -> Measured:
        """Return an epoch's numbers with the value that an aggregate from outside gives them, if the study has one."""
        objective = self._claim.definition.objective
        validation, test = with_value(objective, measured.validation), with_value(objective, measured.test)
        return replace(measured, validation=validation, test=test)

    def _outcomes(self, session: Session) -> list[Outcome]:
        """Score the trials that ended. The study is locked: whoever resolves a relative objective scores all that ended before."""
        objective = objective_of(session, self._claim.study.id, self._claim.definition)
        return [self._outcome(ended, objective) for ended in self._ends]

    def _outcome(self, ended: Ended, objective: Objective) -> Outcome:
        role, curve = self._roles[ended.number], self._curves[ended.number]
        scored_by = None if role is Role.REFERENCE else objective
        found = outcome(ended.number, curve, scored_by, ended.state, ended.reason, ended.epochs)
        found = replace(found, seconds=self._cohort.unreported_seconds(ended.number))
        if role not in SCORED:
            return found
        return replace(judged(found, objective), by_seed=seed_results(found, self._cohort.by_seed(ended.number), objective))

    @property
    def waiting(self) -> bool:
        """Return whether the child waits for us, at a rung."""
        return self._rungs.asked or self._places is not None

    def reply(self) -> GoOn | TrainAlso | CancelSettings | None:
        """Return what the child waits for, if it waits, else the settings that it trains in vain.

        None too as long as its numbers are not stored: the database is away. Raises LeaseLost.
        """
        if self._epochs:
            return None
        if self._places is not None:
            return None if self._ends else self._further(self._places.epoch)
        found = self._rungs.reply(self._curves)
        if found is None or self._reached is None:
            return self._cohort.to_drop()
        return self._cohort.reply(self._reached, found)

    def _further(self, epoch: int) -> TrainAlso | None:
        """Return the study's next trials to train up to a rung; None as long as the database is away."""
        try:
            claim = self._more.start(self._claim, self.as_if_ended)
        except (StorageBusy, StorageUnavailable) as error:
            log.warning("database away", error=str(error))
            return None
        if claim is None:
            return None
        added = claim.trials[len(self._claim.trials) :]
        self._claim, self._places = claim, None
        self._rungs = Rungs(self._database, claim)
        self._cohort.add(added)
        self._take_in(added)
        return TrainAlso(epoch, [_setting(claim.definition, trial, rungs_of(claim, trial.number)) for trial in added])

    def record(self) -> bool:
        """Store what came since the last time, and with it the lease's end once all is done.

        Returns False where the database is away: what came is kept. Raises LeaseLost.
        """
        if self._recorded or not (self._epochs or self._ends or self.done):
            return True
        reported, token, cohort = self._epochs, self._holding.token, self._claim.cohort or 0

        def write(session: Session) -> None:
            now = self._database.now(session)
            fence(session, token, now)
            for reports in reported:
                epochs.record_epoch(session, token, cohort, reports, now)
            if self._ends:
                outcomes.record_outcomes(session, token, self._outcomes(session), now)

        def finish(session: Session) -> None:
            write(session)
            leases.complete(session, token, self._database.now(session))

        done = self._holding.finish(finish) if self.done else self._holding.write(write)
        if done:
            self._recorded_ends |= {each.number for each in self._ends}
            self._epochs, self._ends = [], []
            self._recorded = self.done
        return done


def train_order(claim: Claim) -> TrainCohort:
    """Return the order that has a child train a claimed cohort."""
    study, definition = claim.study, claim.definition
    own = {trial.number: _setting(definition, trial, rungs_of(claim, trial.number)) for trial in claim.trials}
    settings = Cohort(claim.trials).settings(own)
    return TrainCohort(study.id, study.engine or "", study.cohort_size or 1, settings, rung_for_more(definition, claim.trials))


def _as_if_ended(trial: TrialRecord, curve: TrialCurve, objective: Objective) -> TrialRecord:
    scored_by = None if trial.role is Role.REFERENCE else objective
    found = outcome(trial.number, curve, scored_by, TrialState.COMPLETE, None, curve.epochs)
    found = judged(found, objective) if trial.role in SCORED else found
    return replace(
        trial,
        state=found.state,
        epochs=found.epochs,
        best_epoch=found.best_epoch,
        value=found.value,
        values=found.values,
        feasible=found.feasible,
        violations=found.violations,
        reason=found.reason,
    )


def _moves(definition: StudyDefinition, trial: TrialRecord) -> bool:
    setting = _setting(definition, trial, ())
    return setting.rule != "fixed" or bool(setting.schedules)


def _setting(definition: StudyDefinition, trial: TrialRecord, rungs: Sequence[int]) -> Setting:
    return Setting(
        number=trial.number,
        seed=trial.seed,
        weights=dict(trial.weights),
        test=trial.role is Role.CONFIRMATION,
        rule=weighting_of(trial.rule, definition.search.plugins),
        schedules=SearchSpace(definition).schedules(trial.parameters) if trial.rule is None else {},
        arguments=SearchSpace(definition).drawn_arguments(trial.parameters),
        rungs=tuple(rungs),
    )
