"""Which search values are as good as the best, against numbers by hand and quantiles of R."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from search.analysis.noise import Noise, bar_of, confirmed_bar, pooled, propagated, searched_bar
from search.analysis.verdict import Candidate
from search.definition.schema import Objective
from storage.records import AnchorRecord, Measured, Role
from tests.search.histories import trial

OBJECTIVE = Objective.model_validate({"metrics": [{"metric": "a.accuracy", "direction": "maximize"}]})
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


def candidate(number: int, validation: Sequence[float], rule: str | None = None) -> Candidate:
    own = trial(number, role=Role.BASELINE if rule else Role.SEARCH, rule=rule, value=0.9)
    return Candidate(own, {seed: Measured(validation={"a.accuracy": each}) for seed, each in enumerate(validation)})


def test_a_confirmed_winner_is_worth_its_mean_less_a_prediction_interval() -> None:
    bar = confirmed_bar("trial 7", 0.9, [0.7, 0.8, 0.75, 0.75])
    assert bar is not None
    # mean .75, standard deviation .0408248; t(3) at .95 is 2.353363 (R: qt(.95, 3)); sqrt(1 + 1/4) is 1.118034
    assert bar.best == pytest.approx(0.75)
    assert bar.margin == pytest.approx(2.353363 * 0.0408248 * 1.118034, rel=1e-5)
    assert bar.least == pytest.approx(0.75 - bar.margin)
    assert (bar.noise.freedom, bar.noise.of, bar.confirmed) == (3, "trial 7 on 4 fresh seeds", True)


def test_a_winner_that_did_worse_in_the_search_counts_by_that() -> None:
    bar = confirmed_bar("trial 7", 0.6, [0.7, 0.8])
    assert bar is not None
    assert bar.best == 0.6


@pytest.mark.parametrize("confirmed", [[], [0.5], [0.5, math.nan]])
def test_one_fresh_seed_tells_nothing_of_noise(confirmed: list[float]) -> None:
    assert confirmed_bar("trial 7", 0.6, confirmed) is None


def test_an_unconfirmed_winner_may_be_the_luckiest_of_all_its_rivals() -> None:
    bar = searched_bar(10.0, 10, Noise(2.0, 8, "equal weights"))
    # t(8) at 1 - .05 / 10 is 3.355387 (R: qt(.995, 8))
    assert bar.margin == pytest.approx(3.355387 * 2 * math.sqrt(2), rel=1e-6)
    assert (bar.best, bar.confirmed) == (10.0, False)


def test_baselines_noise_is_pooled_by_degrees_of_freedom() -> None:
    noise = pooled({"equal weights": [1.0, 2.0, 3.0], "yours": [0.0, 4.0], "random weighting": [5.0]})
    assert noise is not None
    # variances 1 and 8 with 2 and 1 degrees of freedom: (2 + 8) / 3
    assert (noise.std, noise.freedom) == (pytest.approx(math.sqrt(10 / 3)), 3)
    assert noise.of == "equal weights and yours on fresh seeds"
    assert pooled({"yours": [1.0]}) is None


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


def test_the_winner_s_own_seeds_go_before_the_baselines() -> None:
    winner = candidate(7, [0.7, 0.8])
    found = bar_of(OBJECTIVE, winner.trial, [candidate(0, [0.1, 0.9], rule="equal"), winner], (), 5)
    assert found is not None
    assert found.noise.of == "trial 7 on 2 fresh seeds"


def test_a_winner_that_was_not_confirmed_goes_by_the_baselines() -> None:
    found = bar_of(OBJECTIVE, trial(7, value=0.9), [candidate(0, [0.4, 0.6], rule="equal")], (), 5)
    assert found is not None
    assert (found.confirmed, found.noise.std) == (False, pytest.approx(math.sqrt(0.02)))


def test_without_seeds_there_is_no_bar() -> None:
    assert bar_of(OBJECTIVE, trial(7, values={"a.accuracy": 0.9}, value=0.9), [], (), 5) is None
