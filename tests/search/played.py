"""Whole studies played through the plan without training: every planned trial is answered at once by invented measurements.

What the plan and the verdict are given is put together here alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from search.analysis.verdict import Verdict, judge
from search.definition.schema import StudyDefinition
from search.objective.anchors import Measurement, resolve_anchors
from search.objective.scoring import evaluate
from search.planning.plan import End, History, Run, ScoreStudy, choose_finalists, confirmation, plan
from storage.records import AnchorRecord, Measured, PlannedTrial, Role, StudyState, TrialRecord, TrialState
from tests.search.histories import waiting

Measure = Callable[[Sequence[PlannedTrial]], list[Measured]]
"""What a cohort measures, a trial each."""

COHORT = 16


@dataclass
class Played:
    """A study that was played to its end, and what every trial of it measured."""

    definition: StudyDefinition
    trials: list[TrialRecord] = field(default_factory=list)
    measured: dict[int, Measured] = field(default_factory=dict)
    anchors: list[AnchorRecord] = field(default_factory=list)
    finalists: Sequence[int] = ()

    def of(self, role: Role) -> list[TrialRecord]:
        return [record for record in self.trials if record.role is role]

    @property
    def best(self) -> TrialRecord:
        """The search trial with the greatest value, the first of equals."""
        return max(self.of(Role.SEARCH), key=lambda record: (record.value or 0.0, -record.number))

    def history(self) -> History:
        """Return what storage would give the plan."""
        history = History(
            budget=self.definition.search.trials or 0,
            counts=Counter((record.role, record.state) for record in self.trials),
            trials=self.of(Role.SEARCH),
            references=self.of(Role.REFERENCE),
            baselines=self.of(Role.BASELINE),
            confirmed=frozenset((record.confirms, record.seed) for record in self.trials if record.confirms is not None),
            repeated={(record.confirms or 0, record.seed): self.measured[record.number] for record in self.of(Role.CONFIRMATION)},
            finalists=self.finalists,
            next_number=len(self.trials),
            anchors=self.anchors,
            measurements=[
                Measurement(record.role, record.rule, record.seed, self.measured[record.number].validation)
                for record in self.trials
                if record.role in (Role.REFERENCE, Role.BASELINE)
            ],
        )
        chosen = choose_finalists(self.definition, history)
        self.finalists = chosen.finalists
        return chosen

    def train(self, planned: Sequence[PlannedTrial], measure: Measure) -> None:
        """Answer planned trials: each is complete at once, with what `measure` says of it."""
        for each, measured in zip(planned, measure(planned), strict=True):
            number = len(self.trials)
            self.measured[number] = measured
            ended = replace(waiting(number, each), state=TrialState.COMPLETE, attempt=1, sequence=number + 1)
            self.trials.append(self._scored(ended))

    def _scored(self, record: TrialRecord) -> TrialRecord:
        if record.role not in (Role.BASELINE, Role.SEARCH):
            return record
        score = evaluate(resolve_anchors(self.definition.objective, self.anchors), self.measured[record.number].validation)
        return replace(record, value=score.value, values=score.values, feasible=score.feasible, violations=score.violations)

    def anchor(self, found: Sequence[AnchorRecord]) -> None:
        """Keep what the objective is relative to, and score by it what has ended."""
        self.anchors += found
        self.trials = [self._scored(record) for record in self.trials]

    def verdict(self) -> Verdict | None:
        """Return what the confirmation says."""
        found = confirmation(self.definition, self.history())
        return None if found is None else judge(self.definition.objective, found.meeting, found.trained)


def played(definition: StudyDefinition, measure: Measure, cohort: int = COHORT) -> Played:
    """Return the study after its end, planned `cohort` trials at a time at most."""
    study = Played(definition)
    while True:
        step = plan(definition, study.history(), cohort)
        if isinstance(step, Run):
            study.train(step.trials, measure)
        elif isinstance(step, ScoreStudy):
            study.anchor(step.anchors)
        else:
            assert isinstance(step, End), "nothing runs, so there is nothing to wait for"
            assert step.state is StudyState.COMPLETE, step.reason
            return study
