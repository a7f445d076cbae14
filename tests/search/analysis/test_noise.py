"""How far the objective lies from seed to seed, by what anchors measured: against numbers by hand."""

from __future__ import annotations

import pytest

from search.analysis.noise import propagated
from search.definition.schema import Objective
from storage.records import AnchorRecord

DELTA = Objective.model_validate(
    {
        "aggregate": "delta_m",
        "metrics": [{"metric": "a.accuracy", "direction": "maximize"}, {"metric": "b.mse", "direction": "minimize"}],
        "config": {"references": {"a.accuracy": 0.5, "b.mse": 2.0}},
    }
)
SPREADS = [
    AnchorRecord("reference", "a.accuracy", 0.5, 0.03, (1, 2, 3)),
    AnchorRecord("reference", "b.mse", 2.0, 0.16, (1, 2, 3)),
]


def test_the_metrics_spreads_at_the_references_add_up_to_the_objective_s() -> None:
    noise = propagated(DELTA, {"a.accuracy": 0.4, "b.mse": 3.0}, SPREADS)
    assert noise is not None
    # delta_m moves by 100 / 2 x .03 / .5 = 3 and by 100 / 2 x .16 / 2 = 4 percent: by 5 together.
    # Welch and Satterthwaite: 25^2 / (81 / 2 + 256 / 2)
    assert noise.std == pytest.approx(5.0)
    assert noise.freedom == pytest.approx(625 / 168.5)
    assert noise.of == "reference trainings"


def test_a_metric_without_a_spread_leaves_the_noise_unknown() -> None:
    assert propagated(DELTA, {"a.accuracy": 0.4, "b.mse": 3.0}, SPREADS[:1]) is None
    one_seed = AnchorRecord("reference", "b.mse", 2.0, None, (1,))
    assert propagated(DELTA, {"a.accuracy": 0.4, "b.mse": 3.0}, [SPREADS[0], one_seed]) is None
