"""What a call asks for: forms of models and rows, and when two calls are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import steelyard
from steelyard.door.call import SearchCall, understood, write_folder
from steelyard.door.identity import changed_parts
from steelyard.searching import search

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(40, 3)).astype("float32")
Y = {"a": X[:, :1] * 2, "b": (X[:, 1:2] > 0).astype("float32")}
DEFAULTS = {**search.__kwdefaults__, "x": None, "y": None}


def call(model: Any, x: Any = X, y: Any = Y, **more: Any) -> SearchCall:
    return understood({**DEFAULTS, "model": model, "x": x, "y": y, **more})


def two_heads(**arguments: Any) -> keras.Model:
    inputs = keras.Input((3,))
    outputs = {"a": keras.layers.Dense(1)(inputs), "b": keras.layers.Dense(1, activation="sigmoid")(inputs)}
    made = keras.Model(inputs, outputs)
    made.compile("adam", **{"loss": {"a": "mse", "b": "binary_crossentropy"}, **arguments})
    return made


def unnamed() -> keras.Model:
    inputs = keras.Input((3,))
    made = keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])
    made.compile("adam", ["mse", "mse"])
    return made


def test_the_same_cell_run_twice_is_the_same_call() -> None:
    first, second = (call(unnamed(), y=[Y["a"], Y["b"]]) for _ in range(2))
    assert first.model.output_names != second.model.output_names
    assert first.parts == second.parts
    assert first.workload == second.workload


@pytest.mark.parametrize(
    ("more", "changed"),
    [
        ({"metrics": {"a": ["mae"]}}, ["metrics"]),
        ({"loss_weights": {"a": 1.0, "b": 2.0}}, ["loss_weights"]),
        ({"epochs": 3}, ["training"]),
        ({"trials": 50}, []),
        ({"epochs": np.int64(10), "batch_size": np.int32(32), "seed": np.int64(0)}, []),
        ({"x": X + 1}, ["data"]),
        ({"optimizer": "sgd"}, ["training"]),
        ({"loss": {"a": "mse", "b": keras.losses.BinaryCrossentropy(from_logits=True)}}, ["losses"]),
    ],
)
def test_what_a_call_changed_is_named(more: dict[str, Any], changed: list[str]) -> None:
    assert changed_parts(call(two_heads()).parts, call(two_heads(), **more).parts) == changed


def test_a_dataset_is_read_once_with_its_batch_size() -> None:
    import tensorflow as tf

    found = call(two_heads(), tf.data.Dataset.from_tensor_slices((X, Y)).batch(8), None)
    assert found.batch_size == 8
    assert found.splits["train"].count == 32
    assert found.notes[0].startswith("read the dataset once: 0.0 MB")


def test_a_py_dataset_and_a_function_that_returns_a_generator_are_read_like_arrays() -> None:
    class Halves(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return 2

        def __getitem__(self, number: int) -> Any:
            rows = slice(20 * number, 20 * number + 20)
            return X[rows], {name: target[rows] for name, target in Y.items()}

    def halves() -> Any:
        yield from (Halves()[number] for number in range(2))

    arrays = call(two_heads(), batch_size=20)
    for x in (Halves(), halves):
        assert changed_parts(arrays.parts, call(two_heads(), x, None).parts) == []


def twice(first: Any, second: Any) -> Any:
    """Return what reads the rows in two orders, one after the other, in batches of ten."""

    def rows() -> Any:
        for each in np.concatenate([first, second]).reshape(-1, 10):
            yield X[each], {name: target[each] for name, target in Y.items()}

    return rows


ORDER = np.arange(40)


@pytest.mark.parametrize(("more", "split"), [({}, "validation"), ({"validation_data": (X, Y), "test_split": 0.2}, "test")])
@pytest.mark.parametrize("second", [ORDER, ORDER[::-1]])
def test_a_dataset_that_repeats_its_rows_is_not_split(second: Any, more: dict[str, Any], split: str) -> None:
    said = rf"x: each row comes 2 times in it, so the {split} rows would be copies of rows to train on: .* pass {split}_data"
    with pytest.raises(steelyard.ValidationError, match=said):
        call(two_heads(), twice(ORDER, second), None, **more)


def test_a_dataset_that_repeats_its_rows_is_trained_as_it_is_where_other_rows_validate() -> None:
    found = call(two_heads(), twice(ORDER, ORDER), None, validation_data=(X, Y))
    assert (found.splits["train"].count, found.splits["validation"].count) == (80, 40)


def test_rows_that_come_twice_in_a_mixed_order_are_said() -> None:
    mixed = np.random.default_rng(0).permutation(np.concatenate([ORDER, ORDER]))
    found = call(two_heads(), twice(mixed[:40], mixed[40:]), None)
    assert "each row comes 2 times or more in the dataset: validation rows are copies of rows to train on" in found.notes


def test_rows_in_their_order_are_another_training_and_steps_of_all_rows_are_none() -> None:
    whole = call(two_heads()).parts
    assert changed_parts(whole, call(two_heads(), shuffle=False).parts) == ["training"]
    assert changed_parts(whole, call(two_heads(), steps_per_epoch=1, validation_steps=1).parts) == []
    plan = steelyard.search(two_heads(), X, Y, shuffle=False, dry_run=True, verbose=0)
    assert isinstance(plan, steelyard.Plan)
    assert plan.definition["training"]["shuffle"] is False


def test_the_order_of_a_dataset_is_said_and_kept_on_demand() -> None:
    random = np.random.default_rng(0)

    def in_order() -> Any:
        for rows in (slice(0, 20), slice(20, 40)):
            yield X[rows], {name: target[rows] for name, target in Y.items()}

    def shuffling() -> Any:
        order = random.permutation(40)
        yield X[order], {name: target[order] for name, target in Y.items()}

    found = call(two_heads(), in_order, None)
    assert "each epoch takes the dataset's rows in a new order; shuffle=False keeps the dataset's own" in found.notes
    kept, moved = (call(two_heads(), rows, None, shuffle=False) for rows in (in_order, shuffling))
    assert (kept.arguments["shuffle"], moved.arguments["shuffle"]) == (False, True)
    assert "the dataset shuffles by itself, so shuffle=False changes nothing, as in fit" in moved.notes


def test_validation_rows_may_come_from_a_function_with_steps() -> None:
    def endless() -> Any:
        while True:
            yield X[:8], {name: target[:8] for name, target in Y.items()}

    found = call(two_heads(), validation_data=endless, validation_steps=1)
    assert (found.splits["train"].count, found.splits["validation"].count) == (40, 8)


def test_callbacks_that_write_down_a_training_are_left_out_aloud() -> None:
    kinds = [keras.callbacks.ModelCheckpoint("kept.keras"), keras.callbacks.CSVLogger("log.csv")]
    found = call(two_heads(), callbacks=kinds)
    assert any(note.startswith("CSVLogger, ModelCheckpoint: not used") for note in found.notes)
    assert changed_parts(found.parts, call(two_heads()).parts) == []


def test_several_losses_of_a_bare_output_are_said_to_be_more_than_fit_trains() -> None:
    inputs = keras.Input((3,))
    bare = keras.Model(inputs, keras.layers.Dense(1, name="a")(inputs))
    for model, said in ((bare, True), (keras.Model(inputs, {"a": bare.output}), False)):
        found = call(model, y={"a": Y["a"]}, loss={"a": ["mse", "mae"]})
        assert any("fit itself trains only the first of several losses" in note for note in found.notes) is said
    losses = {"mse": 0.0, "mae": 0.0}
    for kind in losses:
        bare.compile(loss={"a": [kind, "mae"]}, loss_weights={"a": [1.0, 7.0]})
        losses[kind] = bare.evaluate(X, Y["a"], verbose=0, return_dict=True)["loss"]
    error = np.asarray(bare(X)) - Y["a"]
    assert losses == pytest.approx({"mse": np.mean(error**2), "mae": np.mean(np.abs(error))}, rel=1e-5)  # no 7 * mae


def test_other_fields_of_a_definition_stand_at_their_places() -> None:
    more = {"search": {"seeds": 3}, "training": {"optimizer": {"name": "sgd"}, "report_every": 2}, "priority": 2}
    plan = steelyard.search(two_heads(), X, Y, trials=5, definition=more, dry_run=True, verbose=0)
    assert isinstance(plan, steelyard.Plan)
    search_of, training = plan.definition["search"], plan.definition["training"]
    assert (search_of["seeds"], search_of["trials"], plan.definition["priority"]) == (3, 5, 2)
    assert (training["optimizer"]["name"], training["report_every"], training["batch_size"]) == ("sgd", 2, 32)
    assert search_of["space"]["total"] == 2.0  # with SGD the weights' sum stays
    assert changed_parts(call(two_heads(), trials=5).parts, call(two_heads(), trials=5, definition=more).parts) == ["search"]


def test_where_the_records_are_is_written_down_with_a_call() -> None:
    from steelyard.door.run import CallRun

    for url, local in ((None, True), ("http://elsewhere:1", False)):
        assert CallRun(call(two_heads(), url=url), print)._memory_of("study")["local"] is local


def test_a_call_says_what_its_study_costs_as_the_service_does() -> None:
    from steelyard.door.run import CallRun

    said: list[str] = []
    cost = "24 to search + at most 36 to confirm, about 4 min; before them 4 baseline trainings"
    CallRun(call(two_heads()), said.append)._announce({"name": "study", "cost": cost, "warnings": []})
    assert said == [cost, "see it: steelyard open study"]


def test_inputs_in_a_list_are_named_for_the_study(tmp_path: Path) -> None:
    inputs = [keras.Input((3,)), keras.Input((3,))]
    hidden = keras.layers.Concatenate()(inputs)
    model = keras.Model(inputs, {"a": keras.layers.Dense(1)(hidden), "b": keras.layers.Dense(1)(hidden)})
    model.compile("adam", "mse")
    found = call(model, [X, X + 1])
    assert list(found.splits["train"].inputs) == ["input_layer", "input_layer_1"]
    write_folder(found, tmp_path)
    from search.training.user.brought import Brought

    rebuilt = Brought(tmp_path).build_model()
    outputs = rebuilt({"input_layer_1": X + 1, "input_layer": X})
    assert set(outputs) == {"a", "b"}
    again = found.model([X, X + 1])
    rebuilt.set_weights(found.model.get_weights())
    np.testing.assert_allclose(rebuilt({"input_layer_1": X + 1, "input_layer": X})["a"], again["a"], rtol=1e-5, atol=1e-6)


def test_a_subclassed_model_with_named_outputs_is_taken(tmp_path: Path) -> None:
    plan = steelyard.search(subclassed, X, Y, loss={"a": "mse", "b": "mse"}, dry_run=True, verbose=0)
    assert isinstance(plan, steelyard.Plan)
    assert [task["name"] for task in plan.definition["tasks"]] == ["a", "b"]
    assert plan.definition["training"]["optimizer"]["name"] == "rmsprop"  # compile's own default


def subclassed() -> keras.Model:
    class Two(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = keras.layers.Dense(1), keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return {"a": self.a(x), "b": self.b(x)}

    return Two()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEELYARD_CACHE_DIR", str(tmp_path / "cache"))


def test_missing_labels_and_class_weights_are_fields_of_the_study_s_tasks() -> None:
    labels = np.where(np.arange(40)[:, None] % 2 == 0, np.nan, Y["a"])
    classes = (np.arange(40) % 2).astype("float32")[:, None]
    plan = steelyard.search(
        two_heads(),
        X,
        {"a": labels, "b": classes},
        missing={"a": "nan"},
        class_weight={"b": {1: 3}},
        dry_run=True,
        verbose=0,
    )
    assert isinstance(plan, steelyard.Plan)
    a, b = plan.definition["tasks"]
    assert (a["missing"], "class_weight" in a) == ("nan", False)
    assert ("missing" in b, b["class_weight"]) == (False, {"1": 3.0})


def test_other_missing_labels_or_class_weights_are_another_study() -> None:
    parts = [
        call(two_heads(), **more).parts for more in ({}, {"missing": -1}, {"missing": {"a": -1}}, {"class_weight": {"b": {0: 2}}})
    ]
    assert "labels" not in parts[0]
    assert len({each.get("labels") for each in parts}) == 4


def test_one_shared_weight_counts_for_several_terms() -> None:
    plan = steelyard.search(
        two_heads(),
        X,
        Y,
        penalties={"near": lambda batch: batch.outputs["a"] ** 2},
        weight_ranges={"b": "both", "near": {"of": "both", "times": 0.5}},
        shared_weights={"both": (0.01, 100)},
        dry_run=True,
        verbose=0,
    )
    assert isinstance(plan, steelyard.Plan)
    assert plan.definition["weights"] == {"both": {"low": 0.01, "high": 100.0}}
    assert plan.definition["tasks"][1]["losses"][0]["weight"] == "both"
    assert plan.definition["penalties"][0]["weight"] == {"of": "both", "times": 0.5}


def test_a_built_in_penalty_and_early_stopping_are_translated() -> None:
    stop = keras.callbacks.EarlyStopping(restore_best_weights=True)
    between = [{"task": "a"}, {"task": "b"}]
    plan = steelyard.search(
        two_heads(),
        X,
        Y,
        penalties={"agree": {"penalty": "consistency", "between": between}},
        callbacks=[stop],
        dry_run=True,
        verbose=0,
    )
    assert isinstance(plan, steelyard.Plan)
    assert plan.definition["objective"]["epoch"] == "best"
    assert plan.definition["penalties"][0]["between"] == between
    assert any("its best one by the objective counts" in warning for warning in plan.warnings)


def test_the_float_type_of_the_callers_process_is_that_of_the_training(tmp_path: Path) -> None:
    from search.training.problem.workload import LoadedWorkload
    from search.training.user.brought import Brought
    from search.workloads.base import bind

    keras.config.set_floatx("float64")
    try:
        found = call(two_heads())
        folder = tmp_path / "written"
        folder.mkdir()
        write_folder(found, folder)
    finally:
        keras.config.set_floatx("float32")
    opened = LoadedWorkload(bind("written", Brought(folder), {}))
    assert opened.rows("train").inputs["input"].dtype.name == "float64"
    assert keras.config.floatx() == "float32"
    assert changed_parts(found.parts, call(two_heads()).parts) != []


def test_losses_in_a_list_are_answered_with_weights_in_a_list() -> None:
    assert call(unnamed(), y=[Y["a"], Y["b"]]).loss_form == "list"
    assert call(two_heads()).loss_form == "dict"
