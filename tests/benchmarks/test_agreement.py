"""What an answer may not say beside another part of it, and how far a winner lies behind the best of a grid."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.agreement import WEIGHT, behind, contradictions


def answered(
    lead: tuple[float, float] = (5.0, 40.0),
    *,
    call: str = "better",
    pick: str = "objective",
    worse: tuple[float, float] = (0.3, 1.0),
    edge: str | None = None,
) -> dict[str, Any]:
    """Return a best-weights document: the winner at 0.01, as good from 0.005 to 0.05 within 8, equal weights at 1."""
    low, high = lead
    span = {"low": 0.005, "high": 0.05, "delta": 8.0, "worse": [worse], "edge": None if edge is None else {"sentence": edge}}
    return {
        "trial": 3,
        "weights": {WEIGHT: 0.01, "right.error": 1.0},
        "baselines": {"equal": {"weights": {WEIGHT: 1.0, "right.error": 1.0}}, "uncertainty": {"weights": {}}},
        "recommended": {"pick": pick},
        "sensitivity": {"trial": 3, "ranges": {WEIGHT: span}},
        "confirmation": {
            "call": call,
            "verdict": "better; the range may be the limit.",
            "against": {
                "equal": {"difference": (low + high) / 2, "low": low, "high": high, "call": call},
                "uncertainty": {"difference": 0.0, "low": -1.0, "high": 1.0, "call": "as_good"},
            },
        },
    }


def test_a_baseline_that_costs_more_than_the_noise_may_be_worse() -> None:
    assert contradictions(answered()) == []


def test_a_verdict_says_where_the_range_may_be_the_limit_in_a_sentence_of_its_own() -> None:
    document = answered(edge="the winner's 0.01 is at the low end")
    document["confirmation"]["verdict"] = "They are better. The winner's 0.01 is at the low end."
    assert contradictions(document) == []


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (answered((-3.0, 6.0), call="not_enough"), "the range has it as worse by more than 8"),
        (answered((-9.0, -1.0), call="worse", pick="baseline:equal"), "equal is recommended, and the range has its 1 as worse"),
        (answered(pick="baseline:uncertainty"), "the verdict is better, and uncertainty is recommended"),
        (answered(edge="0.01 is at the low end"), "the verdict does not say so"),
        ({**answered(), "trial": 4}, "the range is not around the winner's 0.01"),
    ],
)
def test_a_contradiction_is_named(document: dict[str, Any], said: str) -> None:
    assert any(said in each for each in contradictions(document))


def test_a_baseline_within_the_range_may_not_cost_more_than_the_range_says() -> None:
    document = answered((9.0, 20.0), worse=(0.0001, 0.001))
    document["baselines"]["equal"]["weights"] = {WEIGHT: 0.04, "right.error": 2.0}
    (found,) = contradictions(document)
    assert found.startswith("equal (0.02) costs 14.5")


def test_one_half_of_the_seeds_chooses_the_best_of_the_grid_and_the_other_measures_it() -> None:
    true = {0.1: [4.0, 1.0], 1.0: [2.0, 3.0], 10.0: [0.0, 0.0]}
    # the first seed chooses 0.1, which is worth 1 on the second; that one chooses 1, which is worth 2 on the first
    assert behind(true, 10.0) == pytest.approx(1.5)
