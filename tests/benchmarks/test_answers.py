"""What the benchmarks of whole studies ask for, and what they read off an answer."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import delta_m, problems
from benchmarks.answers import EQUAL, Answer, difference_text
from benchmarks.careful_script import delta_m as of_script
from benchmarks.no_gain import Judged
from benchmarks.options import Options
from search.definition.space import SearchSpace
from search.objective.scoring import evaluate
from search.planning import phases
from search.validation import normalize

OVERLAY = problems.balanced_overlay()
UNPUBLISHED = {OVERLAY.workload: None}


def _answer(verdict: str, call: str = "better") -> Answer:
    spread = {"mean": -20.0, "std": 2.0, "n": 8}
    candidate = {"value": spread, "metrics": {"left.accuracy": spread}}
    best: dict[str, Any] = {
        "trial": 3,
        "confirmation": {
            "verdict": verdict,
            "call": call,
            "candidates": {"trial 3": candidate, EQUAL: {**candidate, "value": {**spread, "mean": -50.0}}, "alone:left": candidate},
            "against": {EQUAL: {"difference": 30.0, "low": 12.0, "high": 48.0}},
        },
    }
    trials: list[dict[str, Any]] = [
        {"number": 1, "role": "baseline", "rule": EQUAL, "weights": {"left.term": 1.0}},
        {"number": 3, "role": "search", "rule": None, "weights": {"left.term": 0.1}},
        {"number": 4, "role": "confirmation", "rule": EQUAL, "weights": {"left.term": 1.0}},
    ]
    return Answer(best, tuple(trials), 1.0)


def test_a_study_has_fewer_trainings_than_a_script_that_confirms_everything_on_every_seed() -> None:
    definition = normalize.normalise(delta_m.definition(OVERLAY, Options(), 0, baselines=[EQUAL]), workloads=UNPUBLISHED).definition

    assert delta_m.trainings(OVERLAY, 40, references=3, confirmations=8) == 95
    # 2 tasks x 3 seeds, equal, 40 to search; 3 finalists x 2, 2 references x 4, the winner and equal x 8
    assert phases.trainings(definition) == 47 + 6 + 8 + 16


def test_the_grid_confirms_all_of_its_points() -> None:
    definition = normalize.normalise(delta_m.on_a_grid(OVERLAY, Options(), 0, 15), workloads=UNPUBLISHED).definition

    assert SearchSpace(definition).trial_budget() == 15
    assert definition.search.confirmation is not None
    assert definition.search.confirmation.top == 15


def test_the_script_and_the_service_mean_the_same_delta_m() -> None:
    document = delta_m.definition(OVERLAY, Options(), 0, baselines=[EQUAL])
    objective = normalize.normalise(document, workloads=UNPUBLISHED).definition.objective
    paths = [f"{task.name}.{task.metric}" for task in OVERLAY.tasks]
    found, alone = (0.9, 0.3), (0.8, 0.2)
    known = objective.model_copy(update={"config": {"references": dict(zip(paths, alone, strict=True))}})
    logs, references = (dict(zip((task.logged for task in OVERLAY.tasks), values, strict=True)) for values in (found, alone))

    assert of_script(OVERLAY, logs, references) == pytest.approx(-18.75)  # (12.5 - 50) / 2
    assert evaluate(known, dict(zip(paths, found, strict=True))).value == pytest.approx(-18.75)


def test_an_answer_has_its_winner_its_baselines_and_their_difference() -> None:
    answer = _answer("trial 3 is better than the best baseline, equal weights")

    assert (answer.winner.mean, answer.winner.weights) == (-20.0, {"left.term": 0.1})
    assert [(each.name, each.mean, each.weights) for each in answer.baselines()] == [(EQUAL, -50.0, {"left.term": 1.0})]
    assert difference_text(answer.against(EQUAL)) == "+30.0 (+12.0 to +48.0)"


@pytest.mark.parametrize(("call", "as_it_is"), [("as_good", True), ("not_enough", True), ("worse", True), ("better", False)])
def test_where_nothing_can_be_gained_every_verdict_but_better_is_right(call: str, as_it_is: bool) -> None:
    assert Judged("twins", 0, _answer("...", call)).as_it_is is as_it_is
