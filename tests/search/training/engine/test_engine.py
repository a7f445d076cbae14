"""What the engine promises beyond equality with `fit`."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from search.definition.schema import StudyDefinition
from search.training.engine import engine as engine_module
from search.training.engine.engine import CohortEngine
from search.training.engine.strategies import STRATEGIES
from search.training.engine.traces import traces_made
from search.training.interface import Setting
from storage.records import TrialState
from tests.search.training.scenes import (
    RANGE,
    Recorder,
    engine_of,
    kept,
    linear,
    problem_of,
    rows,
    settings,
    study,
    task,
    workload,
)

TRAINING = {"epochs": 2, "batch_size": 8}
BOTH = {"a.error": 1.0, "b.error": 1.0}


def _study(**training: Any) -> StudyDefinition:
    return study([task("a", metrics=["mae", "r2"]), task("b")], training={**TRAINING, **training})


def _new_engine(strategy: str = "serial", batch_size: int = 8) -> CohortEngine:
    return engine_of(_study(batch_size=batch_size), workload(linear({"a": 2, "b": 1}), rows(20, a=2, b=1)), strategy, 2)


_kept_engine = kept(_new_engine)


def _engine(**training: Any) -> tuple[CohortEngine, Any]:
    definition = _study(**training)
    return _kept_engine("serial", definition.training.batch_size), definition.training


def test_epoch_0_is_measured_before_training_and_is_the_same_for_all_settings_of_a_seed() -> None:
    engine, training = _engine()
    recorder = Recorder()
    engine.train(settings(BOTH, {"a.error": 5.0, "b.error": 0.0}), training, recorder)
    first, second = recorder.values(0, 0), recorder.values(1, 0)
    assert first == second
    assert recorder.values(0, 0, "train") == {path: pytest.approx(first[path]) for path in BOTH}  # the same rows
    assert set(first) == {"a.error", "b.error", "a.mae", "a.r2"}
    assert recorder.values(0, 1) != recorder.values(1, 1)


def test_seeds_begin_elsewhere_and_see_the_rows_in_another_order() -> None:
    engine, training = _engine()
    recorder = Recorder()
    engine.train([Setting(0, 0, BOTH), Setting(1, 1, BOTH), Setting(2, 0, BOTH)], training, recorder)
    assert recorder.values(0, 0) != recorder.values(1, 0)
    assert recorder.values(0, 2) == recorder.values(2, 2)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_cohort_again_is_identical_to_the_last_bit_on_the_same_engine_and_on_a_new_one(strategy: str) -> None:
    engine = _kept_engine(strategy, 8)
    once, again, anew = Recorder(), Recorder(), Recorder()
    for each, recorder in ((engine, once), (engine, again), (_new_engine(strategy), anew)):
        each.train(settings(BOTH, {"a.error": 0.1, "b.error": 3.0}), _study().training, recorder)
    for number in (0, 1):
        assert once.values(number, 2) == again.values(number, 2) == anew.values(number, 2)


def test_a_cohort_trains_on_one_trace() -> None:
    engine = _new_engine()
    before = traces_made()
    engine.trace()
    engine.train(settings(BOTH, {"a.error": 0.0, "b.error": 3.0}), _study().training, Recorder())
    assert traces_made() - before == 2  # one to train, one to measure


def test_an_engine_knows_how_many_graphs_it_keeps() -> None:
    engine = _new_engine()
    assert engine.graphs == 0
    engine.trace()
    assert engine.graphs == 2  # one to train, one to measure


def test_epochs_between_reports_are_trained_but_not_reported_and_the_last_is() -> None:
    engine, training = _engine(epochs=5, report_every=2)
    recorder = Recorder()
    engine.train(settings(BOTH), training, recorder)
    assert recorder.epochs(0) == [0, 2, 4, 5]
    assert recorder.ends[0].epochs == 5


def _diverging(batch: Any) -> Any:
    return ops.exp(1e4 * ops.sum(ops.square(batch.outputs["b"])))  # infinite, and so is its gradient


def _with_own_loss(name: str, loss: Callable[[Any], Any]) -> CohortEngine:
    bound = workload(linear({"a": 2, "b": 1}), rows(20, a=2, b=1), losses={name: loss})
    own = {"name": "own", "output": "b", "losses": [{"name": name, "loss": name, "weight": RANGE}]}
    tasks = [task("a"), task("b"), own]
    return CohortEngine(problem_of(study(tasks, training=TRAINING), bound), STRATEGIES["serial"], 1)


def test_an_infinite_term_of_weight_0_does_not_touch_the_training() -> None:
    engine, plain = _with_own_loss("bad", _diverging), _engine()[0]
    recorder, expected = Recorder(), Recorder()
    training = study([task("a")], training=TRAINING).training
    engine.train(settings({**BOTH, "own.bad": 0.0}), training, recorder)
    plain.train(settings(BOTH), training, expected)
    assert recorder.states() == {0: TrialState.COMPLETE}
    assert recorder.values(0, 2, "train")["own.bad"] == math.inf
    for path in BOTH:
        assert recorder.values(0, 2)[path] == pytest.approx(expected.values(0, 2)[path], rel=1e-6)


def _through_the_model_again(batch: Any) -> Any:
    """Is 0 with an infinite gradient: the square root of 0, reached by calling the model."""
    output = batch.call(batch.inputs)["b"]
    return ops.sqrt(ops.sum(ops.square(output - ops.stop_gradient(output))))


def test_an_infinite_gradient_of_weight_0_through_batch_call_does_not_touch_the_training() -> None:
    engine, recorder = _with_own_loss("root", _through_the_model_again), Recorder()
    training = study([task("a")], training=TRAINING).training
    engine.train(settings({**BOTH, "own.root": 0.0}, {**BOTH, "own.root": 1e-9}), training, recorder)
    assert recorder.states() == {0: TrialState.COMPLETE, 1: TrialState.DIVERGED}


def _message(recorder: Recorder, number: int) -> str:
    reason = recorder.ends[number].reason
    assert reason is not None
    assert reason.code == "diverged"
    return reason.message


def test_a_diverged_setting_says_where_and_leaves_the_others_their_bits() -> None:
    engine, training = _engine()
    alone, beside = Recorder(), Recorder()
    engine.train(settings(BOTH, {"a.error": 0.1, "b.error": 3.0}), training, alone)
    engine.train(settings(BOTH, {"a.error": math.inf, "b.error": 1.0}, {"a.error": 0.1, "b.error": 3.0}), training, beside)
    assert beside.states() == {0: TrialState.COMPLETE, 1: TrialState.DIVERGED, 2: TrialState.COMPLETE}
    assert beside.ends[1].epochs == 0
    assert _message(beside, 1) == "epoch 1: the term a.error is not a number"
    assert beside.values(0, 2) == alone.values(0, 2)
    assert beside.values(2, 2) == alone.values(1, 2)


def test_a_term_that_becomes_infinite_is_named_with_its_epoch() -> None:
    engine, recorder = _with_own_loss("bad", _diverging), Recorder()
    training = study([task("a")], training=TRAINING).training
    engine.train(settings({**BOTH, "own.bad": 1.0}), training, recorder)
    assert _message(recorder, 0) == "epoch 1: the term own.bad is infinite"


def test_weights_that_become_infinite_end_a_setting_though_its_terms_were_finite() -> None:
    engine, training = _engine(batch_size=32)  # one step an epoch
    recorder = Recorder()
    engine.train(settings({"a.error": math.inf, "b.error": 1.0}), training, recorder)
    assert _message(recorder, 0) == "epoch 1: the model's weights are not finite"


def test_a_cancelled_setting_ends_and_the_others_go_on() -> None:
    engine, training = _engine(epochs=3)
    recorder = Recorder(cancel=[0], after=2)
    engine.train(settings(BOTH, BOTH), training, recorder)
    assert recorder.states() == {0: TrialState.CANCELLED, 1: TrialState.COMPLETE}
    assert recorder.ends[0].epochs == 1
    assert recorder.epochs(0) == [0, 1]


def test_steps_are_counted_and_returned() -> None:
    engine, training = _engine()
    recorder = Recorder()
    engine.train(settings(BOTH, seed=17), training, recorder)  # no other test has this seed: it is yet to be measured
    assert recorder.steps == 3 * 2 + 3 * 4  # 20 rows in batches of 8; trained twice; measured at epoch 0 (both splits), 1 and 2


def test_the_short_last_batch_counts_by_its_rows() -> None:
    definition = study(
        [task("a")], training={"epochs": 1, "batch_size": 8, "optimizer": {"name": "sgd", "config": {"learning_rate": 0}}}
    )
    x, y = rows(11, a=1)
    engine, recorder = engine_of(definition, workload(linear({"a": 1}), (x, y))), Recorder()
    engine.train(settings({"a.error": 1.0}), definition.training, recorder)
    kernel, bias = engine.variables()[:2]
    expected = np.mean(np.square(x @ kernel + bias - y["a"]))
    assert recorder.values(0, 1, "train")["a.error"] == pytest.approx(expected, rel=1e-5)
    assert recorder.values(0, 1)["a.error"] == pytest.approx(expected, rel=1e-5)


def test_point_sets_come_in_batches_of_their_own() -> None:
    seen: list[Any] = []

    def points(batch: Any) -> Any:
        seen.append(batch.extra["edge"].shape)
        return ops.mean(batch.extra["edge"]) + 0 * ops.sum(batch.outputs["a"])

    bound = workload(linear({"a": 1}), rows(8, a=1), losses={"points": points}, extra={"edge": (np.arange(6.0)[:, None], 2)})
    definition = study([{"name": "a", "losses": [{"name": "points", "loss": "points"}]}], training={"epochs": 1, "batch_size": 2})
    engine, recorder = engine_of(definition, bound), Recorder()
    engine.train(settings({"a.points": 1.0}), definition.training, recorder)
    assert {tuple(shape) for shape in seen[1:]} == {(2, 1)}
    # 4 steps of 2 points go round: 0 1, 2 3, 4 5, 0 1
    assert recorder.values(0, 0)["a.points"] == pytest.approx(np.mean([0.5, 2.5, 4.5, 0.5]))


@pytest.mark.parametrize("asked", ["a training", "the terms before training"])
def test_the_stack_that_ran_out_of_memory_is_gone_when_memory_is_freed(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, training, freed = _new_engine("vectorized"), _study().training, []
    stack = weakref.ref(engine._stack(2))

    def too_large(*_: Any) -> Any:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(engine, "_measure", too_large)
    monkeypatch.setattr(engine_module.gc, "collect", lambda collect=gc.collect: freed.append((collect(), stack())[1]))
    if asked == "a training":
        engine._train_or_save_memory(settings(BOTH, BOTH), training, Recorder())
    else:
        engine._start_or_save_memory(0, Recorder())
    assert freed == [None]


def test_a_stack_that_cannot_train_several_seeds_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = _new_engine("vectorized")
    monkeypatch.setattr(engine, "_form", engine._form._replace(alike=frozenset({0})))
    monkeypatch.setattr(engine_module, "makes_for_several_seeds", lambda problem, make_group, trunk: make_group() is None)
    assert not engine._mixes([Setting(number, number, BOTH) for number in range(2)], 2)
    assert (2, True) not in engine._stacks
