"""Measured numbers that trials are held against: which are needed, what they come to, and how an objective is resolved."""

from __future__ import annotations

import math

import pytest

from search.definition.schema import Objective, RelativeBound
from search.objective.anchors import Measurement, anchors, is_resolved, required_anchors, resolve_anchors, settled
from search.objective.scoring import evaluate
from storage.records import AnchorRecord, Role, TrialState
from tests.search.definitions import changed, define, study
from tests.search.histories import trial

DELTA = Objective.model_validate(
    {
        "aggregate": "delta_m",
        "metrics": [{"metric": "a.accuracy", "direction": "maximize"}, {"metric": "b.mse", "direction": "minimize"}],
    }
)
REFERENCES = (AnchorRecord("reference", "a.accuracy", 0.8, 0.01, (0, 1)), AnchorRecord("reference", "b.mse", 0.5, None, (0,)))


def bounded(**bound: object) -> Objective:
    """Return an objective that is to maximise one metric under a relative bound on another."""
    metrics = [
        {"metric": "a.accuracy", "direction": "maximize"},
        {"metric": "b.accuracy", "direction": "maximize", "strategy": "constraint", "at_least": bound},
    ]
    return Objective.model_validate({"metrics": metrics})


def measured(role: Role, rule: str, seed: int, **values: float) -> Measurement:
    return Measurement(role, rule, seed, {path.replace("_", "."): value for path, value in values.items()})


def test_delta_m_needs_the_reference_of_every_optimised_metric() -> None:
    assert required_anchors(DELTA) == [("reference", "a.accuracy"), ("reference", "b.mse")]


def test_references_that_the_definition_gives_are_not_measured() -> None:
    given = DELTA.model_copy(update={"config": {"references": {"a.accuracy": 0.9}}})
    assert required_anchors(given) == [("reference", "b.mse")]


def test_a_relative_bound_needs_its_own_anchor_alone() -> None:
    assert required_anchors(bounded(of="equal")) == [("equal", "b.accuracy")]


def test_delta_m_is_the_mean_relative_change_in_percent_with_each_metrics_direction() -> None:
    score = evaluate(resolve_anchors(DELTA, REFERENCES), {"a.accuracy": 0.84, "b.mse": 0.6})
    # accuracy: (.84 - .8) / .8 = +5 %; error: (.6 - .5) / .5 = 20 % worse; the mean is -7.5 %
    assert score.value == pytest.approx(-7.5)


def test_delta_m_counts_utilities() -> None:
    heavy = DELTA.model_copy(update={"metrics": (DELTA.metrics[0].model_copy(update={"utility": 3.0}), DELTA.metrics[1])})
    score = evaluate(resolve_anchors(heavy, REFERENCES), {"a.accuracy": 0.84, "b.mse": 0.6})
    assert score.value == pytest.approx((3 * 5 - 20) / 4)


def test_a_reference_of_zero_has_no_relative_change() -> None:
    nothing = AnchorRecord("reference", "b.mse", 0.0, None, (0,))
    assert math.isnan(evaluate(resolve_anchors(DELTA, [REFERENCES[0], nothing]), {"a.accuracy": 0.8, "b.mse": 0.1}).value)


def test_a_relative_bound_becomes_its_number() -> None:
    found = resolve_anchors(
        bounded(of="reference", times=0.5, plus=0.1), [AnchorRecord("reference", "b.accuracy", 0.8, None, (0,))]
    )
    assert found.metrics[1].at_least == pytest.approx(0.5)
    assert is_resolved(found)


def test_an_unresolved_bound_is_kept_by_nobody() -> None:
    open_ = resolve_anchors(bounded(of="reference"), [])
    assert isinstance(open_.metrics[1].at_least, RelativeBound)
    assert not evaluate(open_, {"a.accuracy": 1.0, "b.accuracy": 1.0}).feasible


def test_an_anchor_is_the_mean_over_the_seeds_that_have_a_finite_number() -> None:
    measurements = [
        measured(Role.REFERENCE, "alone:a", 0, a_accuracy=0.8),
        measured(Role.REFERENCE, "alone:a", 7, a_accuracy=0.9),
        measured(Role.REFERENCE, "alone:a", 9, a_accuracy=math.nan),
        measured(Role.REFERENCE, "alone:b", 0, a_accuracy=0.1, b_mse=0.5),
    ]
    of_a, of_b = anchors(DELTA, measurements)
    assert (of_a.path, of_a.seeds) == ("a.accuracy", (0, 7))
    assert (of_a.value, of_a.std) == (pytest.approx(0.85), pytest.approx(math.sqrt(0.005)))
    assert (of_b.value, of_b.std) == (0.5, None)


def test_what_nothing_measured_has_no_anchor() -> None:
    assert anchors(bounded(of="current"), [measured(Role.BASELINE, "equal", 0, b_accuracy=0.5)]) == []


@pytest.mark.parametrize(
    ("state", "is_settled"), [(TrialState.COMPLETE, True), (TrialState.FAILED, True), (TrialState.RUNNING, False)]
)
def test_anchors_are_settled_once_what_measures_them_has_ended(state: TrialState, is_settled: bool) -> None:
    definition = define(changed(study({"low": 0.1, "high": 1}, 1.0), {"objective.aggregate": "delta_m"}))
    references = [
        trial(0, role=Role.REFERENCE, rule="alone:t0"),
        trial(1, role=Role.REFERENCE, rule="alone:t1", state=state),
    ]
    assert settled(definition, references) is is_settled
