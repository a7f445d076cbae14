"""What is allowed but probably not meant: every warning, and when there is none."""

from __future__ import annotations

from typing import Any

import pytest

from search.validation.normalize import normalise
from tests.search.definitions import PUBLISHED, UNPUBLISHED, Document, changed, flagship, log_range, study

PARITY = "tasks.1.losses.0.weight"
RATE = "training.optimizer.config.learning_rate"


def warnings_of(document: Document, workloads: Any = PUBLISHED) -> tuple[str, ...]:
    return normalise(document, workloads=workloads).warnings


def test_an_unpublished_workload_is_warned_of() -> None:
    warning = "no worker has published workload 'digits' yet"
    assert [text for text in warnings_of(flagship(), UNPUBLISHED) if text.startswith(warning)]


def test_more_than_one_searched_weight_per_ten_trials_is_warned_of() -> None:
    assert warnings_of(changed(flagship(), {"search.trials": 20})) == ()
    warnings = warnings_of(changed(flagship(), {"search.trials": 19}))
    assert [text.split(":")[0] for text in warnings] == ["2 searched weights for 19 trials"]


def test_a_shared_weight_counts_once() -> None:
    document = study("walls", "walls", "walls", shared={"walls": log_range()}, trials=10)
    assert not [text for text in warnings_of(document, UNPUBLISHED) if "searched weights for" in text]


@pytest.mark.parametrize("shared", [False, True])
def test_a_loss_whose_weight_may_be_zero_is_warned_of(shared: bool) -> None:
    weight = {"low": 0, "high": 1}
    document = study("walls", shared={"walls": weight}) if shared else study(weight)
    place = "weights.walls" if shared else "tasks.0.losses.0.weight"
    warnings = warnings_of(document, UNPUBLISHED)
    assert [text for text in warnings if text.startswith(f"{place}: low is 0") and "t0.error" in text]


def test_a_penalty_whose_weight_may_be_zero_is_meant() -> None:
    assert not [text for text in warnings_of(flagship()) if "low is 0" in text]


@pytest.mark.parametrize(
    "weight",
    [{"low": 0.01, "high": 100, "current": 1000}, {"low": 0.01, "high": 100, "current": 0}, {"values": [1, 2], "current": 3}],
)
def test_a_current_weight_that_cannot_be_drawn_is_warned_of(weight: Document) -> None:
    warnings = warnings_of(changed(flagship(), {PARITY: weight}))
    assert [text for text in warnings if text.startswith(f"{PARITY}: current {weight['current']} ")]


def test_a_direction_against_the_catalog_is_warned_of() -> None:
    metric = {"name": "binary_accuracy", "metric": "binary_accuracy", "direction": "minimize"}
    warnings = warnings_of(changed(flagship(), {"tasks.1.metrics.0": metric}))
    assert warnings == ("parity.binary_accuracy: direction minimize is the opposite of what the catalog says",)


def test_an_objective_against_the_usual_direction_is_warned_of() -> None:
    entry = {"metric": "agreement.violations", "direction": "maximize"}
    warnings = warnings_of(changed(flagship(), {"objective.metrics.0": entry}))
    assert warnings == ("objective: agreement.violations with direction maximize is the opposite of what is usual (minimize)",)


def test_a_gain_may_be_that_of_an_argument_searched_beside_the_weights() -> None:
    texts = warnings_of(changed(flagship(), {RATE: log_range(1e-4, 1e-2)}))
    assert any(text.startswith(f"{RATE}: it is searched beside the weights") for text in texts)


def test_what_fresh_seeds_cover_of_trainings_from_the_same_weights_is_said() -> None:
    fixed = changed(flagship(), {"training.initial_weights": "fixed"})
    (warning,) = set(warnings_of(fixed)) - set(warnings_of(flagship()))
    assert warning.startswith("training.initial_weights: every training starts from the same weights")
    assert warnings_of(changed(fixed, {"search.confirmation": None})) == warnings_of(flagship())
    assert warnings_of(changed(flagship(), {"training.shuffle": False})) == warnings_of(flagship())
    (warning,) = set(warnings_of(changed(fixed, {"training.shuffle": False}))) - set(warnings_of(flagship()))
    assert "starts from the same weights and takes the rows in the same order" in warning


def test_two_rules_that_train_the_same_weights_are_warned_of() -> None:
    both = changed(flagship(), {"search.baselines": ["uncertainty", "imtl_l"]})
    assert any("uncertainty and imtl_l train the same weights" in warning for warning in warnings_of(both))
    assert not any("imtl_l" in warning for warning in warnings_of(changed(flagship(), {"search.baselines": ["imtl_l"]})))


def test_named_groups_without_an_order_are_warned_of_with_their_classes() -> None:
    def said(**side: Any) -> list[str]:
        between = [{"task": "digit", **side}, {"output": "parity"}]
        penalties = [{"name": "p", "penalty": "consistency", "between": between}]
        return [text for text in warnings_of(changed(flagship(), {"penalties": penalties})) if ".groups: " in text]

    by_name = {"groups": {"odd": [1, 3]}}
    assert said(**by_name) == [
        "penalties.0.between.0.groups: by the order of the keys, odd is class 0 of the other side; "
        'say `order`, or use the keys "0", "1", ...'
    ]
    assert said(**by_name, order=["odd"]) == said(groups={"0": [1, 3]}) == []
