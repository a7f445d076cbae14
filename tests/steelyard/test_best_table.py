"""The answer as it is drawn: equal, yours and tuned side by side, and what it says in words."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from steelyard.cli.best_table import AnswerTable, conclusion

CONFIRMATION: dict[str, Any] = {
    "verdict": "trial 18 is better than the best baseline, equal weights (...).",
    "split": "test",
    "seeds": [1, 2, 3],
    "optimism": 0.02,
    "candidates": {
        "trial 18": {"value": {"mean": 0.9, "std": 0.01, "n": 3}, "metrics": {"a.accuracy": {"mean": 0.95, "std": 0.02, "n": 3}}},
        "equal": {"value": {"mean": 0.8, "std": 0.01, "n": 3}, "metrics": {"a.accuracy": {"mean": 0.85, "std": 0.02, "n": 3}}},
    },
    "level": 0.95,
    "chosen_on": [8, 9],
    "against": {"equal": {"difference": 0.1, "low": 0.05, "high": 0.15, "call": "better"}},
}


def best(**changes: Any) -> dict[str, Any]:
    """Return what the drawing reads of a best-weights document."""

    def baseline(trial: int) -> dict[str, Any]:
        return {"trial": trial, "weights": {"a.loss": 1.0}, "objective": {"value": 0.7, "values": {"a.accuracy": 0.75}}}

    metric = {"name": "accuracy", "direction": "maximize"}
    document = {
        "trial": 18,
        "seeds": [0],
        "final": True,
        "weights": {"a.loss": 0.3},
        "shared": {},
        "schedules": {},
        "parameters": {"a.loss": 0.3, "optimizer.learning_rate": 0.01},
        "baselines": {"uncertainty": baseline(2), "current": baseline(0), "equal": baseline(1)},
        "objective": {"aggregate": "mean", "value": 0.92, "values": {"a.accuracy": 0.97}},
        "terms": {"tasks": [{"name": "a", "metrics": [metric]}], "penalties": []},
    }
    return {**document, **changes}


def drawn(document: dict[str, Any]) -> dict[str, list[str]]:
    """Return the table's cells by the first word or two of their row."""
    console = Console(width=200, record=True, quiet=False, file=None)
    with console.capture() as captured:
        console.print(AnswerTable(document))
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in captured.get().splitlines()]
    return {row[0]: row[1:] for row in rows if row}


def test_equal_and_yours_come_before_the_tuned_and_others_after() -> None:
    with (console := Console(width=200)).capture() as captured:
        console.print(AnswerTable(best()))
    assert captured.get().splitlines()[0].split() == ["equal", "yours", "tuned", "uncertainty"]


def test_a_confirmed_answer_has_means_leads_and_intervals() -> None:
    rows = drawn(best(confirmation=CONFIRMATION))
    assert rows["a accuracy ↑"] == ["0.850±0.020", "0.950±0.020"]
    assert rows["tuned leads by"] == ["+0.1"]
    assert rows["95 % interval"] == ["+0.05 to +0.15"]
    assert rows["it is"] == ["better"]
    shown = " ".join(line.strip() for line in lines(best(confirmation=CONFIRMATION), 80))
    assert "Mean and standard deviation over 3 fresh seeds, test split." in shown


def test_beside_constraints_a_lead_is_said_to_be_by_value() -> None:
    bound = {"metric": "b.accuracy", "at_least": 0.4, "at_most": None, "held": 0, "n": 3}
    rows = drawn(best(confirmation={**CONFIRMATION, "call": "worse", "constraints": [bound]}))
    assert rows["by value it is"] == ["better"]


def test_without_a_confirmation_the_numbers_are_of_one_seed() -> None:
    rows = drawn(best())
    assert rows["a accuracy ↑"] == ["0.75", "0.75", "0.97", "0.75"]
    assert "One seed, validation split." in rows


def test_a_rule_that_adapts_has_no_weights_to_show() -> None:
    assert drawn(best())["weight a"] == ["1", "1", "0.3", "moves"]


def test_what_was_searched_beside_weights_is_shown() -> None:
    assert drawn(best())["learning_rate"] == ["0.01"]


def test_the_conclusion_is_the_verdict_and_the_selection_bias() -> None:
    verdict, bias = conclusion(best(confirmation=CONFIRMATION))
    assert verdict == f"Verdict: {CONFIRMATION['verdict']}"
    assert bias == "Selection bias: the search scored it 0.02 higher than fresh seeds do."


def test_a_search_that_did_worse_than_it_is_worth_is_reported_too() -> None:
    assert "0.02 lower than" in conclusion(best(confirmation={**CONFIRMATION, "optimism": -0.02}))[1]


def test_a_baseline_that_is_recommended_is_named_with_the_command_that_picks_it() -> None:
    chosen = {"pick": "baseline:equal", "weights": {"a.loss": 1.0}, "sentence": "Use equal weights: as good as the tuned weights."}
    lines = conclusion(best(confirmation=CONFIRMATION, recommended=chosen, study={"name": "s"}))
    assert lines[-1] == "Use equal weights: as good as the tuned weights. To get them: steelyard best s --pick baseline:equal"
    tuned = {**chosen, "pick": "objective"}
    assert len(conclusion(best(confirmation=CONFIRMATION, recommended=tuned))) == 2


def test_a_baseline_that_was_not_met_says_which_seeds_it_was_trained_on() -> None:
    candidates = {**CONFIRMATION["candidates"], "uncertainty": CONFIRMATION["candidates"]["equal"]}
    shown = " ".join(line.strip() for line in lines(best(confirmation={**CONFIRMATION, "candidates": candidates}), 80))
    assert "Mean and standard deviation over 3 fresh seeds, test split (uncertainty: the 2 that chose)." in shown


def test_an_unconfirmed_best_is_not_called_better() -> None:
    (sentence,) = conclusion(best())
    assert sentence.startswith("Trial 18 has the best value on one seed; whether it is really better is not known")


def test_a_baseline_that_is_the_answer_is_named_and_has_one_column() -> None:
    kept = {"aggregate": "mean", "value": 0.7, "values": {"a.accuracy": 0.75}, "violations": {"a.mae": 0.0}}
    document = best(trial=0, weights={"a.loss": 1.0}, objective=kept)
    (sentence,) = conclusion(document)
    assert sentence == (
        "No search trial, but a baseline, yours (trial 0), has the best value on one seed of all that keep the constraints; "
        "whether it is really better is not known: nothing was confirmed on fresh seeds."
    )
    assert drawn(document)["trial"] == ["1", "0", "2"]
    assert "tuned" not in " ".join(lines(document, 80))


def test_a_baseline_that_another_stood_for_on_fresh_seeds_is_not_shown() -> None:
    document = best(confirmation=standing_for("equal"))
    assert drawn(document)["trial"] == ["1", "18", "2"]
    assert lines(document, 80)[0].split() == ["equal", "(yours)", "tuned", "uncertainty"]
    assert drawn(best(confirmation=CONFIRMATION))["trial"] == ["1", "0", "18", "2"]


def test_only_the_baseline_that_stands_for_yours_is_called_yours() -> None:
    heads = lines(best(confirmation=standing_for("uncertainty")), 80)[0]
    assert heads.split() == ["equal", "tuned", "uncertainty", "(yours)"]


def standing_for(rule: str) -> dict[str, Any]:
    """Return a confirmation in which a baseline stands for `current`, which is no candidate."""
    candidates = {**CONFIRMATION["candidates"], rule: {**CONFIRMATION["candidates"]["equal"], "stands_for": ["current"]}}
    return {**CONFIRMATION, "candidates": candidates}


def test_what_does_as_well_is_reported() -> None:
    ranges = {"a.loss": {"sentence": "any a.loss from 0.1 to 1 costs at most 0.04 against the winner"}}
    assert conclusion(best(sensitivity={"ranges": ranges}))[-1] == "Any a.loss from 0.1 to 1 costs at most 0.04 against the winner."


def test_where_the_range_may_be_the_limit_is_reported_of_a_study_without_a_verdict() -> None:
    edge = {"sentence": "the winner's a.loss of 0.01 is at the low end of what was searched"}
    sensitivity = {"ranges": {"a.loss": {"sentence": "no a.loss beside it is known to be as good", "edge": edge}}}
    said, range_of_it = conclusion(best(sensitivity=sensitivity))[1:]
    assert said == "The winner's a.loss of 0.01 is at the low end of what was searched."
    assert range_of_it == "No a.loss beside it is known to be as good."
    assert said not in conclusion(best(confirmation=CONFIRMATION, sensitivity=sensitivity)), "its verdict says so"


def lines(document: dict[str, Any], width: int) -> list[str]:
    with (console := Console(width=width)).capture() as captured:
        console.print(AnswerTable(document))
    return captured.get().splitlines()


def crowded() -> dict[str, Any]:
    """Return a document of nine settings, whose metrics have long names."""
    path = "digit.sparse_categorical_accuracy"
    rules = ["current", "equal", "uncertainty", "inverse_initial_loss", "dwa", "random", "gradnorm", "without:agreement"]
    objective = {"aggregate": "mean", "value": 0.9, "values": {path: 0.91234}}
    baselines = {
        rule: {"trial": place, "weights": {"a.loss": 1.0}, "objective": {**objective, "value": 0.5 + place / 100}}
        for place, rule in enumerate(rules)
    }
    metric = {"name": "sparse_categorical_accuracy", "direction": "maximize"}
    terms = {"tasks": [{"name": "digit", "metrics": [metric]}], "penalties": []}
    return best(baselines=baselines, objective=objective, terms=terms)


def test_a_table_fits_80_columns_and_breaks_no_word() -> None:
    shown = lines(crowded(), 80)
    assert max(map(len, shown)) <= 80
    assert any(line.startswith("digit accuracy ↑") for line in shown)


def test_settings_that_do_not_fit_are_named_with_their_values_and_the_closest_are_drawn() -> None:
    shown = lines(crowded(), 80)
    assert shown[0].split()[:5] == ["equal", "yours", "tuned", "without", "agreement"]
    (below,) = (line for line in shown if line.startswith("Also trained: "))
    assert "uncertainty (0.52)" in below


def test_a_task_of_two_losses_has_both_by_name() -> None:
    both = {"a.loss": 0.3, "a.other": 1.0}
    rows = drawn(best(weights=both, baselines={}, parameters=both))
    assert {"weight a.loss", "weight a.other"} <= set(rows)


@pytest.mark.parametrize(("rule", "weight"), [("equal", "1"), ("famo", "moves"), ("a_plug_in", "moves")])
def test_a_baseline_shows_its_weights_unless_a_rule_moves_them(rule: str, weight: str) -> None:
    found = {"trial": 3, "weights": {"a.loss": 1.0}, "objective": best()["objective"]}
    assert drawn(best(baselines={rule: found}))["weight a"] == ([weight, "0.3"] if rule == "equal" else ["0.3", weight])


def test_a_search_on_several_seeds_says_that_its_numbers_are_means() -> None:
    text = " ".join(conclusion(best(seeds=[0, 1, 2])))
    assert "best value on the mean of 3 seeds" in text
