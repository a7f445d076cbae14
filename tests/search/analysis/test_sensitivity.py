"""What matters in a study, as JSON has it, by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from search.analysis.sensitivity import importance_document, no_noise, noise_document, rules, winner_of
from storage.records import Role
from tests.search.definitions import define, log_range, study
from tests.search.histories import trial

ONE = define(study(log_range()))
TWO = define(study(log_range(), log_range()))


def test_the_best_search_trial_is_feasible_and_the_first_of_equals() -> None:
    searched = [
        trial(0, value=0.5),
        trial(1, value=0.9, feasible=False),
        trial(2, value=0.5),
        trial(3, value=float("inf")),
        trial(4, value=0.9, role=Role.BASELINE),
    ]
    found = winner_of(searched)
    assert found is not None
    assert found.number == 0
    assert winner_of(searched[1:2]) is None


def analysed(shares: Mapping[str, Mapping[str, float]], untold: Mapping[str, str]) -> Mapping[str, object]:
    return {"trials": 20, "shares": shares, "untold": untold}


def test_importances_are_reported_by_parameter() -> None:
    shares = {"objective": {"t0.error": 0.75, "t1.error": 0.25}, "t0.mse": {"t0.error": 1.0, "t1.error": 0.0}}
    found = importance_document(TWO, analysed(shares, {"t1.mse": "why"}))
    assert found["importance"]["t1.error"] == {"objective": 0.25, "metrics": {"t0.mse": 0.0, "t1.mse": None}}
    assert (found["untold"], found["trials"]) == ({"t1.mse": "why"}, 20)


def test_a_front_has_importances_for_its_metrics_alone() -> None:
    front = TWO.model_copy(update={"objective": TWO.objective.model_copy(update={"aggregate": "pareto"})})
    found = importance_document(front, analysed({"t0.mse": {"t0.error": 1.0, "t1.error": 0.0}}, {}))
    assert found["importance"]["t0.error"]["objective"] is None
    assert found["untold"] == {"objective": "the objective is a front: it has no value"}


def test_noise_is_reported_or_why_not() -> None:
    assert noise_document(0.5, "4 settings on fresh seeds", 1.0)["least"] == 0.5
    unknown = no_noise("no seeds")
    assert (unknown["std"], unknown["why"]) == (None, "no seeds")


@pytest.mark.parametrize(("definition", "word"), [(ONE, "with one parameter"), (TWO, "with several parameters")])
def test_the_rules_are_part_of_the_answer(definition: object, word: str) -> None:
    found: Sequence[str] = rules(definition)  # type: ignore[arg-type]
    assert [rule.partition(":")[0] for rule in found[:4]] == ["importance", "model", "as good", "range"]
    assert found[4].startswith(word)
