"""What a document recommends, and what the same study says of another setting."""

from __future__ import annotations

from typing import Any

import pytest

from search.export.reproduction import Published
from steelyard.door.answer import against, at_edge, comparison, of_row_weights, of_setting, ranges, recommended, renamed
from steelyard.door.result import Result

PUBLISHED = Published(("a", "b"))


def document(low: float = 1.0, high: float = 3.0, **more: Any) -> dict[str, Any]:
    """Return a best-weights document of a confirmed study with two tasks, as far as it is read here."""

    def loss(name: str) -> dict[str, Any]:
        return {"name": name, "losses": [{"name": "mse", "loss": "mean_squared_error"}], "metrics": []}

    def spread(mean: float) -> dict[str, Any]:
        return {"mean": mean, "std": 0.1, "n": 3}

    values = {"a.mse": 0.1, "b.mse": 0.2}
    objective = {"aggregate": "mean", "value": 0.5, "values": values, "feasible": True, "violations": {}}
    numbers = {"objective": objective, "metrics": {"validation": values}}
    lead = {"difference": 2.0, "low": low, "high": high, "n": 3}
    return {
        "trial": 7, "weights": {"a.mse": 1.0, "b.mse": 0.3}, "loss_weights": {"a": 1.0, "b": 0.3}, "penalty_weights": {},
        "reproduced_by": "compile", "terms": {"tasks": [loss("a"), loss("b")], "penalties": []}, **numbers,
        "training": {"epochs": 2, "batch_size": 32, "optimizer": {"name": "adam", "config": {}}},
        "baselines": {
            "current": {"trial": 0, "weights": {"a.mse": 1.0, "b.mse": 1.0}, **numbers},
            "uncertainty": {"trial": 1, "weights": {"a.mse": 1.0, "b.mse": 1.0}, **numbers},
        },
        "confirmation": {
            "candidates": {"trial 7": {"value": spread(2.0), "metrics": {path: spread(1.0) for path in values}},
                           "current": {"value": spread(0.0), "metrics": {path: spread(0.5) for path in values}}},
            "against": {"current": lead},
        },
        **more,
    }  # fmt: skip


def test_the_tuned_weights_are_recommended_only_where_fresh_seeds_show_that_they_are_better() -> None:
    assert recommended(document(low=0.1)) == "tuned"
    assert recommended(document(low=-0.1)) == "yours"
    assert against(document()) == ("yours", document()["confirmation"]["against"]["current"])


@pytest.mark.parametrize(
    ("pick", "named"),
    [
        ("objective", "tuned"),
        ("confirmed", "tuned"),
        ("baseline:current", "yours"),
        ("baseline:equal", "equal"),
        ("baseline:uncertainty", "uncertainty"),
    ],
)
def test_the_documents_own_recommendation_goes_first(pick: str, named: str) -> None:
    assert recommended(document(low=-1.0, recommended={"pick": pick})) == named


def test_without_a_confirmation_the_tuned_weights_are_all_there_is() -> None:
    found = document()
    del found["confirmation"]
    assert recommended(found) == "tuned"
    assert against(found) is None
    assert [row["mean"] for row in comparison(found) if row["metric"] == "value"] == [0.5] * 3


def test_yours_has_its_own_weights_and_equal_weights_are_yours_where_they_are_the_same() -> None:
    for pick in ("yours", "equal"):
        found = of_setting(document(), pick, PUBLISHED)
        assert found["loss_weights"] == {"a": 1.0, "b": 1.0}
        assert (found["trial"], found["reproduced_by"]) == (0, "compile")


def test_a_rule_that_moves_weights_has_none_to_compile_with() -> None:
    with pytest.raises(ValueError, match="moves the weights in training"):
        of_setting(document(), "uncertainty", PUBLISHED)
    with pytest.raises(ValueError, match="no setting 'gradnrom'"):
        of_setting(document(), "gradnrom", PUBLISHED)


def test_a_rule_of_a_plug_in_that_moves_weights_has_none_to_compile_with_either() -> None:
    found = document()
    found["baselines"]["a_plug_in"] = {**found["baselines"]["current"], "moves": True}
    with pytest.raises(ValueError, match="a_plug_in moves the weights in training"):
        of_setting(found, "a_plug_in", PUBLISHED)


def test_a_loss_of_the_users_cannot_be_said_by_compile() -> None:
    found = document()
    found["terms"]["tasks"][0]["losses"][0]["loss"] = "mine"
    used = of_setting(found, "yours", Published(("a", "b"), frozenset({"mine"})))
    assert "loss_weights" not in used
    assert "loss a.mse is the workload's own" in used["note"]


def test_losses_of_the_users_own_are_weighted_in_the_users_compile() -> None:
    found = document()
    del found["loss_weights"]
    found["note"] = "the only output"
    found["terms"]["tasks"][0]["losses"][0]["loss"] = "mine"
    found["terms"]["tasks"][0]["from_logits"] = True
    memory = {"outputs": ["a", "b"], "compile_outputs": ["a", "b"], "own_losses": ["mine"], "weighted": []}
    documents = {"study": {"name": "s", "ended": True}, "best": found, "trials": []}
    assert Result("s", None, memory, None, documents).loss_weights == {"a": 1.0, "b": 0.3}
    with pytest.raises(ValueError, match="the only output"):
        assert Result("s", None, {**memory, "weighted": ["a"]}, None, documents).loss_weights
    found["terms"]["tasks"][0]["column"] = 0
    with pytest.raises(ValueError, match="the only output"):
        assert Result("s", None, memory, None, documents).loss_weights


def test_a_loss_under_row_weights_needs_its_reduction_in_compile() -> None:
    assert of_row_weights(document(), Published(("a", "b"))) == []
    (said,) = of_row_weights(document(), Published(("a", "b"), weighted=frozenset({"b"})))
    assert said.startswith("b.mse is a mean over row weights")
    assert "reduction='mean_with_sample_weight'" in said
    found = document()
    found["terms"]["tasks"][0]["class_weight"] = {"0": 1.0, "1": 3.0}
    (said,) = of_row_weights(found, Published(("a", "b"), weighted=frozenset({"b"})))
    assert said.startswith("a.mse, b.mse are means over row weights")


def test_outputs_get_the_names_that_a_model_has() -> None:
    found = renamed(document(), {"a": "dense_7"})
    assert found["loss_weights"] == {"dense_7": 1.0, "b": 0.3}
    assert (found["terms"]["tasks"][0]["output"], found["terms"]["tasks"][0]["target"]) == ("dense_7", "dense_7")


def test_a_row_for_each_setting_and_metric() -> None:
    rows = comparison(document())
    assert [(row["setting"], row["metric"], row["mean"]) for row in rows][:2] == [("tuned", "value", 2.0), ("tuned", "a.mse", 1.0)]
    assert [row["lead_interval"] for row in rows if row["setting"] == "yours" and row["metric"] == "value"] == [(1.0, 3.0)]


def test_ranges_are_those_of_weights_in_their_own_units() -> None:
    spans = {"b.mse": {"low": 0.1, "high": 0.9}, "optimizer.learning_rate": {"low": 0.1, "high": 1.0}}
    assert ranges(document(sensitivity={"ranges": spans})) == {"b.mse": (0.1, 0.9)}
    assert ranges(document(sensitivity={"ranges": spans}, normalized_by={"b.mse": 2.0})) == {}


@pytest.mark.parametrize(("weight", "said"), [(0.3, 0), (0.011, 1), (95.0, 1)])
def test_a_best_value_in_the_outer_tenth_of_its_range_is_named(weight: float, said: int) -> None:
    definition = {"tasks": [{"name": "b", "losses": [{"name": "mse", "weight": {"low": 0.01, "high": 100.0}}]}]}
    found = at_edge(document(weights={"b.mse": weight}), definition, ["b.mse"])
    assert len(found) == said
    assert all("at the edge of the default range (0.01 to 100)" in sentence for sentence in found)


def test_weights_beside_a_list_of_losses_are_a_list_in_the_order_of_the_outputs() -> None:
    memory = {"outputs": ["a", "b"], "compile_outputs": ["dense_9", "dense_10"], "own_losses": [], "weighted": []}
    documents = {"study": {"name": "s", "ended": True}, "best": document(low=1.0), "trials": []}
    by_name = Result("s", None, memory, None, documents)
    assert by_name.loss_weights == {"dense_9": 1.0, "dense_10": 0.3}
    in_order = Result("s", None, {**memory, "loss_form": "list"}, None, documents)
    assert in_order.loss_weights == [1.0, 0.3]
