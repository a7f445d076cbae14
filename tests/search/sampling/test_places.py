"""Settings as places, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search.catalog.plugins import KINDS, traits_of
from search.sampling.places import Places, coordinate, value_on
from storage.records import Role
from tests.search.definitions import define, log_range, study
from tests.search.histories import trial

LOG = {"low": 0.01, "high": 100.0}


def test_a_coordinate_is_even_on_the_parameters_scale() -> None:
    places = Places(
        define(study({"low": 0.01, "high": 100.0}, {"low": 1.0, "high": 5.0, "scale": "linear"}, {"values": [8.0, 2.0, 4.0]}))
    )
    (row,) = places.at([{"t0.error": 1.0, "t1.error": 2.0, "t2.error": 4.0}])
    assert list(row) == pytest.approx([0.5, 0.25, 0.5])


@pytest.mark.parametrize("span", [LOG, {"low": 0.0, "high": 3.0}, {"values": [1.0, 2.0, 5.0]}])
@pytest.mark.parametrize("space", ["box", "simplex"])
def test_a_value_is_where_its_coordinate_is(span: dict[str, object], space: str) -> None:
    axis = Places(define({**study(span, LOG), "search": {"space": space}})).axes["t0.error"]
    for at in (0.0, 0.5, 1.0):
        assert coordinate(axis, value_on(axis, at)) == pytest.approx(at, abs=1e-9)


def test_on_a_simplex_the_other_members_share_out_what_is_left() -> None:
    places = Places(define({**study(log_range(), log_range(), log_range()), "search": {"space": "simplex"}}))
    moved = places.moved({"t0.error": 0.2, "t1.error": 0.6, "t2.error": 0.2}, "t0.error", 0.5)
    assert moved == pytest.approx({"t0.error": 0.5, "t1.error": 0.375, "t2.error": 0.125})


def test_parameters_near_others_stay_within_their_ranges_and_lists() -> None:
    places = Places(define(study(LOG, {"values": [1.0, 2.0, 4.0]})))
    near = places.near({"t0.error": 0.01, "t1.error": 2.0}, 20)
    assert all(0.01 <= each["t0.error"] <= 0.0252 for each in near)
    assert {each["t1.error"] for each in near} == {2.0}


def baseline(**weights: float) -> object:
    drawn = {path.replace("_", "."): weight for path, weight in weights.items()}
    return replace(trial(0, drawn, role=Role.BASELINE), rule="equal", weights=drawn)


def test_a_baseline_lies_where_its_weights_do_even_outside() -> None:
    places = Places(define(study({"low": 0.01, "high": 0.1}, 1.0)))
    assert places.baseline(baseline(t0_error=1.0, t1_error=1.0), {}) == [pytest.approx(2.0)]  # type: ignore[arg-type]
    assert places.baseline(baseline(t0_error=10.0, t1_error=1.0), {}) is None  # type: ignore[arg-type]


def test_a_baseline_of_other_fixed_weights_has_no_place() -> None:
    places = Places(define(study(LOG, 1.0)))
    assert places.baseline(baseline(t0_error=1.0, t1_error=2.0), {}) is None  # type: ignore[arg-type]


def test_weights_that_a_rule_from_outside_moves_have_no_place() -> None:
    definition = define(study(LOG, 1.0))
    traits = {**traits_of(KINDS["weighting_rules"].built_in["dwa"]), "name": "outside"}
    outside = definition.model_copy(update={"search": definition.search.model_copy(update={"plugins": {"outside": traits}})})
    moved = replace(baseline(t0_error=1.0, t1_error=1.0), rule="outside")  # type: ignore[type-var]
    assert Places(outside).baseline(moved, {}) is None


def test_a_normalised_baseline_lies_where_drawn_weights_would_give_its_own() -> None:
    places = Places(define(study(LOG, 1.0)))
    found = places.baseline(baseline(t0_error=1.0, t1_error=0.1), {"t0.error": 10.0, "t1.error": 10.0})  # type: ignore[arg-type]
    assert found == [pytest.approx(0.75)]
