"""A winner at the edge of its range, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from search.analysis.edges import edge, end_of, everywhere
from search.definition.axes import Axis
from tests.search.definitions import Document, define, log_range, study

LOG = Axis("t0.error", 0.01, 100.0, log=True)


def suggested(weight: Any, end: Any, drawn: float, **search: Any) -> Any:
    found = edge(define(study(weight, log_range(), **search)), "t0.error", end, drawn, "the winner")
    return None if found is None else found.suggested


@pytest.mark.parametrize(("at", "end"), [(0.0, "low"), (0.1, "low"), (0.11, None), (0.5, None), (0.9, "high"), (1.0, "high")])
def test_the_outer_tenths_are_the_ends(at: float, end: str | None) -> None:
    assert end_of(LOG, at) == end


@pytest.mark.parametrize(("at", "end"), [(0.0, "low"), (0.05, None), (1.0, "high")])
def test_of_a_choice_the_first_and_the_last_are_the_ends(at: float, end: str | None) -> None:
    assert end_of(Axis("t0.error", 1.0, 9.0, choices=(1.0, 3.0, 9.0)), at) == end
    assert end_of(Axis("t0.error", 1.0, 3.0, choices=(1.0, 3.0)), at) is None
    assert end_of(Axis("shape", 0.0, 2.0, choices=(0.0, 1.0, 2.0), names=("a", "b", "c")), at) is None


@pytest.mark.parametrize(
    ("weight", "end", "drawn", "found"),
    [
        ({"low": 0.01, "high": 100.0}, "low", 0.012, {"low": 0.0001, "high": 1.0, "scale": "log"}),
        ({"low": 0.01, "high": 100.0}, "high", 90.0, {"low": 1.0, "high": 10000.0, "scale": "log"}),
        ({"low": 2.0, "high": 4.0, "scale": "linear"}, "high", 4.0, {"low": 3.0, "high": 5.0, "scale": "linear"}),
        ({"low": 2.0, "high": 4.0, "scale": "linear"}, "low", 2.1, {"low": 1.0, "high": 3.0, "scale": "linear"}),
        ({"low": 0.0, "high": 4.0}, "low", 0.1, {"low": 0.001, "high": 1.0, "scale": "log"}),
        ({"values": [1.0, 10.0, 100.0]}, "low", 1.0, {"values": [0.1, 1.0, 10.0, 100.0]}),
        ({"values": [0.0, 1.0, 3.0]}, "high", 3.0, {"values": [0.0, 1.0, 3.0, 5.0]}),
    ],
)
def test_what_to_search_next_has_the_old_end_inside(weight: Document, end: str, drawn: float, found: Document) -> None:
    assert suggested(weight, end, drawn) == found


@pytest.mark.parametrize(
    ("weight", "found"),
    [
        ({"low": 0.25, "high": 16.0}, {"low": 0.0312, "high": 128.0, "scale": "log"}),
        ({"low": 0.01, "high": 100.0}, {"low": 0.0001, "high": 10_000.0, "scale": "log"}),
        ({"low": 0.0, "high": 4.0}, {"low": 0.0, "high": 6.0, "scale": "linear"}),
        ({"values": [1.0, 10.0]}, {"values": [0.1, 1.0, 10.0, 100.0]}),
    ],
)
def test_where_every_value_is_as_good_a_range_twice_as_wide_is_next(weight: Document, found: Document) -> None:
    wider = everywhere(define(study(weight, 1.0)), "t0.error", "t0.error from here to there")
    assert wider is not None
    assert (wider.end, wider.suggested) == ("both", found)
    assert wider.sentence.startswith("every t0.error from here to there is as good as the winner's, so the range may be the limit")


def test_a_weight_that_is_as_good_over_six_decades_hardly_matters() -> None:
    wide = everywhere(define(study({"low": 0.001, "high": 1000.0}, 1.0)), "t0.error", "t0.error from here to there")
    assert wide is not None
    assert (wide.end, wide.suggested) == ("both", None)
    assert wide.sentence == (
        "every t0.error from here to there is as good as the winner's: this weight hardly matters in so wide a range"
    )


def test_nothing_lies_below_0() -> None:
    assert edge(define(study({"low": 0.0, "high": 4.0}, 1.0)), "t0.error", "low", 0.0, "the winner") is None


def test_the_sentence_names_the_range_to_try() -> None:
    found = edge(define(study(log_range(), 1.0)), "t0.error", "low", 0.012, "the winner's t0.error of 0.012")
    assert found is not None
    assert found.sentence == (
        "the winner's t0.error of 0.012 is at the low end of what was searched, so the range may be the limit: "
        "search from 0.0001 to 1 next"
    )


def test_where_drawn_and_used_weights_differ_the_range_is_that_of_the_definition() -> None:
    document = {**study(log_range(), 1.0), "search": {"normalize": "initial_loss"}}
    found = edge(define(document), "t0.error", "low", 0.012, "it")
    assert found is not None
    assert found.sentence.endswith("search from 0.0001 to 1 in the definition next")


def test_another_parameter_than_a_weight_is_only_said_to_be_at_its_end() -> None:
    document = study(log_range())
    document["training"] = {"optimizer": {"name": "adam", "config": {"learning_rate": {"low": 1e-4, "high": 1e-2}}}}
    found = edge(define(document), "optimizer.learning_rate", "high", 0.01, "the winner's optimizer.learning_rate of 0.01")
    assert found is not None
    assert (found.end, found.suggested) == ("high", None)


@pytest.mark.parametrize("sampler", ["tpe", "grid"])
def test_nothing_lies_beyond_all_of_a_simplex(sampler: str) -> None:
    span = {"low": 0.0, "high": 1.0, **({"points": 3} if sampler == "grid" else {})}
    definition = define({**study(span, span), "search": {"space": "simplex", "sampler": {"name": sampler}}})
    assert edge(definition, "t0.error", "high", 1.0, "the winner") is None
    assert everywhere(definition, "t0.error", "t0.error from 0 to 1") is None
