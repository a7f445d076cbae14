"""Penalties and selectors against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops

from search.catalog import PENALTIES, PenaltyEntry, implementation
from search.definition.schema import Task
from search.definition.selectors import Selector
from search.training.problem.batch import Batch
from search.training.problem.penalties import consistency, correlation, covariance, hierarchy, implication
from search.training.problem.views import TaskView, grouped, reduced, select

A = np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
B = np.array([[0.4, 0.6], [0.5, 0.5], [0.1, 0.9]])


def test_consistency_is_the_mean_absolute_difference_of_a_row() -> None:
    assert np.asarray(consistency(A, B)) == pytest.approx([0.2, 0.0, 0.8])


def test_squared_consistency_is_the_mean_squared_difference_of_a_row() -> None:
    assert np.asarray(consistency(A, B, form="squared")) == pytest.approx([0.04, 0.0, 0.64])


def test_jensen_shannon_is_the_mean_divergence_from_the_middle() -> None:
    middle = (A + B) / 2
    expected = (np.sum(A * np.log(A / middle), axis=1) + np.sum(B * np.log(B / middle), axis=1)) / 2
    assert np.asarray(consistency(A, B, form="jensen_shannon")) == pytest.approx(expected)


def test_jensen_shannon_of_certain_opposites_is_log_2() -> None:
    one, other = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert np.asarray(consistency(one, other, form="jensen_shannon")) == pytest.approx([np.log(2)])


def test_jensen_shannon_reads_width_1_as_a_yes_no_distribution() -> None:
    expected = np.asarray(consistency(A, B, form="jensen_shannon"))
    assert np.asarray(consistency(A[:, :1], B[:, :1], form="jensen_shannon")) == pytest.approx(expected)


def test_implication_counts_only_what_exceeds_the_implied() -> None:
    assert np.asarray(implication(A, B)) == pytest.approx([0.1, 0.0, 0.4])


@pytest.mark.parametrize(
    ("reduce", "expected"),
    [
        ("mean", 0.4),
        ("max", 0.7),
        ("noisy_or", 1 - 0.9 * 0.6 * 0.3 * 0.6),
        ("logsumexp", np.log(np.mean(np.exp([0.1, 0.4, 0.7, 0.4])))),
    ],
)
def test_hierarchy_compares_the_parts_taken_together_with_the_whole(reduce: str, expected: float) -> None:
    mask = np.array([[[[0.1], [0.4]], [[0.7], [0.4]]]])
    whole = np.array([[0.3]])
    assert np.asarray(hierarchy(mask, whole, reduce=reduce)) == pytest.approx([abs(expected - 0.3)])


def test_logsumexp_of_large_values_does_not_overflow() -> None:
    assert np.asarray(reduced(np.full((1, 4, 1), 1e4), "logsumexp")) == pytest.approx(1e4)


def test_covariance_wants_features_to_rise_together() -> None:
    expected = np.mean([max(0.0, 0.01 - np.cov(A[:, i], B[:, i], bias=True)[0, 1]) for i in range(2)])
    assert float(covariance(A, B, at_least=0.01)) == pytest.approx(expected)


def test_covariance_of_sign_minus_1_wants_them_to_part() -> None:
    assert float(covariance(A, B, sign=-1)) == 0.0
    assert float(covariance(A, A, sign=-1)) == pytest.approx(np.mean(A.var(axis=0)))


def test_correlation_is_pearsons() -> None:
    expected = 0.9 - np.corrcoef(A[:, 0], A[:, 0] + [0.0, 0.5, 0.0])[0, 1]
    assert float(correlation(A[:, :1], A[:, :1] + [[0.0], [0.5], [0.0]], at_least=0.9)) == pytest.approx(expected)


def test_a_constant_feature_has_correlation_0() -> None:
    assert float(correlation(A, np.ones_like(A), at_least=0.5)) == pytest.approx(0.5)


EVERY = pytest.mark.parametrize("entry", PENALTIES, ids=lambda entry: entry.name)


@EVERY
def test_sides_of_unequal_shape_are_refused(entry: PenaltyEntry) -> None:
    with pytest.raises(ValueError, match=r"equal shape, got \[batch\] against \[batch, 1\]"):
        implementation("penalties", entry)(A[:, 0], A[:, :1])


@EVERY
def test_a_penalty_is_zero_between_a_side_and_itself_and_has_rows_as_its_traits_say(entry: PenaltyEntry) -> None:
    arguments = {name: value for name, value in entry.arguments({}).items() if name != "tolerance"}
    value = np.asarray(implementation("penalties", entry)(A, A, **arguments))
    assert value == pytest.approx(np.zeros(value.shape), abs=1e-12)
    assert value.shape == ((len(A),) if entry.has_rows else ())
    assert entry.batch_statistic is not entry.has_rows


def _batch() -> Batch:
    outputs = {
        "digit": np.arange(12.0).reshape(2, 6),
        "logit": np.array([[0.0], [2.0]]),
        "scores": np.array([[1.0, 2.0], [0.0, 0.0]]),
    }
    targets = {"mask": np.ones((2, 4, 4, 1), "int32")}
    return Batch({"input": A[:2]}, targets, outputs, {}, {}, lambda x, active: {})


def _select(**parts: Any) -> np.ndarray[Any, Any]:
    tasks = {name: TaskView(Task(name=name, from_logits=True)) for name in ("logit", "scores")}
    tasks["third"] = TaskView(Task(name="third", output="digit", column=2))
    return np.asarray(select(Selector(**parts), _batch(), tasks))


def test_classes_are_summed_and_keep_an_axis_of_width_1() -> None:
    assert _select(output="digit", classes=[1, 3, 5]).tolist() == [[9.0], [27.0]]


def test_an_index_keeps_an_axis_of_width_1() -> None:
    assert _select(output="digit", index=4).tolist() == [[4.0], [10.0]]


def test_groups_are_the_sums_of_their_columns_in_the_order_of_the_other_sides_classes() -> None:
    digit = np.arange(12.0).reshape(2, 6)
    by_name = _select(output="digit", groups={"high": [5, 4], "low": [0, 1, 2]})
    np.testing.assert_array_equal(by_name, np.stack([digit[:, [4, 5]].sum(1), digit[:, :3].sum(1)], axis=1))
    by_index = _select(output="digit", groups={"1": [5, 4], "0": [0, 1, 2]})
    np.testing.assert_array_equal(by_index, by_name[:, ::-1])


def test_groups_of_steps_are_summed_step_by_step() -> None:
    values = np.random.default_rng(0).random((2, 3, 5))
    found = np.asarray(grouped(ops.convert_to_tensor(values), [[0, 4], [2]]))
    np.testing.assert_allclose(found, np.stack([values[..., 0] + values[..., 4], values[..., 2]], axis=-1))


def test_a_task_of_one_logit_is_seen_through_a_sigmoid() -> None:
    assert _select(task="logit") == pytest.approx(np.array([[0.5], [1 / (1 + np.exp(-2))]]))


def test_a_task_of_several_logits_is_seen_through_a_softmax() -> None:
    assert _select(task="scores", index=0) == pytest.approx(np.array([[1 / (1 + np.e)], [0.5]]))


def test_an_output_is_seen_as_it_is() -> None:
    assert _select(output="logit").tolist() == [[0.0], [2.0]]


def test_a_tasks_column_is_what_the_selector_sees() -> None:
    assert _select(task="third").tolist() == [[2.0], [8.0]]


def test_inputs_and_targets_can_be_sides() -> None:
    assert _select(input="input", index=1).tolist() == [[0.8], [0.5]]
    assert _select(target="mask", reduce="mean").tolist() == [[1.0], [1.0]]
