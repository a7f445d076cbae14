"""What the engine trains under fixed weights is what is known in closed form, and so is what a search over it finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from search.definition.schema import StudyDefinition
from search.objective.fronts import pareto_front
from search.training.engine.engine import CohortEngine
from search.training.interface import Setting
from search.workloads.quadratics import QuadraticsOptions, losses_at, optimum
from storage.records import Measured, PlannedTrial, Role
from tests.search.known_answers import A, B, on_the_front, quadratics
from tests.search.played import played
from tests.search.training.scenes import Recorder, built_in, engine_of

UNLIKE = {"curvature_a": [0.5, 4.0], "curvature_b": [3.0, 0.7], "centre_a": [-1.0, 2.0], "centre_b": [0.5, -3.0]}
BOWLS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "unlike bowls": UNLIKE,
    "one coordinate": {"curvature_a": [2.0], "curvature_b": [1.0], "centre_a": [-1.0], "centre_b": [2.0]},
}
WEIGHTS = ((1.0, 1.0), (1.0, 0.0), (0.02, 1.0), (1.0, 3.7), (0.5, 0.05))
COHORT = 8


def _engine(definition: StudyDefinition, size: int) -> CohortEngine:
    return engine_of(definition, built_in("quadratics", **definition.workload.options), "vectorized", size)


def _trained(engine: CohortEngine, definition: StudyDefinition, cohort: Sequence[Setting]) -> list[dict[str, float]]:
    """Return what each setting measures on validation after its last epoch."""
    recorder = Recorder()
    engine.train(cohort, definition.training, recorder)
    return [recorder.values(setting.number, definition.training.epochs) for setting in cohort]


@pytest.mark.parametrize(
    "bowls", [BOWLS["unlike bowls"], pytest.param(BOWLS["as it comes"], marks=pytest.mark.soak), BOWLS["one coordinate"]]
)
def test_fixed_weights_reach_the_known_losses(bowls: dict[str, Any]) -> None:
    """With a step of 0.1 no curvature is too great (at most 11.6), and the least (0.4) leaves 0.96^400 of the way."""
    definition, options = quadratics(bowls, steps=400, learning_rate=0.1), QuadraticsOptions.model_validate(bowls)
    cohort = [Setting(i, i, {A: a, B: b}) for i, (a, b) in enumerate(WEIGHTS)]
    for setting, measured in zip(cohort, _trained(_engine(definition, len(cohort)), definition, cohort), strict=True):
        expected = losses_at(options, optimum(options, *setting.weights.values()))
        assert (measured[A], measured[B]) == pytest.approx(expected, abs=1e-3)


def test_tpe_finds_the_best_ratio_of_trained_trials_and_all_of_them_lie_on_the_front() -> None:
    """With a step of 0.005 no curvature is too great (at most 301), and the least (0.53) leaves 0.9974^3000 of the way."""
    objective = {"aggregate": "mean", "metrics": [{"metric": A}, {"metric": B, "utility": 7.3}]}
    fields = {"trials": 30, "confirmation": None, "baselines": []}
    definition = quadratics(UNLIKE, objective=objective, steps=3000, learning_rate=0.005, **fields)
    engine = _engine(definition, COHORT)

    def measure(cohort: Sequence[PlannedTrial]) -> list[Measured]:
        settings = [Setting(i, trial.seed, trial.weights) for i, trial in enumerate(cohort)]
        return [Measured(validation=each) for each in _trained(engine, definition, settings)]

    study = played(definition, measure, COHORT)
    assert study.best.weights[B] == pytest.approx(7.3, rel=0.1)
    measured = {trial.number: study.measured[trial.number].validation for trial in study.of(Role.SEARCH)}
    front = pareto_front(definition.objective, measured)
    assert len(front.trials) == 30
    for values in front.trials.values():
        assert on_the_front(QuadraticsOptions.model_validate(UNLIKE), values[A]) == pytest.approx(values[B], abs=1e-3)
