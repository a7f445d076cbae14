"""Simplex: drawn and used weights, the lattice of a grid, and what is refused, warned of, hashed and stored."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.definition.lattice import lattice_point, lattice_size, onto_simplex
from search.definition.space import SearchSpace
from search.definition.weights import Simplex
from search.planning.baselines import baselines
from search.planning.plan import Run, plan
from search.validation.normalize import definition_sha256, from_storage, normalise, problem_sha256, to_storage
from tests.search.definitions import UNPUBLISHED, Document, changed, define, faults_of, log_range, only, study
from tests.search.histories import history

GRID, RANDOM = {"name": "grid"}, {"name": "random"}
PATHS = ("t0.error", "t1.error", "t2.error")


def on(*members: str, total: float = 1.0) -> Document:
    return {"simplex": list(members), "total": total}


def even(points: int = 5, low: float = 0.0) -> Document:
    return {"low": low, "high": 1.0, "points": points}


# From drawn to used


def test_drawn_values_are_divided_by_their_sum_times_the_total() -> None:
    used = onto_simplex({"a": 1.0, "b": 3.0, "c": 4.0}, 2.0)
    assert used == pytest.approx({"a": 0.25, "b": 0.75, "c": 1.0})


def test_where_nothing_was_drawn_every_member_gets_an_equal_share() -> None:
    assert onto_simplex({"a": 0.0, "b": 0.0}, 3.0) == {"a": 1.5, "b": 1.5}


@given(
    st.lists(st.floats(0, 1e12), min_size=2, max_size=20),
    st.floats(1e-12, 1e12),
)
@settings(deadline=None, derandomize=True)
def test_used_values_sum_to_the_total_and_keep_their_ratios(drawn: list[float], total: float) -> None:
    values = {str(i): value for i, value in enumerate(drawn)}
    used = onto_simplex(values, total)
    assert math.fsum(used.values()) == pytest.approx(total, rel=1e-12)
    assert all(0 <= value <= total * (1 + 1e-12) for value in used.values())
    if max(drawn) > 0:
        assert all(used[path] == pytest.approx(total * value / math.fsum(drawn)) for path, value in values.items())


@given(st.integers(0, 2**31 - 1), st.sampled_from(["tpe", "random", "qmc", "cmaes"]), st.floats(1e-6, 1e6))
@settings(deadline=None, derandomize=True, max_examples=25)
def test_every_planned_setting_lies_on_the_simplex_and_keeps_what_was_drawn(seed: int, name: str, total: float) -> None:
    weights = (log_range(), log_range(low=1e-3, high=1.0), {"values": [0, 1, 2]}, log_range())
    definition = define(study(*weights, 7.0, seed=seed, sampler={"name": name}, space=on(*PATHS, total=total)))
    step = plan(definition, history(definition), 8)
    assert isinstance(step, Run)
    for planned in step.trials:
        assert math.fsum(planned.weights[path] for path in PATHS) == pytest.approx(total, rel=1e-9)
        assert (planned.weights["t3.error"], planned.weights["t4.error"]) == (planned.parameters["t3.error"], 7.0)
        drawn = [planned.parameters[path] for path in PATHS]
        assert 0.01 <= drawn[0] <= 100
        assert drawn[2] in (0, 1, 2)


def test_a_shared_member_is_scaled_and_then_reaches_its_terms_by_their_factors() -> None:
    document = study("w", {"of": "w", "times": 10}, log_range(), shared={"w": log_range()}, space="simplex")
    used = SearchSpace(define(document)).used_weights({"w": 1.0, "t2.error": 3.0})
    assert used == pytest.approx({"t0.error": 0.25, "t1.error": 2.5, "t2.error": 0.75})


def test_the_weights_of_today_are_used_as_they_are() -> None:
    definition = define(study(log_range(current=5), log_range(), space="simplex"))
    assert baselines(definition)["current"].weights == {"t0.error": 5.0, "t1.error": 1.0}


# The lattice


def by_trying(steps: int, least: list[int]) -> list[tuple[int, ...]]:
    """List the lattice's points by trying all combinations."""
    every = itertools.product(range(steps + 1), repeat=len(least))
    return [point for point in every if sum(point) == steps and all(k >= m for k, m in zip(point, least, strict=True))]


@given(st.integers(1, 8), st.lists(st.integers(0, 1), min_size=2, max_size=4))
@settings(deadline=None, derandomize=True)
def test_every_point_of_a_lattice_comes_exactly_once(steps: int, least: list[int]) -> None:
    points = [tuple(lattice_point(steps, least, i)) for i in range(lattice_size(steps, least))]
    assert points == by_trying(steps, least)


@pytest.mark.parametrize("index", [-1, 15])
def test_a_point_beyond_a_lattice_is_an_error(index: int) -> None:
    with pytest.raises(IndexError, match="15 points"):
        lattice_point(4, [0, 0, 0], index)


def test_a_great_lattice_has_its_last_point_at_once() -> None:
    size = lattice_size(999, [0] * 64)
    assert lattice_point(999, [0] * 64, size - 1) == [999, *[0] * 63]


def test_a_grid_on_a_simplex_is_its_lattice() -> None:
    definition = define(study(even(), even(), even(), sampler=GRID, space={"simplex": list(PATHS), "total": 2.0}))
    assert SearchSpace(definition).grid_size() == definition.search.trials == 15  # C(4 + 2, 2)
    points = [tuple(SearchSpace(definition).grid_point(i).values()) for i in range(15)]
    assert len(set(points)) == 15
    assert set(points) == {tuple(2.0 * k / 4 for k in point) for point in by_trying(4, [0, 0, 0])}


def test_a_member_whose_low_is_above_zero_is_never_zero_on_the_lattice() -> None:
    definition = define(study(even(), even(low=0.1), sampler=GRID, space="simplex"))
    points = [tuple(SearchSpace(definition).grid_point(i).values()) for i in range(SearchSpace(definition).grid_size())]
    assert points == [(0.0, 1.0), (0.25, 0.75), (0.5, 0.5), (0.75, 0.25)]


@given(st.integers(2, 6), st.lists(st.booleans(), min_size=2, max_size=4), st.floats(1e-6, 1e6), st.booleans())
@settings(deadline=None, derandomize=True, max_examples=60)
def test_a_lattice_beside_other_weights_is_complete_and_used_as_it_is(
    points: int, above: list[bool], total: float, beside: bool
) -> None:
    members = [even(points, 0.1 if positive else 0.0) for positive in above]
    paths = [f"t{i}.error" for i in range(len(members))]
    others = [{"values": [3, 5]}] if beside else []
    document = study(*members, *others, sampler=GRID, space=on(*paths, total=total))
    if points <= sum(above):
        assert set(faults_of(document)) == {"tasks.0.losses.0.weight.points"}
        return
    definition = define(document)
    found = [SearchSpace(definition).grid_point(i) for i in range(SearchSpace(definition).grid_size())]
    assert len({tuple(point.values()) for point in found}) == len(found)
    assert len(found) == len(by_trying(points - 1, [int(positive) for positive in above])) * (2 if beside else 1)
    for point in found:
        used = SearchSpace(definition).used_weights(point)
        assert {path: used[path] for path in paths} == pytest.approx({path: point[path] for path in paths})


# The definition


def refused(**changes: Any) -> Document:
    return changed(study(log_range(), log_range(), 1.0, "w", shared={"w": log_range()}), changes)


def test_a_whole_simplex_is_spelled_out() -> None:
    definition = define(study("w", log_range(), shared={"w": log_range()}, space="simplex"))
    assert definition.search.space == Simplex(simplex=("w", "t1.error"), total=1.0)


def test_one_simplex_has_one_hash_however_it_is_written() -> None:
    weights = (log_range(), log_range())
    spaces: list[Any] = ["simplex", on("t0.error", "t1.error"), on("t1.error", "t0.error"), {"simplex": ["t0.error", "t1.error"]}]
    assert len({definition_sha256(define(study(*weights, space=written))) for written in spaces}) == 1


def test_another_space_is_another_search_of_the_same_problem() -> None:
    weights = (log_range(), log_range(), log_range())
    spaces: list[Any] = ["box", "simplex", on("t0.error", "t1.error"), on(*PATHS, total=2.0)]
    definitions = [define(study(*weights, space=written)) for written in spaces]
    assert len({definition_sha256(definition) for definition in definitions}) == 4
    assert len({problem_sha256(definition) for definition in definitions}) == 1


@pytest.mark.parametrize("written", ["box", "simplex", on("t1.error", "t0.error", total=0.5)])
def test_a_stored_space_comes_back(written: Any) -> None:
    definition = define(study(log_range(), log_range(), space=written))
    assert from_storage(to_storage(definition), trials=32) == definition
    assert define(definition.model_dump(mode="json", by_alias=True)) == definition


@pytest.mark.parametrize(
    ("written", "path", "expected", "meant"),
    [
        ("simplx", "", "one of box, simplex", "simplex"),
        (3, "", 'box, simplex, or {"simplex": [...], "total"}', None),
        (None, "", 'box, simplex, or {"simplex": [...], "total"}', None),
        ({}, ".simplex", "a value (the field is required)", None),
        (on("t0.error"), ".simplex", "at least 2 items", None),
        (on("t0.error", "t0.error"), "", "members that differ", None),
        (on("t0.error", "t1.error", total=0), ".total", "more than 0", None),
        (on("t0.error", "t1.error", total=-1), ".total", "more than 0", None),
        (on("t0.error", "t1.error", total=math.inf), ".total", "a finite number", None),
        ({"simplex": ["t0.error", "t1.error"], "totl": 1}, ".totl", "one of the fields simplex, total", "total"),
        ({"simplex": ["t0.error", 3]}, ".simplex.1", "a string", None),
        ({"simplex": "t0.error"}, ".simplex", "a list", None),
        (on("t0.error", "t1.eror"), ".simplex.1", "a searched weight (t0.error, t1.error, w)", "t1.error"),
        (on("t0.error", "t2.error"), ".simplex.1", "a searched weight (t0.error, t1.error, w)", None),
        (on("t3.error", "t0.error"), ".simplex.0", "a searched weight (t0.error, t1.error, w)", "w"),
    ],
)
def test_a_faulty_space_is_one_fault_at_its_place(written: Any, path: str, expected: str, meant: str | None) -> None:
    fault = only(refused(**{"search.space": written}), f"search.space{path}")
    assert (fault.expected, fault.did_you_mean) == (expected, meant)


def test_a_simplex_of_all_weights_needs_two() -> None:
    fault = only(study(log_range(), 1.0, space="simplex"), "search.space")
    assert (fault.got, "at least 2" in fault.expected) == ("1", True)


def test_a_member_s_fault_says_why_it_is_not_searched() -> None:
    assert only(refused(**{"search.space": on("t0.error", "t2.error")}), "search.space.simplex.1").got.endswith("is fixed")
    shared = only(refused(**{"search.space": on("t0.error", "t3.error")}), "search.space.simplex.1")
    assert shared.got.endswith("is the shared 'w'")


@pytest.mark.parametrize(
    ("weights", "place", "expected"),
    [
        ([even(5), even(4)], "tasks.1.losses.0.weight.points", "5, as the simplex's other members have"),
        ([even(5), {"low": 0, "high": 1}], "tasks.1.losses.0.weight.points", "a number of points: the sampler is grid"),
        ([even(2, 0.1), even(2, 0.1)], "tasks.0.losses.0.weight.points", "at least 3 points"),
        ([even(5), {"values": [0, 1]}], "tasks.1.losses.0.weight.values", 'a range with "points"'),
        ([even(1000)] * 3, "search.sampler", "a grid of at most 100000 points"),
    ],
)
def test_a_grid_on_a_simplex_needs_one_number_of_points(weights: list[Any], place: str, expected: str) -> None:
    assert only(study(*weights, sampler=GRID, space="simplex"), place).expected.startswith(expected)


def test_another_number_of_trials_than_the_lattice_has_points_is_refused() -> None:
    fault = only(study(even(), even(), sampler=GRID, space="simplex", trials=25), "search.trials")
    assert fault.expected == "5 (all points of the grid), or nothing"


def test_a_faulty_space_is_told_beside_other_faults() -> None:
    document = refused(**{"search.space": on("t0.error", "t1.eror"), "search.sampler": {"name": "tep"}})
    assert set(faults_of(document)) == {"search.space.simplex.1", "search.sampler.name"}


# Warnings


def warnings_of(document: Document) -> list[str]:
    found = normalise(document, workloads=UNPUBLISHED).warnings
    return [text for text in found if "no worker has published" not in text and "searched weights for" not in text]


def test_weights_of_today_with_another_sum_are_warned_of() -> None:
    document = study(log_range(current=2), log_range(), space="simplex")
    assert warnings_of(document) == [
        "search.space: the current weights sum to 3, those that are searched to 1; "
        "yours are trained as they are, so the two differ in scale too"
    ]


@pytest.mark.parametrize(
    "document",
    [
        study(log_range(), log_range(), space="simplex"),
        study(log_range(current=0.3), log_range(current=0.7), space="simplex"),
        study(log_range(current=2), log_range(), space=on("t0.error", "t1.error", total=3.0)),
        study(log_range(current=1000), log_range(current=500), space=on("t0.error", "t1.error", total=1500.0)),
        study(log_range(current=2), log_range(), log_range(), space=on("t1.error", "t2.error")),
        study(log_range(current=2), log_range()),
    ],
)
def test_a_simplex_with_the_sum_of_today_is_not_warned_of(document: Document) -> None:
    assert warnings_of(document) == []


def test_constraints_are_said_to_be_unheard_by_cmaes() -> None:
    document = study(log_range(), log_range(), sampler={"name": "cmaes"})
    constraint = {"metric": "t1.mse", "strategy": "constraint", "at_most": 1.0}
    constrained = changed(document, {"objective": {"metrics": [{"metric": "t0.mse"}, constraint]}})
    assert warnings_of(document) == []
    assert [text.split(":")[0] for text in warnings_of(constrained)] == ["search.sampler"]
    assert warnings_of(changed(constrained, {"search.sampler": {"name": "tpe"}})) == []
