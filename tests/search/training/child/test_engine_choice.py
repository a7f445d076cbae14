"""Which strategy a study gets, how many settings at once, and why."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from search.out_of_memory import GIB
from search.training.child import engine_choice
from search.training.child.engine_choice import Choice, choose, fitting, simpler_choice, threads, traced_before, wanted_size
from search.training.child.server import TrainingChild
from search.training.engine import frozen_trunk, sharded_layers
from search.training.engine.cost import Cost, cost_of, is_packed
from tests.search.training.engine.test_cohorts import Reversal
from tests.search.training.scenes import problem_of, rows, study, task, workload

SMALL = Cost(trained_flops=1e6, shared_flops=0.0, own_convolutions=False, bytes_a_setting=2**20)
LARGE = Cost(trained_flops=5e9, shared_flops=0.0, own_convolutions=True, bytes_a_setting=2**28)


def _problem(*hidden: Any, inputs: int = 12, **training: Any) -> tuple[Any, Any]:
    def build_model() -> keras.Model:
        features = given = keras.Input((inputs,))
        for layer in hidden:
            features = layer()(features)
        return keras.Model(given, {"a": layers.Dense(2)(features), "b": layers.Dense(1)(features)})

    definition = study([task("a"), task("b")], training={"batch_size": 8, **training})
    return definition, problem_of(definition, workload(build_model, rows(20, inputs=inputs, a=2, b=1)))


def _square() -> Any:
    return layers.Reshape((3, 4, 1))


def _convolution(trainable: bool = True) -> Any:
    return lambda: layers.Conv2D(4, 2, trainable=trainable)


def test_small_dense_models_are_vectorized_and_say_why() -> None:
    chosen = choose(*_problem(lambda: layers.Dense(8)))
    assert (chosen.engine, chosen.cohort_size, chosen.threads) == ("vectorized", 8, 1)
    assert "its operations vectorise" in chosen.why


def test_small_convolutions_of_ones_own_are_vectorized() -> None:
    chosen = choose(*_problem(_square, _convolution(), layers.Flatten))
    assert (chosen.engine, chosen.cohort_size) == ("vectorized", engine_choice.LEARNING_SIZE)


@pytest.mark.parametrize(
    "also",
    [lambda: layers.DepthwiseConv2D(2), Reversal],
    ids=["of a kind that no operation does for all", "whose gradients are taken apart"],
)
def test_other_convolutions_of_ones_own_are_unrolled(also: Any) -> None:
    chosen = choose(*_problem(_square, _convolution(), also, layers.Flatten))
    assert (chosen.engine, chosen.cohort_size) == ("unrolled", engine_choice.UNROLLED_SIZE)
    assert "side by side" in chosen.why


def test_middling_convolutions_of_ones_own_are_measured_as_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_choice, "SURELY_SMALL", 1.0)
    monkeypatch.setattr(engine_choice, "cores", lambda: 2)
    why = choose(*_problem(_square, _convolution(), layers.Flatten)).why
    assert all(f"{name} " in why for name in ("serial", "unrolled", "vectorized_parts"))


@pytest.mark.parametrize(
    ("also", "cores"),
    [(lambda: layers.DepthwiseConv2D(2), 2), (Reversal, 2), (layers.ReLU, 1)],
    ids=["of a kind that no operation does for all", "whose gradients are taken apart", "on one core"],
)
def test_convolutions_that_do_not_pack_or_have_one_core_are_not_tried_in_parts(
    also: Any, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_choice, "SURELY_SMALL", 1.0)
    monkeypatch.setattr(engine_choice, "cores", lambda: cores)
    assert "vectorized_parts" not in choose(*_problem(_square, _convolution(), also, layers.Flatten)).why


def test_a_frozen_trunk_is_shared_by_vectorized_heads() -> None:
    definition, problem = _problem(_square, _convolution(trainable=False), layers.Flatten)
    cost = cost_of(problem)
    assert not cost.own_convolutions
    assert cost.shared_flops > 0
    assert choose(definition, problem).engine == "vectorized"


@pytest.mark.parametrize(
    ("images", "data_format", "packs"),
    [((None, 5, 5, 2), "NHWC", True), ((None, 2, 5, 5), "NCHW", False), ((None, None, 5, 2), "NHWC", False)],
    ids=["channels last", "channels first", "of an unknown height"],
)
def test_convolutions_pack_with_channels_last_and_known_sizes(images: Any, data_format: str, packs: bool) -> None:
    with tf.Graph().as_default():
        filters = tf.zeros((3, 3, 2, 4))
        convolved = tf.nn.conv2d(tf.compat.v1.placeholder("float32", images), filters, 1, "SAME", data_format)
        assert is_packed(convolved.op) == packs


@pytest.mark.parametrize("optimizer", ["lamb", "adafactor", "muon"])
def test_an_optimizer_that_couples_elements_trains_settings_one_by_one(optimizer: str) -> None:
    chosen = choose(*_problem(lambda: layers.Dense(8), optimizer={"name": optimizer}))
    assert (chosen.engine, chosen.cohort_size) == ("serial", 1)
    assert "not elementwise" in chosen.why


def test_a_model_bound_by_computation_is_trained_one_setting_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_choice, "BOUND_BY_COMPUTATION", 1.0)
    chosen = choose(*_problem(lambda: layers.Dense(8)))
    assert chosen.engine == "serial"
    assert "bound by computation" in chosen.why


def test_a_middling_model_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_choice, "SURELY_SMALL", 1.0)
    chosen = choose(*_problem(lambda: layers.Dense(8)))
    assert chosen.engine in ("serial", "vectorized")
    assert "measured a setting and step: serial" in chosen.why


def test_a_stack_that_does_not_fit_into_memory_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(*known: Any) -> float:
        if known[-2:] == ("serial", 1):
            return 1.0
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(engine_choice, "SURELY_SMALL", 1.0)
    monkeypatch.setattr(engine_choice, "_timed", timed)
    chosen = choose(*_problem(lambda: layers.Dense(8)))
    assert (chosen.engine, chosen.cohort_size) == ("serial", 1)


@pytest.mark.parametrize(
    ("search", "size"),
    [
        ({"trials": 64}, 8),  # TPE learns: small cohorts
        ({"trials": 64, "pruner": {"name": "hyperband"}}, 16),  # of which most end early
        ({"trials": 64, "sampler": {"name": "random"}}, 32),
        ({"trials": 3, "confirmation": None}, 4),
        ({"trials": 3}, 8),  # beside three baselines
        ({"trials": 64, "cohort_size": 5}, 5),
        ({"trials": 1, "cohort_size": 1}, 1),
    ],
)
def test_the_cohort_is_as_large_as_the_sampler_can_use(search: dict[str, Any], size: int) -> None:
    assert wanted_size(study([task("a"), task("b")], search=search)) == size


def test_the_stack_fits_into_a_share_of_the_memory_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_choice, "memory_limit", lambda: 4 * GIB)  # of which a quarter
    assert fitting(LARGE) == 4
    assert fitting(Cost(1.0, 0.0, False, 300 * 2**20)) == 2
    assert fitting(Cost(1.0, 0.0, False, 2**40)) == 1


def test_only_large_operations_are_shared_out_to_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_choice, "cores", lambda: 2)
    assert threads("vectorized", SMALL, 16) == 1
    assert threads("serial", LARGE, 1) == 2
    assert threads("unrolled", LARGE, 4) == 1


def test_frozen_layers_that_run_in_parts_want_no_threads_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _problem(lambda: layers.Dropout(0.5), lambda: layers.Dense(8, trainable=False))
    monkeypatch.setattr(engine_choice, "cores", lambda: 2)
    monkeypatch.setattr(engine_choice, "WORTH_SHARING", 8 * cost_of(made[1]).trained_flops + 1)  # a cohort's own are not enough
    monkeypatch.setattr(sharded_layers, "cores", lambda: 2)
    monkeypatch.setattr(sharded_layers, "WORTH_SHARING", 1.0)
    monkeypatch.setattr(frozen_trunk, "WORTH_KEEPING", 1.0)
    monkeypatch.setattr(sharded_layers, "WORTH_CUTTING", 1.0)
    assert choose(*made).threads == 1
    monkeypatch.setattr(engine_choice, "sharded_layers", lambda *_: sharded_layers.NOT_SHARDED)
    assert choose(*made).threads == 2


@pytest.mark.parametrize(
    ("search", "cores", "left"),
    [
        ({"pruner": {"name": "hyperband"}}, 2, 24),
        ({"pruner": {"name": "hyperband"}}, 1, 24),
        ({"pruner": {"name": "successive_halving", "config": {"min_epochs": 9}}}, 2, 18),
        ({"pruner": {"name": "successive_halving", "config": {"min_epochs": 10}}}, 2, 0),  # no rung before the end
        ({"pruner": {"name": "hyperband"}}, 3, 0),
        ({"pruner": {"name": "hyperband"}, "seeds": 2}, 2, 0),
        ({}, 2, 0),
    ],
)
def test_where_training_needs_all_cores_smaller_stacks_are_traced_before_it(
    search: dict[str, Any], cores: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_choice, "cores", lambda: cores)
    assert traced_before(study([task("a")], search={"trials": 9, **search}, training={"epochs": 27})) == left


def test_the_cost_counts_the_matrix_products_of_one_forward_step() -> None:
    _, problem = _problem(lambda: layers.Dense(8))
    products = 2 * 8 * (12 * 8 + 8 * 2 + 8 * 1)  # 2 * batch * (inputs x units of each layer)
    assert cost_of(problem).trained_flops == products


def _reads_words() -> keras.Model:
    inputs = keras.Input((4,), dtype="int32")
    features = layers.LSTM(2)(layers.Embedding(5, 2)(inputs))
    return keras.Model(inputs, {"a": layers.Dense(1)(features), "b": layers.Dense(1)(features)})


def test_a_model_that_cannot_be_vectorized_is_trained_as_copies_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient by an embedding's rows through a loop: TensorFlow's map has no form for it."""
    _, targets = rows(20, a=1, b=1)
    definition = study([task("a"), task("b")], training={"batch_size": 8})
    problem = problem_of(definition, workload(_reads_words, (np.arange(80).reshape(20, 4) % 5, targets)))
    child = TrainingChild(None)  # type: ignore[arg-type]
    monkeypatch.setattr(child, "_problem", lambda _: problem)
    chosen = child._traced(definition, Choice("vectorized", 2, 1, "small"))
    assert (chosen.engine, chosen.cohort_size) == ("unrolled", 2)
    assert chosen.why.startswith("vectorized cannot be traced: ")


def test_copies_side_by_side_are_few() -> None:
    chosen = simpler_choice(Choice("vectorized", 16, 2, "small"), "TypeError: no")
    assert chosen == Choice("unrolled", engine_choice.UNROLLED_SIZE, 1, "vectorized cannot be traced: TypeError: no")


def test_what_cannot_be_unrolled_either_is_trained_alone() -> None:
    chosen = simpler_choice(Choice("unrolled", 4, 1, "small"), "ValueError: no")
    assert chosen == Choice("serial", 1, 1, "unrolled cannot be traced: ValueError: no")
    assert simpler_choice(chosen, "ValueError: no") is None
