"""Played studies with known curves: how far the winner lies behind the best place, and how often a gain is claimed.

A study is played through the real plan: suggestions, finalists by the model, the choice and the looks. A training measures the
curve at its weight and the noise of `benchmarks.played_curves.World`. Unit: s, the standard deviation of one training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.options import Options
from benchmarks.played_curves import CURVES, Array, World
from benchmarks.table import Ratio, Table
from search.analysis.verdict import Verdict, judge
from search.definition.schema import StudyDefinition
from search.objective.scoring import evaluate
from search.planning.looks import Judgement
from search.planning.plan import History, Run, choose_finalists, confirmation, plan
from storage.records import Measured, PlannedTrial, Role, TrialRecord, TrialState

LEADS = (0.0, 1.0, 2.0, 4.0)
"""By how much the best place truly leads the best baseline, in s."""

BASELINES = {"equal": 0.5, "current": 0.85, "inverse_initial_loss": 0.15}
"""Where each baseline lies in its range, from 0 to 1; moved so that the best of them lies at the best place where the lead is 0."""

TRIALS, RUNS, COHORT, STEPS = 40, 5, 16, 601
METRIC = "task.worth"
HEADER = ("true lead", "studies", "better", "as good", "worse", "not enough", "regret, s", "fresh trainings")
CAPTION = (
    "Played studies of one weight, {trials} trials of TPE, {baselines} baselines, curves: {curves}; fresh seeds take at most 1.5 "
    "times the search's trainings. Shares of studies by verdict. `regret`: how far the winner truly lies behind the best place."
)


@dataclass
class _Player:
    """One study, answered at once by a world."""

    definition: StudyDefinition
    world: World
    baselines: dict[str, float]
    trials: list[TrialRecord] = field(default_factory=list)
    measured: dict[int, Measured] = field(default_factory=dict)
    chosen: Sequence[int] = ()

    def history(self) -> History:
        again = [trial for trial in self.trials if trial.confirms is not None]
        found = History(
            budget=self.definition.search.trials or 0,
            counts=Counter((trial.role, trial.state) for trial in self.trials),
            trials=[trial for trial in self.trials if trial.role is Role.SEARCH],
            baselines=[trial for trial in self.trials if trial.role is Role.BASELINE],
            confirmed=frozenset((trial.confirms or 0, trial.seed) for trial in again),
            repeated={(trial.confirms or 0, trial.seed): self.measured[trial.number] for trial in again},
            finalists=self.chosen,
            next_number=len(self.trials),
            initial={"task.error": 1.0, "other.error": 3.0},
        )
        found = choose_finalists(self.definition, found)
        self.chosen = found.finalists
        return found

    def train(self, planned: PlannedTrial) -> None:
        number, at = len(self.trials), self.place(planned)
        value = self.world.train(np.array([at]), planned.seed)
        self.measured[number] = Measured(validation={METRIC: value})
        score = evaluate(self.definition.objective, {METRIC: value})
        self.trials.append(_record(number, planned, score.value))

    def place(self, planned: PlannedTrial | TrialRecord) -> float:
        """Return where a training's weight lies in its range, from 0 to 1."""
        if planned.rule is not None:
            return self.baselines[planned.rule]
        return float((np.log10(planned.parameters["other.error"]) + 1.5) / 3)

    def verdict(self) -> Verdict:
        """Play to the end, and return what the confirmation says."""
        while isinstance(step := plan(self.definition, self.history(), COHORT), Run):
            for planned in step.trials:
                self.train(planned)
        met = confirmation(self.definition, self.history())
        found = judge(self.definition.objective, None if met is None else met.meeting, met.trained) if met else None
        assert found is not None
        return found


@dataclass(frozen=True)
class Played:
    """What one played study said, and what is true, in s: the best place's `lead` over the best baseline, the winner's `regret`."""

    lead: float
    call: Judgement | None
    regret: float
    trainings: int


def play(curve_name: str, lead: float, seed: int, trials: int = TRIALS) -> Played:
    """Play one study on a known curve, whose noise is such that the best place leads the best baseline by `lead` times it."""
    curve = CURVES[1][curve_name]
    grid: Array = np.linspace(0, 1, STEPS)
    values = curve(grid[:, None])
    best = float(values.max())
    baselines = dict(BASELINES)
    if lead == 0:
        baselines["equal"] = float(grid[int(values.argmax())])
    behind = best - max(float(curve(np.array([[at]]))[0]) for at in baselines.values())
    noise = behind / lead if lead and behind > 0 else 0.1
    world = World(curve, noise, 1, np.random.default_rng([seed, len(curve_name)]))
    player = _Player(_definition(seed, trials), world, baselines)
    found = player.verdict()
    regret = (best - world.true(np.array([player.place(found.winner.trial)]))) / noise
    return Played(lead, found.call, regret, found.trainings)


def plays(lead: float, seeds: Sequence[int], trials: int = TRIALS) -> list[Played]:
    """Play every curve of one weight on which the lead can be; where nothing can be gained, all of them."""
    able = [name for name in CURVES[1] if lead == 0 or _may_lead(name)]
    return [play(name, lead, 1000 * seed + place, trials) for seed in seeds for place, name in enumerate(able)]


def _may_lead(name: str) -> bool:
    values = CURVES[1][name](np.linspace(0, 1, STEPS)[:, None])
    return float(values.max()) - max(float(CURVES[1][name](np.array([[at]]))[0]) for at in BASELINES.values()) > 0.02


def table(options: Options) -> Table:
    """Play studies in which nothing, 1, 2 and 4 s can be gained."""
    leads = LEADS[:1] if options.quick else LEADS
    seeds = options.search_seeds or range(options.runs_or(RUNS))
    found = {lead: plays(lead, seeds, 12 if options.quick else TRIALS) for lead in leads}
    caption = CAPTION.format(trials=TRIALS, baselines=len(BASELINES), curves=", ".join(CURVES[1]))
    ratios = [Ratio(f"better at {lead:g} s", _share(some, Judgement.BETTER), _text(lead, some)) for lead, some in found.items()]
    lines = tuple(_row(lead, some) for lead, some in found.items())
    return Table("Regret and calls of played studies", caption, HEADER, lines, tuple(ratios), record=_record_of(found))


def _record_of(found: dict[float, list[Played]]) -> list[dict[str, Any]]:
    return [asdict(each) for some in found.values() for each in some]


def _share(found: Sequence[Played], call: Judgement) -> float:
    return fmean(each.call is call for each in found)


def _text(lead: float, found: Sequence[Played]) -> str:
    return f"{lead:g} s to be gained: called better in {_share(found, Judgement.BETTER):.1%} of {len(found)} studies"


def _row(lead: float, found: Sequence[Played]) -> tuple[str, ...]:
    calls = [Judgement.BETTER, Judgement.AS_GOOD, Judgement.WORSE, Judgement.NOT_ENOUGH]
    regret, used = fmean(each.regret for each in found), fmean(each.trainings for each in found)
    return (f"{lead:g} s", str(len(found)), *(f"{_share(found, call):.3f}" for call in calls), f"{regret:.2f}", f"{used:.1f}")


def _definition(seed: int, trials: int) -> StudyDefinition:
    worth: dict[str, Any] = {"name": "worth", "metric": "lift", "direction": "maximize"}
    loss = {"name": "error", "loss": "mse"}
    weight = {"low": 10**-1.5, "high": 10**1.5, "current": 2.0}
    return StudyDefinition.model_validate(
        {
            "workload": {"name": "played"},
            "tasks": [
                {"name": "task", "losses": [loss], "metrics": [worth]},
                {"name": "other", "losses": [{**loss, "weight": weight}]},
            ],
            "objective": {"metrics": [{"metric": METRIC, "direction": "maximize"}], "aggregate": "mean"},
            "search": {"seed": seed, "trials": trials, "baselines": ["equal", "inverse_initial_loss"]},
        }
    )


def _record(number: int, planned: PlannedTrial, value: float) -> TrialRecord:
    fields: dict[str, Any] = dict.fromkeys(TrialRecord.__dataclass_fields__)
    given = {name: getattr(planned, name) for name in ("role", "rule", "origin", "confirms", "seed", "parameters", "weights")}
    state = {
        "state": TrialState.COMPLETE,
        "feasible": True,
        "violations": {},
        "values": {METRIC: value},
        "value": value,
        "by_seed": {},
    }
    places = {"number": number, "id": number + 1, "sequence": number + 1, "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
    record = TrialRecord(**{**fields, **given, **state, **places, "sampler_state": planned.sampler_state, "planned_beside": ()})
    return replace(record, planned_after=0)
