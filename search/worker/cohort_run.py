"""One cohort's training as its worker sees it: what the child says comes in, what is stored goes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from search.definition import space
from search.definition.rules import weighting_of
from search.definition.schema import Objective, StudyDefinition
from search.objective.outcomes import TrialCurve, judged, outcome, unpacked, unpacked_weights
from search.objective.scoring import with_value
from search.planning.rescoring import SCORED, objective_of
from search.validation import normalize
from search.worker.child_process import Message
from search.worker.claim import Claim
from search.worker.lease_keeper import Holding
from search.worker.rungs import Rungs
from storage import epochs, leases, outcomes
from storage.database import Database, Session
from storage.fencing import fence
from storage.records import Measured, Outcome, Reason, Role, TrialRecord, TrialState

EpochReports = Mapping[int, epochs.EpochWrite]


class CohortRun:
    """Collects a cohort's reports, and records them under its lease, several messages in one transaction."""

    def __init__(self, database: Database, claim: Claim, holding: Holding) -> None:
        self._database, self._claim, self._holding = database, claim, holding
        self._curves = {trial.number: TrialCurve() for trial in claim.trials}
        self._roles = {trial.number: trial.role for trial in claim.trials}
        self._epochs: list[EpochReports] = []
        self._moving = {trial.number for trial in claim.trials if _moves(claim.definition, trial)}
        self._ends: list[Message] = []
        self._rungs = Rungs(database, claim)
        self.trained = False
        self.traces = 0  # graphs that the child has traced in its life
        self.recorded = False
        self.failed = False  # some setting raised

    def order(self) -> dict[str, Any]:
        """Return the message that has the child train this cohort."""
        study = self._claim.study
        return {
            "do": "train",
            "study": study.id,
            "definition": normalize.shown(self._claim.definition),
            "cohort_size": study.cohort_size,
            "engine": study.engine,
            "settings": [
                {**_setting(self._claim.definition, trial), "rungs": list(self._rungs.of(trial.number))}
                for trial in self._claim.trials
            ],
        }

    def hear(self, message: Message) -> None:
        """Take in one message of the child."""
        match message["is"]:
            case "epoch":
                self._hear_epoch(message)
            case "ended":
                self._hear_end(message)
            case "rung":
                self._rungs.ask(message)
            case "trained":
                self.trained = True
                self.traces = int(message.get("traces", 0))

    def _hear_epoch(self, message: Message) -> None:
        epoch, share = int(message["epoch"]), float(message["seconds"]) / len(message["numbers"])
        weights = unpacked_weights(message, self._moving)
        reports = {number: self._valued(measured) for number, measured in unpacked(message).items()}
        for number, measured in reports.items():
            self._curves[number].add(epoch, measured)
        self._epochs.append(
            {n: epochs.EpochWrite(epoch, each.train, each.validation, share, weights[n]) for n, each in reports.items()}
        )

    def _valued(self, measured: Measured) -> Measured:
        """Return an epoch's numbers with the value that an aggregate from outside gives them, if the study has one."""
        objective = self._claim.definition.objective
        validation, test = with_value(objective, measured.validation), with_value(objective, measured.test)
        return replace(measured, validation=validation, test=test)

    def _hear_end(self, message: Message) -> None:
        self.failed |= message["state"] == TrialState.FAILED
        self._ends.append(message)

    def _outcomes(self, session: Session) -> list[Outcome]:
        """Score the trials that ended. The study is locked: whoever resolves a relative objective scores all that ended before."""
        objective = objective_of(session, self._claim.study.id, self._claim.definition)
        return [self._outcome(message, objective) for message in self._ends]

    def _outcome(self, message: Message, objective: Objective) -> Outcome:
        told, number = message.get("reason"), int(message["number"])
        reason = Reason(told["code"], told["message"], told.get("at")) if told else None
        role, state, epochs = self._roles[number], TrialState(message["state"]), int(message["epochs"])
        found = outcome(number, self._curves[number], None if role is Role.REFERENCE else objective, state, reason, epochs)
        return judged(found, objective) if role in SCORED else found

    @property
    def asked(self) -> bool:
        """Tell whether the child waits for us, at a rung."""
        return self._rungs.asked

    def answer(self) -> Message | None:
        """Return what the child waits for, if it waits. None too as long as its numbers are not stored: the database is away."""
        return None if self._epochs else self._rungs.answer(self._curves)

    def record(self) -> bool:
        """Store what came since the last time. Returns False where the database is away: it is kept. Raises LeaseLost."""
        if not (self._epochs or self._ends or self.trained):
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

        done = self._holding.finish(finish) if self.trained else self._holding.write(write)
        if done:
            self._epochs, self._ends = [], []
            self.recorded = self.trained
        return done


def _moves(definition: StudyDefinition, trial: TrialRecord) -> bool:
    setting = _setting(definition, trial)
    return setting["rule"] != "fixed" or bool(setting["schedules"])


def _setting(definition: StudyDefinition, trial: TrialRecord) -> dict[str, Any]:
    schedules = space.schedules(definition, trial.parameters) if trial.rule is None else {}
    return {
        "number": trial.number,
        "seed": trial.seed,
        "weights": dict(trial.weights),
        "test": trial.role is Role.CONFIRMATION,
        "rule": weighting_of(trial.rule, definition.search.plugins),
        "schedules": {path: schedule.document() for path, schedule in schedules.items()},
        "arguments": space.arguments(definition, trial.parameters),
    }
