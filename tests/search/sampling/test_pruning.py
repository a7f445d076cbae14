"""Rungs, brackets, and who is hopeless: numbers by hand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.catalog import PRUNERS
from search.definition.schema import Pruner, RelativeBound, StudyDefinition, Training
from search.sampling.pruning import Brackets, ladder, rungs, trials_to_prune
from search.validation.normalize import normalise
from storage.records import Rival
from tests.search.definitions import PUBLISHED, UNPUBLISHED, changed, define, flagship, only

DIGIT, PARITY = "digit.sparse_categorical_accuracy", "parity.binary_accuracy"
EVERY = [{"name": entry.name} for entry in PRUNERS]
HALVING, HYPERBAND, MEDIAN, DOMINATED = ({"name": name} for name in ("successive_halving", "hyperband", "median", "dominated"))


def pruned_by(pruner: Mapping[str, Any] | None, **changes: Any) -> StudyDefinition:
    return define(changed(flagship(), {"search.pruner": pruner, "training.epochs": 27, **changes}))


def pruner(name: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "config": config}


def rival(number: int, digit: float, parity: float | None = None, *, index: int | None = None) -> Rival:
    """Return a trial of the flagship whose accuracies are these, or both the first."""
    values = {DIGIT: digit, PARITY: digit if parity is None else parity}
    return Rival(number, number if index is None else index, values)


def rivals(*values: float, first: int = 100) -> list[Rival]:
    return [rival(first + place, value) for place, value in enumerate(values)]


def ended(definition: StudyDefinition, judged: Sequence[Rival], others: Sequence[Rival] = ()) -> dict[int, str]:
    return trials_to_prune(definition, definition.objective, 3, judged, others)


# Rungs


@pytest.mark.parametrize(
    ("chosen", "training", "expected"),
    [
        (HALVING, {"epochs": 27}, (3, 9)),
        (HALVING, {"epochs": 25}, (2, 6)),  # 18 is not followed by 3 times as many
        (HALVING, {"epochs": 10}, (1, 3)),
        (HALVING, {"epochs": 2}, ()),
        (pruner("successive_halving", min_epochs=5), {"epochs": 25}, (5,)),
        (pruner("hyperband", min_epochs=1), {"epochs": 81}, (1, 3, 9, 27)),
        (pruner("hyperband", reduction_factor=2), {"epochs": 16}, (1, 2, 4, 8)),
        (HALVING, {"epochs": 27, "report_every": 4}, (4, 12)),
        (HALVING, {"epochs": 27, "report_every": 10}, (10,)),  # both are put off to it
        (HALVING, {"epochs": 27, "report_every": 27}, ()),
        (MEDIAN, {"epochs": 10}, (3, 4, 5, 6, 7, 8, 9)),
        (MEDIAN, {"epochs": 25}, (7, 9, 11, 13, 15, 17, 19, 21, 23)),
        (pruner("dominated", warmup_epochs=0, interval_epochs=3), {"epochs": 10}, (1, 4, 7)),
        (pruner("median", warmup_epochs=5, interval_epochs=3), {"epochs": 12, "report_every": 5}, (10,)),
        (pruner("median", warmup_epochs=10), {"epochs": 10}, ()),
    ],
)
def test_rungs_are_reported_epochs_before_the_last(chosen: Any, training: dict[str, Any], expected: tuple[int, ...]) -> None:
    assert ladder(Pruner.model_validate(chosen), Training.model_validate(training)) == expected


def test_a_study_without_a_pruner_has_no_rungs() -> None:
    assert rungs(pruned_by(None), 0) == ()


def test_hyperband_s_brackets_have_the_sizes_of_the_paper() -> None:
    """Li et al. 2018, table 1: R = 81, eta = 3."""
    definition = pruned_by(pruner("hyperband", min_epochs=1), **{"training.epochs": 81})
    bounds = Brackets.of(definition, Pruner.model_validate(definition.search.pruner)).bounds
    assert [after - before for before, after in zip((0, *bounds), bounds, strict=False)] == [81, 34, 15, 8, 5]


def test_hyperband_spreads_trials_over_its_brackets_by_index() -> None:
    definition = pruned_by(HYPERBAND)
    eager, middle, patient = (3, 9), (9,), ()
    assert [rungs(definition, index) for index in range(8)] == [eager, eager, eager, middle, eager, middle, eager, patient]
    assert Counter(rungs(definition, index) for index in range(16)) == {eager: 9, middle: 5, patient: 2}  # of 17: 9, 5, 3


def test_where_references_are_needed_the_trials_beside_them_are_the_bracket_that_is_never_judged() -> None:
    definition = pruned_by(HYPERBAND, **{"objective.aggregate": "delta_m"})
    assert Counter(rungs(definition, index) for index in range(16)) == {(3, 9): 11, (9,): 5}  # of 14: 9, 5
    assert rungs(pruned_by(HYPERBAND, **{"objective.aggregate": "delta_m", "training.epochs": 2}), 0) == ()


def test_once_the_references_are_known_trials_are_judged_by_them() -> None:
    definition = pruned_by(HALVING, **{"objective.aggregate": "delta_m"})
    alone = {DIGIT: 0.9, PARITY: 0.1}
    measured = definition.objective.model_copy(update={"config": {"references": alone}})
    judged = [rival(0, 0.9, 0.05), rival(1, 0.6, 0.09), rival(2, 0.3, 0.1)]  # -25, -21.7 and -33.3 percent
    assert ended(definition, judged) == {}
    assert set(trials_to_prune(definition, measured, 3, judged, ())) == {0, 2}


def test_other_pruners_treat_all_trials_alike() -> None:
    assert {rungs(pruned_by(HALVING), index) for index in range(20)} == {(3, 9)}


# Median


def test_below_the_median_of_the_others_a_trial_is_ended() -> None:
    definition = pruned_by(MEDIAN)
    others = rivals(0.1, 0.2, 0.5, 0.6, 0.7)
    assert ended(definition, [rival(0, 0.5)], others) == {}
    assert ended(definition, [rival(0, 0.49)], others) == {0: "epoch 3: worse than the median of 5 others"}


def test_of_an_even_number_of_others_the_worse_of_the_middle_two_is_the_median() -> None:
    definition = pruned_by(MEDIAN)
    others = rivals(0.1, 0.2, 0.4, 0.6, 0.7, 0.8)
    assert ended(definition, [rival(0, 0.4)], others) == {}
    assert set(ended(definition, [rival(0, 0.39)], others)) == {0}


def test_all_of_a_cohort_count_before_any_is_ended() -> None:
    judged = [rival(number, value) for number, value in enumerate((0.1, 0.2, 0.3, 0.4, 0.5, 0.6))]
    # each against five others: the medians are 0.4, 0.4, 0.4, 0.3, 0.3, 0.3
    assert set(ended(pruned_by(MEDIAN), judged)) == {0, 1, 2}


def test_before_enough_others_were_measured_none_is_ended() -> None:
    assert ended(pruned_by(MEDIAN), [rival(0, 0.0)], rivals(1.0, 1.0, 1.0, 1.0)) == {}
    assert set(ended(pruned_by(pruner("median", n_startup_trials=4)), [rival(0, 0.0)], rivals(1.0, 1.0, 1.0, 1.0))) == {0}


# Successive halving and hyperband


def test_one_in_three_goes_on() -> None:
    judged = [rival(number, number / 10) for number in range(9)]
    found = ended(pruned_by(HALVING), judged)
    assert set(found) == {0, 1, 2, 3, 4, 5}
    assert found[0] == "epoch 3: not among the best 3 of 9 trials there"


def test_those_that_ended_before_count_too() -> None:
    judged = [rival(0, 0.5), rival(1, 0.6)]
    assert set(ended(pruned_by(HALVING), judged, rivals(0.1, 0.2, 0.3, 0.4))) == set()  # 2 of 6 go on
    assert set(ended(pruned_by(HALVING), judged, rivals(0.7, 0.8, 0.3, 0.4))) == {0, 1}


def test_the_best_of_fewer_than_the_reduction_factor_goes_on_and_so_do_its_equals() -> None:
    assert ended(pruned_by(HALVING), [rival(0, 0.5)]) == {}
    assert set(ended(pruned_by(HALVING), [rival(0, 0.5), rival(1, 0.5), rival(2, 0.4)])) == {2}


def test_under_hyperband_a_trial_is_compared_within_its_bracket_alone() -> None:
    definition = pruned_by(HYPERBAND)
    judged = [rival(10, 0.5, index=0), rival(11, 0.4, index=1), rival(13, 0.1, index=3)]
    others = [rival(20, 0.9, index=5), rival(21, 0.9, index=7)]
    found = trials_to_prune(definition, definition.objective, 9, judged, others)
    assert found == {
        11: "epoch 9: not among the best 1 of 2 trials in its bracket",
        13: "epoch 9: not among the best 1 of 2 trials in its bracket",
    }


# What ranks last


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("chosen", [MEDIAN, HALVING, DOMINATED])
def test_a_number_that_is_not_finite_ranks_last(chosen: Any, value: float) -> None:
    judged = [rival(0, value), *rivals(0.1, 0.2, 0.3, 0.4, 0.5)]
    assert 0 in ended(pruned_by(chosen), judged)
    assert 105 not in ended(pruned_by(chosen), judged)


@pytest.mark.parametrize("value", [math.nan, 0.5])
@pytest.mark.parametrize("chosen", EVERY)
def test_of_equal_trials_none_is_ended(chosen: Any, value: float) -> None:
    judged = [rival(number, value) for number in range(8)]
    assert ended(pruned_by(chosen), judged) == {}


def test_an_infeasible_trial_ranks_behind_every_feasible_one() -> None:
    bound = {"metric": PARITY, "strategy": "constraint", "at_least": 0.5}
    definition = pruned_by(HALVING, **{"objective.metrics.1": bound})
    judged = [rival(0, 0.99, 0.4), rival(1, 0.1, 0.6), rival(2, 0.98, 0.3)]
    assert set(ended(definition, judged)) == {0, 2}


@pytest.mark.parametrize("chosen", EVERY)
def test_before_the_references_are_measured_none_is_ended(chosen: Any) -> None:
    definition = pruned_by(chosen)
    first, second = definition.objective.metrics
    bound = second.model_copy(update={"strategy": "constraint", "at_least": RelativeBound(of="equal", times=0.98)})
    unresolved = definition.model_copy(update={"objective": definition.objective.model_copy(update={"metrics": (first, bound)})})
    judged = [rival(number, number / 10) for number in range(9)]
    assert ended(unresolved, judged) == {}


# Dominated


def test_beaten_in_every_metric_by_a_tenth_of_its_range_a_trial_is_ended() -> None:
    definition = pruned_by(DOMINATED)
    ends = [rival(101, 0.0, 1.0), rival(102, 1.0, 0.0), rival(103, 0.5, 0.6), rival(104, 0.1, 0.1), rival(105, 0.2, 0.2)]
    assert ended(definition, [rival(0, 0.39, 0.49)], ends) == {0: "epoch 3: trial 103 beats it in every optimised metric"}
    assert ended(definition, [rival(0, 0.41, 0.49)], ends) == {}  # ahead by 0.09 of a range of 1 in the first
    assert ended(definition, [rival(0, 0.0, 0.95)], ends) == {}  # near the front's end


def test_without_a_margin_it_is_plain_dominance_and_equals_go_on() -> None:
    definition = pruned_by(pruner("dominated", margin=0, n_startup_trials=1))
    assert ended(definition, [rival(0, 0.5, 0.5), rival(1, 0.5, 0.5)]) == {}
    assert set(ended(definition, [rival(0, 0.5, 0.5), rival(1, 0.5, 0.51)])) == {0}


def test_a_metric_that_is_the_same_for_all_takes_no_part() -> None:
    definition = pruned_by(pruner("dominated", n_startup_trials=1))
    assert set(ended(definition, [rival(0, 0.5, 0.1), rival(1, 0.5, 0.9)])) == {0}


def test_a_metric_to_minimise_is_better_when_it_is_less() -> None:
    definition = pruned_by(pruner("dominated", n_startup_trials=1), **{"objective.metrics.1.direction": "minimize"})
    assert set(ended(definition, [rival(0, 0.5, 0.1), rival(1, 0.4, 0.2)])) == {1}


def test_a_feasible_trial_is_not_held_against_an_infeasible_one() -> None:
    bound = {"metric": "agreement.violations", "strategy": "constraint", "at_most": 0.1}
    definition = pruned_by(pruner("dominated", n_startup_trials=1), **{"objective.metrics.2": bound})
    feasible = Rival(0, 0, {DIGIT: 0.1, PARITY: 0.1, "agreement.violations": 0.05})
    infeasible = Rival(1, 1, {DIGIT: 0.9, PARITY: 0.9, "agreement.violations": 0.5})
    worse = Rival(2, 2, {DIGIT: 0.5, PARITY: 0.5, "agreement.violations": 0.5})
    assert set(ended(definition, [feasible, infeasible, worse])) == {2}


def test_under_pareto_trials_are_judged_by_dominance() -> None:
    definition = pruned_by(pruner("dominated", n_startup_trials=1), **{"objective.aggregate": "pareto"})
    assert set(ended(definition, [rival(0, 0.1, 0.1), rival(1, 0.9, 0.2), rival(2, 0.2, 0.9)])) == {0}


# In any order


@given(st.permutations(range(12)), st.sampled_from(EVERY))
def test_the_order_in_which_trials_are_told_decides_nothing(order: list[int], chosen: Any) -> None:
    definition = pruned_by(chosen)
    known = [rival(number, math.sin(number), math.cos(3 * number)) for number in range(12)]
    expected = set(ended(definition, known[:4], known[4:]))
    shuffled = [known[number] for number in order]
    judged, others = ([each for each in shuffled if (each.number < 4) is wanted] for wanted in (True, False))
    assert set(ended(definition, judged, others)) == expected


# What a definition may ask for


@pytest.mark.parametrize(("name", "meant"), [("hyperbnd", "hyperband"), ("medan", "median"), ("zzz", None)])
def test_an_unknown_pruner_is_refused_with_the_one_that_was_meant(name: str, meant: str | None) -> None:
    fault = only(changed(flagship(), {"search.pruner": {"name": name}}), "search.pruner.name")
    assert fault.expected == "one of dominated, hyperband, median, successive_halving"
    assert (fault.got, fault.did_you_mean) == (repr(name), meant)


@pytest.mark.parametrize(
    ("chosen", "path", "meant"),
    [
        (pruner("median", warmup_epoch=1), "search.pruner.config.warmup_epoch", "warmup_epochs"),
        (pruner("hyperband", reduction_factor=1), "search.pruner.config.reduction_factor", None),
        (pruner("dominated", margin=-0.1), "search.pruner.config.margin", None),
        (pruner("median", zzz=3), "search.pruner.config.zzz", None),
    ],
)
def test_a_pruner_s_arguments_are_checked(chosen: Any, path: str, meant: str | None) -> None:
    assert only(changed(flagship(), {"search.pruner": chosen}), path).did_you_mean == meant


def test_under_pareto_only_dominated_can_judge() -> None:
    document = changed(flagship(), {"objective.aggregate": "pareto", "search.pruner": MEDIAN})
    fault = only(document, "search.pruner.name")
    assert "no one value" in fault.expected
    assert fault.did_you_mean == "dominated"


def test_dominated_needs_two_optimised_metrics() -> None:
    bound = {"metric": PARITY, "strategy": "constraint", "at_least": 0.5}
    fault = only(changed(flagship(), {"objective.metrics.1": bound, "search.pruner": DOMINATED}), "search.pruner.name")
    assert "one optimised metric" in fault.expected


def test_a_star_is_as_many_metrics_as_it_names() -> None:
    document = changed(flagship(), {f"tasks.{i}.metrics": [{"name": "m", "metric": "accuracy"}] for i in (0, 1)})
    document["objective"]["metrics"] = [{"metric": "*.m"}]
    assert define(changed(document, {"search.pruner": DOMINATED})).search.pruner is not None


def _warnings(changes: Mapping[str, Any]) -> list[str]:
    warnings = normalise(changed(flagship(), changes), workloads={**UNPUBLISHED, **PUBLISHED}).warnings
    return [text for text in warnings if text.startswith("search.pruner")]


def test_a_pruner_that_never_judges_is_warned_of() -> None:
    assert _warnings({"search.pruner": HALVING, "training.report_every": 5}) == []
    (warning,) = _warnings({"search.pruner": HALVING, "training.report_every": 10})
    assert warning.startswith("search.pruner: successive_halving never ends a trial: of 10 epochs, reported every 10, none")


@pytest.mark.parametrize(("sampler", "warned"), [("cmaes", True), ("gp", True), ("tpe", False), ("random", False)])
def test_a_sampler_that_learns_nothing_from_pruned_trials_is_warned_of(sampler: str, warned: bool) -> None:
    assert bool(_warnings({"search.pruner": HYPERBAND, "search.sampler.name": sampler})) is warned
