"""What missing labels and class weights are refused for, by name, before anything is trained."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from search.errors import PreflightError
from search.training.child.preflight import preflight
from search.training.user.brought import TwoSided
from tests.search.training.scenes import linear, problem_of, rows, study, task, workload

X, _ = rows(20)
YES = (np.arange(20) % 2).astype("float64").reshape(-1, 1)
GONE = np.arange(20) % 4 == 0
NAN = np.where(GONE[:, None], np.nan, YES)
FIVE = np.where(np.arange(100).reshape(20, 5) % 7 == 0, np.nan, 1.0)
IDS = np.arange(20) % 3
BUILD = linear({"a": 1, "b": 1, "many": 5, "topic": 3}, activations={"b": "sigmoid", "many": "sigmoid", "topic": "softmax"})


def warned(tasks: Any, y: Any, declared: Any = (), **own: Any) -> list[str]:
    definition = study([task("a"), *tasks], declared, search={"confirmation": None})
    return preflight(problem_of(definition, workload(BUILD, (X, {"a": X[:, :1], **y}), **own)), definition)


def refused(*asked: Any, **own: Any) -> Any:
    with pytest.raises(PreflightError) as caught:
        warned(*asked, **own)
    return caught.value.reason


def own(name: str, **more: Any) -> dict[str, Any]:
    return {"name": "b", "losses": [{"name": "own", "loss": name}], "missing": "nan", **more}


MARKS = pytest.mark.parametrize(("mark", "missing"), [(np.nan, "nan"), (-1.0, -1)], ids=["nan", "-1"])


def marked(mark: float) -> Any:
    return np.where(GONE[:, None], mark, YES)


def test_labelled_rows_are_counted_by_split() -> None:
    said = warned([task("b", "binary_crossentropy", ["auc"], missing="nan")], {"b": NAN})
    assert said == ["b: a label in 15 of 20 train rows, 15 of 20 validation rows"]


def test_a_mark_that_marks_nothing_is_warned_of() -> None:
    said = warned([task("b", "binary_crossentropy", missing=-1)], {"b": YES})
    assert said == ["tasks.1.missing: no label of b is -1, so none is missing"]


def test_nan_that_nobody_calls_missing_is_refused_with_the_way_out() -> None:
    reason = refused([task("b", "binary_crossentropy")], {"b": NAN})
    assert (reason.code, reason.at) == ("nan_labels", "tasks.1.missing")
    assert reason.message.startswith('train.y[\'b\'] has NaN in 5 of 20 rows, first in row 0; set "missing": "nan" in task b')


def test_nan_in_a_target_that_no_task_reads_is_refused() -> None:
    reason = refused([task("b", "binary_crossentropy")], {"b": YES, "teacher": NAN})
    assert (reason.code, reason.at) == ("nan_labels", "load_data: train.y['teacher']")


def test_nan_in_a_loss_s_own_target_is_missing_too() -> None:
    soft = {"name": "soft", "loss": "mse", "target": "teacher"}
    both = {**task("b", "binary_crossentropy", missing="nan")}
    both["losses"] = [*both["losses"], soft]
    assert warned([both], {"b": YES, "teacher": NAN}) == ["tasks.1.missing: no label of b is NaN, so none is missing"]


def test_a_loss_that_reads_columns_as_one_is_refused_rows_that_lack_some() -> None:
    reason = refused([task("many", "categorical_crossentropy", missing="nan")], {"many": FIVE})
    assert (reason.code, reason.at) == ("partial_labels", "tasks.1.losses.0")
    assert "many.error reads several labels of a row as one, and some rows of train lack a part of theirs" in reason.message


def test_so_is_a_metric() -> None:
    reason = refused([task("many", "binary_crossentropy", ["f1"], missing="nan")], {"many": FIVE})
    assert (reason.code, reason.at) == ("partial_labels", "tasks.1.metrics.0")


def test_a_loss_of_a_whole_batch_is_refused_missing_labels() -> None:
    reason = refused([task("b", "dice", missing="nan")], {"b": NAN})
    assert (reason.code, reason.at) == ("reads_missing_labels", "tasks.1.losses.0")
    assert "b.error depends on labels of train that are missing: it does not leave them out" in reason.message


@MARKS
def test_an_own_mean_over_all_rows_is_refused_missing_labels_and_one_value_a_row_is_not(mark: float, missing: Any) -> None:
    y = {"b": marked(mark)}

    def squares(batch: Any) -> Any:
        return ops.square(batch.outputs["b"] - batch.targets["b"])

    reason = refused([own("mean", missing=missing)], y, losses={"mean": lambda batch: ops.mean(squares(batch))})
    assert reason.code == "reads_missing_labels"
    assert "return one value a row, or weigh by batch.labelled" in reason.message
    assert len(warned([own("rows", missing=missing)], y, losses={"rows": squares})) == 1

    def weighed(batch: Any) -> Any:
        there = ops.cast(batch.labelled["b"], "float32")
        return ops.sum(squares(batch) * there) / ops.maximum(ops.sum(there), 1)

    assert "row weights do not reach it" in warned([own("weighed", missing=missing)], y, losses={"weighed": weighed})[-1]


@MARKS
@pytest.mark.parametrize("two_sided", [False, True])
def test_an_own_penalty_that_reads_missing_labels_is_refused(mark: float, missing: Any, two_sided: bool) -> None:
    penalties = [{"name": "p", "penalty": "p"}]
    plain = TwoSided(lambda y, outputs: ops.abs(outputs["a"] - y["b"]))
    given = {"p": plain if two_sided else lambda batch: ops.abs(batch.outputs["a"] - batch.targets["b"])}
    asked = task("b", "binary_crossentropy", missing=missing)
    reason = refused([asked], {"b": marked(mark)}, penalties, penalties=given)
    assert (reason.code, reason.at) == ("reads_missing_labels", "penalties.0")


@MARKS
def test_an_own_crossentropy_of_class_ids_meets_no_mark(mark: float, missing: Any) -> None:
    def likely(batch: Any) -> Any:
        ids = ops.cast(batch.targets["topic"], "int32")
        return -ops.log(tf.gather(batch.outputs["topic"], ids, batch_dims=1))  # raises for an id of -1

    asked = {"name": "topic", "losses": [{"name": "own", "loss": "likely"}], "missing": missing}
    said = warned([asked], {"topic": np.where(GONE, mark, IDS.astype("float64"))}, losses={"likely": likely})
    assert said == ["topic: a label in 15 of 20 train rows, 15 of 20 validation rows"]


def test_an_own_function_that_sees_a_mark_that_tasks_differ_on_is_warned_of() -> None:
    other = {"name": "c", "output": "a", "target": "b", "losses": [{"name": "error", "loss": "mse"}]}
    given = {"rows": lambda batch: ops.square(batch.outputs["b"] - batch.targets["b"])}
    (text,) = [each for each in warned([own("rows", missing=-1), other], {"b": marked(-1)}, losses=given) if "agree" in each]
    assert text.startswith("tasks.1.missing: not all losses that read y['b'] agree that -1 marks a missing label")
    assert "the functions of b.own see it as it is" in text


def test_an_own_loss_of_positive_labels_is_told_what_stands_for_missing_ones() -> None:
    def relative(batch: Any) -> Any:
        return ops.square(ops.log(batch.targets["a"]) - batch.outputs["a"])

    positive = {"name": "a", "losses": [{"name": "own", "loss": "relative"}], "missing": "nan"}
    definition = study([positive], search={"confirmation": None})
    y = {"a": np.where(GONE[:, None], np.nan, 2.0)}
    with pytest.raises(PreflightError) as caught:
        preflight(problem_of(definition, workload(BUILD, (X, y), losses={"relative": relative})), definition)
    assert "a.own is no finite number on rows of train, of which some lack their label: there the target is 0" in str(caught.value)


def test_an_own_loss_that_averages_labelled_columns_is_told_to_return_them() -> None:
    def means(batch: Any) -> Any:
        there = ops.cast(batch.labelled["many"], "float32")
        errors = ops.square(batch.outputs["many"] - batch.targets["many"]) * there
        return ops.divide_no_nan(ops.sum(errors, -1), ops.sum(there, -1))

    asked = {"name": "many", "losses": [{"name": "own", "loss": "own"}], "missing": "nan"}
    reason = refused([asked], {"many": FIVE}, losses={"own": means})
    assert (reason.code, "return one value a label, [batch, columns]" in reason.message) == ("partial_labels", True)

    def columns(batch: Any) -> Any:
        return ops.square(batch.outputs["many"] - batch.targets["many"])

    assert len(warned([asked], {"many": FIVE}, losses={"own": columns})) == 1


def test_nan_that_one_task_calls_missing_is_refused_of_another_that_reads_it() -> None:
    other = {"name": "c", "output": "a", "target": "b", "losses": [{"name": "error", "loss": "mse"}]}
    reason = refused([task("b", "binary_crossentropy", missing="nan"), other], {"b": NAN})
    assert (reason.code, reason.at) == ("nan_labels", "tasks.2.missing")
    assert 'set "missing": "nan" in task c' in reason.message


@pytest.mark.parametrize("weight", [None, {"many": np.ones(20)}])
def test_labels_of_columns_that_cannot_hold_the_mark_are_measured(weight: Any) -> None:
    labels = (np.arange(100).reshape(20, 5) % 3 == 0).astype("uint8")
    metrics = ["auc", "precision", "recall"]
    definition = study([task("many", "binary_crossentropy", metrics, missing="nan")], search={"confirmation": None})
    rows = (X, {"many": labels}) if weight is None else (X, {"many": labels}, weight)
    said = preflight(problem_of(definition, workload(BUILD, rows)), definition)
    assert said == ["tasks.0.missing: no label of many is NaN, so none is missing"]


def test_labels_whose_classes_all_weigh_0_cannot_be_trained() -> None:
    reason = refused([task("b", "binary_crossentropy", class_weight={"0": 0.0, "1": 0.0})], {"b": YES})
    assert (reason.code, reason.at) == ("no_labels", "tasks.1.losses.0")


def test_padding_that_is_counted_in_the_balance_is_warned_of() -> None:
    def build() -> keras.Model:
        tokens = keras.Input((4,), name="input")
        hidden = keras.layers.Embedding(9, 4, mask_zero=True)(tokens)
        return keras.Model(tokens, {"tag": keras.layers.Dense(3, activation="softmax")(hidden)})

    tokens = np.where(np.arange(4) < 2, np.arange(1, 9)[:, None], 0)

    def said(tags: Any, **more: Any) -> list[str]:
        asked = task("tag", "sparse_categorical_crossentropy", class_weight="balanced", **more)
        definition = study([asked], search={"confirmation": None})
        return preflight(problem_of(definition, workload(build, (tokens, {"tag": tags}))), definition)

    tags = np.where(tokens > 0, tokens % 3, 0)
    assert "tasks.0.class_weight: output tag has a mask, and the labels that it leaves out are counted" in said(tags)[-1]
    assert len(said(np.where(tokens > 0, tags, -1), missing=-1)) == 1


def test_what_draws_at_random_is_not_blamed_for_it() -> None:
    def noisy(batch: Any) -> Any:
        error = ops.square(batch.outputs["b"] - batch.targets["b"])
        return error + keras.random.uniform(ops.shape(error))

    assert len(warned([own("noisy")], {"b": NAN}, losses={"noisy": noisy})) == 1


def test_labels_all_missing_on_training_rows_are_no_labels() -> None:
    assert refused([task("b", "binary_crossentropy", missing="nan")], {"b": NAN * np.nan}).code == "no_labels"


def test_class_ids_that_are_missing_may_lie_outside_of_the_classes() -> None:
    ids = np.where(GONE, -1, IDS)
    loss = "sparse_categorical_crossentropy"
    assert len(warned([task("topic", loss, ["sparse_categorical_accuracy"], missing=-1)], {"topic": ids})) == 1
    assert refused([task("topic", loss)], {"topic": ids}).code == "bad_labels"


def test_areas_are_undefined_where_the_labels_that_are_there_are_of_one_class() -> None:
    labels = np.where(np.arange(100).reshape(20, 5) % 2 == 0, np.nan, 1.0)
    said = warned([task("many", "binary_crossentropy", ["auc"], missing="nan")], {"many": labels})
    assert any("many.auc: undefined on train, since its labels are of one class" in text for text in said)


@pytest.mark.parametrize(
    ("name", "loss", "labels", "weights", "said"),
    [
        ("many", "binary_crossentropy", np.ones((20, 5)), "balanced", "train.y['many'] is not one-hot"),
        ("a", "mse", X[:, :1], {"1": 2.0}, "train.y['a'] holds no classes: whole numbers from 0 to 1 are needed"),
        ("topic", "sparse_categorical_crossentropy", IDS, {"3": 2.0}, "class_weight names the class 3, and the output topic has 3"),
    ],
)
def test_class_weights_of_what_has_no_such_classes_are_refused(name: str, loss: str, labels: Any, weights: Any, said: str) -> None:
    definition = study([task(name, loss, class_weight=weights)], search={"confirmation": None})
    with pytest.raises(PreflightError) as caught:
        preflight(problem_of(definition, workload(BUILD, (X, {name: labels}))), definition)
    assert (caught.value.reason.code, caught.value.reason.at) == ("bad_class_weight", "tasks.0.class_weight")
    assert said in caught.value.reason.message
