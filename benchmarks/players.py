"""Whole studies of one weight that are played through the real plan: every training is answered at once by known curves.

Suggestions, finalists by the model, the choice, the looks and the verdict are the service's own; nothing is trained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from benchmarks.played_curves import World
from search.analysis.verdict import Verdict, judge
from search.definition.schema import StudyDefinition
from search.objective.anchors import Measurement, resolve_anchors
from search.objective.scoring import evaluate
from search.planning.plan import End, History, Run, ScoreStudy, choose_finalists, confirmation, plan
from storage.records import AnchorRecord, Measured, PlannedTrial, Role, TrialRecord, TrialState, Values

SEARCHED, DECADES = "other.error", 3.0
WEIGHT = {"low": 10 ** (-DECADES / 2), "high": 10 ** (DECADES / 2), "current": 2.0}
LOSS = {"name": "error", "loss": "mse"}
WORTH, KEPT = "task.worth", "task.kept"
ANCHORED = (Role.REFERENCE, Role.BASELINE)
COHORT = 16


def definition(seed: int, trials: int, constraint: Mapping[str, Any] | None = None, **search: Any) -> StudyDefinition:
    """Return a study that maximises `task.worth` and searches one weight; `constraint` are the bounds of `task.kept`."""
    metrics = [{"name": name, "metric": "lift", "direction": "maximize"} for name in ("worth", "kept")]
    judged: list[dict[str, Any]] = [{"metric": WORTH, "direction": "maximize"}]
    if constraint is not None:
        judged.append({"metric": KEPT, "direction": "maximize", "strategy": "constraint", **constraint})
    return StudyDefinition.model_validate(
        {
            "workload": {"name": "played"},
            "tasks": [
                {"name": "task", "losses": [LOSS], "metrics": metrics},
                {"name": "other", "losses": [{**LOSS, "weight": WEIGHT}]},
            ],
            "objective": {"metrics": judged, "aggregate": "mean"},
            "search": {"seed": seed, "trials": trials, "baselines": ["equal", "inverse_initial_loss"], **search},
        }
    )


@dataclass
class Player:
    """One study, answered by a world for each metric. `baselines`: where each lies in the weight's range, from 0 to 1."""

    definition: StudyDefinition
    worlds: Mapping[str, World]
    baselines: Mapping[str, float]
    trials: list[TrialRecord] = field(default_factory=list)
    measured: dict[int, Measured] = field(default_factory=dict)
    anchors: tuple[AnchorRecord, ...] = ()
    chosen: Sequence[int] = ()

    def of(self, role: Role) -> list[TrialRecord]:
        return [trial for trial in self.trials if trial.role is role]

    def place(self, planned: PlannedTrial | TrialRecord) -> float:
        """Return where a training's weight lies in its range, from 0 to 1."""
        if planned.rule is not None:
            return self.baselines[planned.rule]
        return float(np.log10(planned.parameters[SEARCHED]) / DECADES + 0.5)

    def verdict(self) -> Verdict | None:
        """Play to the end, and return what the confirmation says; None where no search trial keeps the constraints."""
        while not isinstance(step := plan(self.definition, self.history(), COHORT), End):
            if isinstance(step, Run):
                for planned in step.trials:
                    self.train(planned)
            elif isinstance(step, ScoreStudy):
                self.anchors = step.anchors
                self.trials = [self._scored(trial) for trial in self.trials]
        met = confirmation(self.definition, self.history())
        return None if met is None else judge(self.definition.objective, met.meeting, met.trained)

    def history(self) -> History:
        again = self.of(Role.CONFIRMATION)
        found = History(
            budget=self.definition.search.trials or 0,
            counts=Counter((trial.role, trial.state) for trial in self.trials),
            trials=self.of(Role.SEARCH),
            baselines=self.of(Role.BASELINE),
            confirmed=frozenset((trial.confirms or 0, trial.seed) for trial in again),
            repeated={(trial.confirms or 0, trial.seed): self.measured[trial.number] for trial in again},
            finalists=self.chosen,
            next_number=len(self.trials),
            initial={"task.error": 1.0, SEARCHED: 3.0},
            anchors=self.anchors,
            measurements=[
                Measurement(trial.role, trial.rule, trial.seed, self.measured[trial.number].validation)
                for trial in self.trials
                if trial.role in ANCHORED
            ],
        )
        found = choose_finalists(self.definition, found)
        self.chosen = found.finalists
        return found

    def train(self, planned: PlannedTrial) -> None:
        """Answer a planned training: it is complete at once."""
        at = np.array([self.place(planned)])
        values = {path: world.train(at, planned.seed) for path, world in self.worlds.items()}
        self.measured[len(self.trials)] = Measured(validation=values)
        self.trials.append(self._scored(_record(len(self.trials), planned, values)))

    def _scored(self, trial: TrialRecord) -> TrialRecord:
        score = evaluate(resolve_anchors(self.definition.objective, self.anchors), self.measured[trial.number].validation)
        return replace(trial, value=score.value, feasible=score.feasible, violations=score.violations)


def _record(number: int, planned: PlannedTrial, values: Values) -> TrialRecord:
    fields: dict[str, Any] = dict.fromkeys(TrialRecord.__dataclass_fields__)
    given = {name: getattr(planned, name) for name in ("role", "rule", "origin", "confirms", "seed", "parameters", "weights")}
    state = {"state": TrialState.COMPLETE, "values": values, "by_seed": {}}
    places = {"number": number, "id": number + 1, "sequence": number + 1, "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
    beside = {"sampler_state": planned.sampler_state, "planned_beside": (), "planned_after": 0}
    return TrialRecord(**{**fields, **given, **state, **places, **beside})
