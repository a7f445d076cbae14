"""Weights that move in training, in the engine: schedules and rules, alone and side by side."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from search.catalog import WeightingRule
from search.definition.schedules import AppliedSchedule
from search.training.engine.engine import CohortEngine
from search.training.engine.pace import StepBudget
from search.training.engine.traces import traces_made
from search.training.interface import Setting
from search.training.weighting.protocol import StepView
from search.workloads.data import read
from storage.records import TrialState
from tests.search.training.scenes import RANGE, Recorder, engine_of, kept, linear, study, task, workload
from tests.search.training.twins import twin_of
from tests.search.training.weighting.by_hand import BATCH, COUNT, DATA, PATHS, RATE, ByHand, shared_gradients

EQUAL = dict.fromkeys(PATHS, 1.0)
WARM_UP = {"b.error": AppliedSchedule("linear", 0.0, 1.0)}
STRATEGIES = ["vectorized", "unrolled", "serial"]
EPOCHS = 4
STEPS = 3  # an epoch


L2 = keras.regularizers.L2(0.1)


def _trunk(regularizer: Any = None) -> keras.Model:
    x = keras.Input((3,))
    features = layers.Dense(2, kernel_regularizer=regularizer, name="trunk")(x)
    return keras.Model(x, {name: layers.Dense(1, name=name)(features) for name in ("a", "b")})


def _study(epochs: int = EPOCHS, **optimizer: Any) -> Any:
    chosen = {"name": "sgd", "config": {"learning_rate": RATE}} | optimizer
    return study([task("a"), task("b")], training={"epochs": epochs, "batch_size": BATCH, "optimizer": chosen})


def _new_engine(strategy: str = "serial", size: int = 1, build: Callable[[], Any] = _trunk, optimizer: str = "{}") -> CohortEngine:
    data = (np.abs(DATA[0] * 2).astype(np.int32) % 5, DATA[1]) if build is _embedded else DATA
    return engine_of(_study(**json.loads(optimizer)), workload(build, data), strategy, size)


_kept_engine = kept(_new_engine)


def _engine(strategy: str = "serial", size: int = 1, build: Callable[[], Any] = _trunk, **optimizer: Any) -> CohortEngine:
    return _kept_engine(strategy, size, build, json.dumps(optimizer))


def _new_engine(strategy: str, size: int) -> CohortEngine:
    """Return an engine that no other test shares."""
    return _kept_engine.__wrapped__(strategy, size, _trunk, json.dumps({}))  # type: ignore[attr-defined,no-any-return]


def _setting(number: int, rule: str = "fixed", **more: Any) -> Setting:
    return Setting(number, 7, more.pop("weights", EQUAL), rule=rule, **more)


def _trained(engine: CohortEngine, settings: Sequence[Setting], epochs: int = EPOCHS) -> Recorder:
    recorder = Recorder()
    engine.train(settings, _study(epochs).training, recorder)
    return recorder


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("rule", ["uncertainty", "dwa", "random", "gradnorm", "famo", "imtl_l"])
def test_a_rule_trains_as_computed_by_hand(rule: str, strategy: str, float64: None) -> None:
    engine = _engine(strategy, 2)
    start = [each.numpy() for each in engine._problem.network(7).trainable]
    recorder = _trained(engine, [_setting(0, rule), _setting(1, rule, weights={"a.error": 0.5, "b.error": 8.0})])
    hand = ByHand(rule, start, recorder.values(0, 0, "train"))
    before = hand.weights() if rule == "famo" else np.ones(2)  # FAMO's depend on the terms' values
    assert recorder.values(0, 0, "weights") == pytest.approx(dict(zip(PATHS, before, strict=True)))
    for epoch in range(1, EPOCHS + 1):
        in_force = hand.weights()  # dwa: of this epoch
        hand.epoch(epoch)
        if rule == "random":
            hand.step -= 1
            in_force = hand.weights()  # of the last step
            hand.step += 1
        elif rule != "dwa":
            in_force = hand.weights()
        for number in (0, 1):  # where a rule begins does not depend on the starting weights
            assert recorder.values(number, epoch, "train") == pytest.approx(dict(zip(PATHS, hand.means[-1], strict=True)), abs=1e-9)
            assert recorder.values(number, epoch, "weights") == pytest.approx(dict(zip(PATHS, in_force, strict=True)), abs=1e-9)
    for ours, theirs in zip(engine.variables()[: len(start)], hand.variables, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


MIXED = [
    _setting(0, weights={"a.error": 2.0, "b.error": 0.5}),
    _setting(1, schedules=WARM_UP),
    _setting(2, "dwa"),
    _setting(3, "uncertainty"),
    _setting(4, "random"),
    _setting(5, "gradnorm"),
    _setting(6, "imtl_l"),
    _setting(7, "famo"),
]


def test_settings_of_different_rules_train_together_as_each_alone(float64: None) -> None:
    adam = {"name": "adamw", "config": {"learning_rate": RATE, "clipnorm": 0.5}}
    engine, alone = _engine("vectorized", 8, **adam), _engine("serial", 1, **adam)
    together, apart = _trained(engine, MIXED), _trained(alone, MIXED)
    assert [list(report.numbers) for report in together.reports if report.epoch == 1] == [[0, 1, 2, 3, 4, 6], [5], [7]]
    for setting in MIXED:
        for split in ("train", "validation", "weights"):
            for epoch in (0, 1, EPOCHS):
                expected = apart.values(setting.number, epoch, split) or MIXED[0].weights  # alone, fixed weights are not reported
                assert together.values(setting.number, epoch, split) == pytest.approx(expected, abs=1e-9)


def test_a_scheduled_weight_trains_as_fit_with_the_weight_changed_before_each_epoch(float64: None) -> None:
    schedules = {"a.error": AppliedSchedule("cosine", 3.0, 0.5), "b.error": AppliedSchedule("linear", 0.0, 0.75)}
    weights = {"a.error": 0.5, "b.error": 2.0}
    factors = [(3.0, 0.0), (2.0, 1 / 3), (1.0, 2 / 3), (1.0, 1.0)]  # of a: half a cosine over 2 epochs; of b: thirds
    engine, bound = _engine("vectorized", 2), workload(_trunk, DATA)
    recorder = _trained(engine, [_setting(0, weights=weights, schedules=schedules)])
    keras.utils.set_random_seed(7)
    twin = twin_of(bound.build_model())
    twin.compile(keras.optimizers.SGD(RATE))
    terms = {path: lambda y, p, name=path[0]: ops.mean(ops.square(y[name] - p[name])) for path in PATHS}
    train = read(bound.load_data()).train
    for epoch, factor in enumerate(factors):
        used = {path: weights[path] * factor[place] for place, path in enumerate(PATHS)}
        twin.take(terms, used)
        twin.make_train_function(force=True)
        order = np.random.default_rng([7, epoch]).permutation(COUNT)
        x, y = next(iter(train.inputs.values()))[order], {name: array[order] for name, array in train.targets.items()}
        twin.fit(x, y, epochs=1, shuffle=False, batch_size=BATCH, verbose=0)
        assert recorder.values(0, epoch + 1, "weights") == pytest.approx(used)
    for ours, theirs in zip(engine.variables(0), twin.trainable_variables, strict=False):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)


def test_random_weights_are_the_same_however_an_epoch_is_split_into_calls(float64: None, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = [_setting(0, "random"), _setting(1, "uncertainty")]
    whole = _trained(_engine("vectorized", 2), settings)
    monkeypatch.setattr(StepBudget, "steps", lambda self, left: 1)
    split = _trained(_engine("vectorized", 2), settings)
    for number in (0, 1):
        assert split.values(number, EPOCHS) == pytest.approx(whole.values(number, EPOCHS), abs=1e-12)
        assert split.values(number, EPOCHS, "weights") == pytest.approx(whole.values(number, EPOCHS, "weights"), abs=1e-12)


def test_weights_are_reported_only_where_some_move() -> None:
    engine = _engine("vectorized", 2)
    assert all(not report.weights for report in _trained(engine, [_setting(0), _setting(1)], 1).reports)
    mixed = _trained(engine, [_setting(0, weights={"a.error": 2.0, "b.error": 0.5}), _setting(1, "uncertainty")], 1)
    assert [mixed.values(0, epoch, "weights") for epoch in (0, 1)] == [{"a.error": 2.0, "b.error": 0.5}] * 2


def test_rules_that_move_within_an_epoch_need_one_trace_more_and_the_others_none() -> None:
    engine = _new_engine("vectorized", 4)
    engine.trace()
    before = traces_made()
    _trained(engine, [_setting(0), _setting(1, "dwa"), _setting(2, schedules=WARM_UP)], 3)
    assert traces_made() == before
    _trained(engine, [_setting(0), _setting(1, "uncertainty"), _setting(2, "random"), _setting(3, "dwa")], 3)
    assert traces_made() == before + 1


@pytest.mark.parametrize("rule", ["uncertainty", "dwa", "random", "gradnorm", "famo", "imtl_l"])
def test_a_term_of_weight_0_stays_out(rule: str) -> None:
    recorder = _trained(_engine("vectorized", 2), [_setting(0, rule, weights={"a.error": 0.0, "b.error": 1.0})])
    weights = [report.weights for report in recorder.reports]
    assert [each["a.error"] for each in weights] == [[0.0]] * (EPOCHS + 1)
    if rule not in ("uncertainty", "imtl_l"):  # all others keep the sum
        assert [each["b.error"] for each in weights] == [[pytest.approx(1.0)]] * (EPOCHS + 1)


def test_beside_a_diverging_neighbour_moved_weights_keep_every_bit() -> None:
    bad = _setting(9, weights={"a.error": math.inf, "b.error": 1.0})
    healthy = _trained(_new_engine("vectorized", 4), [MIXED[3], MIXED[0], MIXED[4]])
    beside = _trained(_engine("vectorized", 4), [MIXED[3], bad, MIXED[4]])
    assert beside.states()[9] is TrialState.DIVERGED
    for number in (3, 4):
        for split in ("validation", "weights"):
            assert beside.values(number, EPOCHS, split) == healthy.values(number, EPOCHS, split)


@pytest.mark.parametrize("rule", ["uncertainty", pytest.param("gradnorm", marks=pytest.mark.soak)])
def test_what_a_rule_learned_moves_to_a_smaller_stack(rule: str, float64: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.training.engine.sizes.SECONDS_A_TRACE", 0.0)
    adam = {"name": "adam", "config": {"learning_rate": RATE}}
    alone = _trained(_engine("serial", 1, **adam), [_setting(2, rule)])
    engine, shrunk = _engine("vectorized", 4, **adam), Recorder(cancel=[0, 1, 3], after=3)  # epochs 0, 1 and 2
    engine.train([_setting(number, rule) for number in range(4)], _study().training, shrunk)
    assert sorted(size for size, _ in engine._stacks) == [1, 4]
    for split in ("train", "weights"):
        assert shrunk.values(2, EPOCHS, split) == pytest.approx(alone.values(2, EPOCHS, split), abs=1e-9)


def test_clipping_and_decay_are_for_the_model_and_not_for_what_a_rule_learns(float64: None) -> None:
    config = {"learning_rate": RATE, "global_clipnorm": 1e-3, "weight_decay": 0.5}
    training = {"epochs": 1, "batch_size": COUNT, "optimizer": {"name": "sgd", "config": config}}
    definition, recorder = study([task("a"), task("b")], training=training), Recorder()
    engine_of(definition, workload(_trunk, DATA), "vectorized", 2).train(
        [_setting(0, "uncertainty")], definition.training, recorder
    )
    before = recorder.values(0, 0, "train")
    expected = {path: math.exp(RATE * (1 - before[path])) for path in PATHS}  # one step from 0: s = -RATE * (1 - L)
    assert recorder.values(0, 1, "weights") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rule", ["uncertainty", "gradnorm"])
def test_a_rule_learns_at_the_learning_rate_of_its_own_setting(rule: str, float64: None) -> None:
    searched = {"learning_rate": {"low": 0.001, "high": 1.0}, "weight_decay": {"low": 0.01, "high": 1.0}}
    rates = {0: 0.01, 1: 0.05}
    settings = [
        _setting(n, rule, arguments={"optimizer.learning_rate": rate, "optimizer.weight_decay": 0.1}) for n, rate in rates.items()
    ]
    together = _trained(_engine("vectorized", 2, name="adamw", config=searched), settings)
    for number, rate in rates.items():
        alone = _engine("serial", 1, name="adamw", config={"learning_rate": rate, "weight_decay": 0.1})
        expected = _trained(alone, [_setting(number, rule)])
        for split in ("train", "validation", "weights"):
            assert together.values(number, EPOCHS, split) == pytest.approx(expected.values(number, EPOCHS, split), abs=1e-8)


def test_gradnorm_fails_alone_where_the_losses_share_no_layer() -> None:
    engine = _engine("vectorized", 4, build=linear({"a": 1, "b": 1}))
    recorder = _trained(engine, [_setting(0), _setting(1, "gradnorm"), _setting(2, "uncertainty")], 1)
    assert recorder.states() == {0: TrialState.COMPLETE, 1: TrialState.FAILED, 2: TrialState.COMPLETE}
    assert recorder.ends[1].reason is not None
    assert recorder.ends[1].reason.code == "no_shared_layer"


def _embedded() -> keras.Model:
    x = keras.Input((3,), dtype="int32")
    features = layers.Flatten()(layers.Embedding(5, 2)(x))
    return keras.Model(x, {name: layers.Dense(1, kernel_regularizer=L2, name=name)(features) for name in ("a", "b")})


def _recurrent() -> keras.Model:
    x = keras.Input((3,))
    features = layers.LSTM(3)(layers.Reshape((3, 1))(x))
    return keras.Model(x, {name: layers.Dense(1, name=name)(features) for name in ("a", "b")})


def _convolved() -> keras.Model:
    x = keras.Input((3,))
    features = layers.Flatten()(layers.Conv1D(2, 2)(layers.Reshape((3, 1))(x)))
    return keras.Model(x, {name: layers.Dense(1, name=name)(features) for name in ("a", "b")})


@pytest.mark.parametrize(
    ("build", "strategy"),
    [(_embedded, "vectorized"), pytest.param(_recurrent, "vectorized", marks=pytest.mark.soak), (_convolved, "unrolled")],
)
def test_gradnorm_is_the_same_on_a_stack_as_alone(build: Callable[[], Any], strategy: str, float64: None) -> None:
    settings = [_setting(0, "gradnorm"), _setting(1, "gradnorm", weights={"a.error": 0.0, "b.error": 1.0})]
    stacked, alone = _trained(_engine(strategy, 2, build), settings, 2), _trained(_engine("serial", 1, build), settings, 2)
    assert alone.values(0, 2, "weights")["a.error"] != pytest.approx(1.0, abs=1e-6)
    for number in (0, 1):
        for split in ("train", "weights"):
            assert stacked.values(number, 2, split) == pytest.approx(alone.values(number, 2, split), abs=1e-9)


def test_an_infinite_term_ends_no_setting_before_its_schedule_brings_it_in() -> None:
    tasks = [task("a"), task("b"), {"name": "own", "output": "b", "losses": [{"name": "bad", "loss": "bad", "weight": RANGE}]}]
    bound = workload(_trunk, DATA, losses={"bad": lambda batch: ops.exp(1e4 * ops.sum(ops.square(batch.outputs["b"])) + 1e4)})
    definition = study(tasks, training={"epochs": EPOCHS, "batch_size": BATCH})
    recorder = Recorder()
    step_in = {"own.bad": AppliedSchedule("step", 0.0, 0.5)}
    setting = replace(_setting(0), weights={**EQUAL, "own.bad": 1.0}, schedules=step_in)
    engine_of(definition, bound).train([setting], definition.training, recorder)
    assert recorder.epochs(0) == [0, 1, 2]
    assert recorder.states() == {0: TrialState.DIVERGED}
    assert recorder.ends[0].reason is not None
    assert recorder.ends[0].reason.message.startswith("epoch 3: the term")


def test_values_before_training_are_those_of_epoch_0_and_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, seed = _engine("vectorized", 2), 17  # no other test has this seed: it is yet to be measured
    initial = engine.initial_values(seed, Recorder())
    monkeypatch.setattr(engine, "_measured_start", lambda *_: pytest.fail("measured again"))
    assert _trained(engine, [replace(_setting(0), seed=seed)], 1).values(0, 0, "train") == initial
    assert engine.initial_values(seed, Recorder()) == initial


def test_values_before_training_that_are_not_finite_are_left_out() -> None:
    tasks = [task("a"), {"name": "own", "output": "b", "losses": [{"name": "bad", "loss": "bad", "weight": 0.0}]}]
    bound = workload(_trunk, DATA, losses={"bad": lambda batch: ops.sum(batch.outputs["b"]) * math.inf})
    engine = engine_of(study(tasks, training={"epochs": 1, "batch_size": BATCH}), bound)
    assert set(engine.initial_values(0, Recorder())) == {"a.error"}


def test_famo_is_the_same_on_a_stack_as_alone_where_gradients_come_by_rows(float64: None) -> None:
    settings = [_setting(0, "famo"), _setting(1, "famo", weights={"a.error": 0.0, "b.error": 1.0})]
    stacked, alone = (
        _trained(_engine("vectorized", 2, _embedded), settings, 2),
        _trained(_engine("serial", 1, _embedded), settings, 2),
    )
    assert alone.values(0, 2, "weights")["a.error"] != pytest.approx(1.0, abs=1e-6)
    for number in (0, 1):
        for split in ("train", "weights"):
            assert stacked.values(number, 2, split) == pytest.approx(alone.values(number, 2, split), abs=1e-9)


class Aligned:
    """A rule that no study has: a term weighs as much as its gradient agrees with all terms' gradients."""

    descends = ()

    def init(self, counts: Any, initial: Any) -> Any:
        return {"weights": counts.astype(float)}

    def weights(self, state: Any, view: StepView) -> Any:
        return state["weights"] if view.terms is None else tf.reduce_sum(view.gram, axis=-1)

    def update(self, state: Any, view: StepView) -> Any:
        return {"weights": view.weights}


ALIGNED = Aligned()


def test_a_rule_may_weigh_by_the_gram_matrix_of_the_step_s_own_gradients(float64: None, monkeypatch: pytest.MonkeyPatch) -> None:
    aligned = WeightingRule(
        name="aligned",
        summary="",
        formula="",
        source="",
        title="",
        implementation=f"{__name__}:ALIGNED",
        needs=("gram_matrix",),
        weighs_this_step=True,
    )
    monkeypatch.setattr("search.training.weighting.loading.find_weighting_rule", {"aligned": aligned}.get)
    training = {"epochs": 1, "batch_size": COUNT, "optimizer": {"name": "sgd", "config": {"learning_rate": RATE}}}
    definition, recorder = study([task("a"), task("b")], training=training), Recorder()
    engine = engine_of(definition, workload(lambda: _trunk(L2), DATA), "vectorized", 2)
    start = [each.numpy() for each in engine._problem.network(7).trainable]
    engine.train([_setting(0, "aligned")], definition.training, recorder)
    found = shared_gradients(start)
    expected = (found @ found.T).sum(axis=1)
    assert recorder.values(0, 1, "weights") == pytest.approx(dict(zip(PATHS, expected, strict=True)), abs=1e-9)
    moved = start[0] - RATE * ((expected @ found)[:6].reshape(3, 2) + 0.2 * start[0])  # the model's own loss counts 1
    np.testing.assert_allclose(engine.variables(0)[0], moved, rtol=0, atol=1e-9)


def test_a_rule_ends_alone_and_by_name_where_a_term_is_outside_of_what_it_is_defined_for() -> None:
    tasks = [task("a"), {"name": "own", "output": "b", "losses": [{"name": "zero", "loss": "zero", "weight": RANGE}]}]
    losses = {"zero": lambda batch: 0 * ops.sum(batch.outputs["b"])}
    definition, recorder = study(tasks, training={"epochs": 1, "batch_size": BATCH}), Recorder()
    weights = {"a.error": 1.0, "own.zero": 1.0}
    settings = [_setting(number, rule, weights=weights) for number, rule in enumerate(["famo", "imtl_l", "fixed"])]
    engine_of(definition, workload(_trunk, DATA, losses=losses), "vectorized", 2).train(settings, definition.training, recorder)
    assert recorder.states() == {0: TrialState.FAILED, 1: TrialState.COMPLETE, 2: TrialState.COMPLETE}
    reason = recorder.ends[0].reason
    assert reason is not None
    assert reason.code == "undefined_weighting"
    assert reason.message == "epoch 1: famo needs terms that are positive, and own.zero was 0"


def test_a_rule_that_the_worker_lacks_ends_its_setting_alone() -> None:
    recorder = _trained(_engine("vectorized", 2), [_setting(0), _setting(1, "pcgrad")], 1)
    assert recorder.states() == {0: TrialState.COMPLETE, 1: TrialState.FAILED}
    assert recorder.ends[1].reason is not None
    assert recorder.ends[1].reason.code == "unknown_weighting_rule"
