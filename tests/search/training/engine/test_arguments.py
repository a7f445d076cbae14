"""Settings that differ in numbers beside weights train in one cohort as each would alone, by plain Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from search import catalog
from search.definition.schema import Optimizer, StudyDefinition
from search.training.child.server import reason_of
from search.training.engine.strategies import STRATEGIES
from search.training.interface import Setting
from search.training.problem.optimizers import made_optimizer
from search.training.problem.per_setting_optimizer import set_hyperparameters
from search.workloads.base import ResolvedWorkload
from tests.search.training.scenes import Recorder, checked, engine_of, linear, rows, study, task, workload
from tests.search.training.twins import Terms, TwinRun

K, ROWS, WIDTH = 3, 4, 2
RATES = [0.3, 0.01, 0.002]
DECAYS = [0.0, 0.1, 0.5]
FORMS: Mapping[str, Mapping[str, Any]] = {
    "sgd": {"momentum": 0.9, "nesterov": True},
    "adam": {"amsgrad": True, "clipvalue": 0.5},
    "adamw": {"weight_decay": 0.1},
    "rmsprop": {"momentum": 0.5, "centered": True, "weight_decay": 0.1},
    "ftrl": {"l1_regularization_strength": 0.01, "beta": 0.1},
    "schedulefreeadamw": {"warmup_steps": 3, "weight_decay": 0.1},
    "nadam": {"gradient_accumulation_steps": 2},
}
STACKING = [entry.name for entry in catalog.OPTIMIZERS if entry.elementwise]


def gradients() -> list[list[Any]]:
    """Return four steps' gradients of K settings of a matrix [ROWS, WIDTH] and a scalar."""
    random = np.random.default_rng(0)
    return [[random.normal(size=(K, ROWS, WIDTH)), random.normal(size=(K,))] for _ in range(4)]


def apart(kind: str, config: Mapping[str, Any], searched: Mapping[str, Sequence[float]]) -> list[Any]:
    """Train every setting with an optimizer of its own; return the matrices [K, ROWS, WIDTH] and the scalars [K]."""
    ends = []
    for k in range(K):
        own = {name: values[k] for name, values in searched.items()}
        optimizer = made_optimizer(Optimizer(name=kind, config={**config, **own}))
        variables = [keras.Variable(np.ones((ROWS, WIDTH))), keras.Variable(np.float64(1))]
        optimizer.build(variables)
        for step in gradients():
            optimizer.apply([tf.constant(each[k]) for each in step], variables)
        ends.append([variable.numpy() for variable in variables])
    return [np.stack(values) for values in zip(*ends, strict=True)]


def together(kind: str, config: Mapping[str, Any], searched: Mapping[str, Sequence[float]]) -> list[Any]:
    """Train all settings with one optimizer, as the engine does."""
    ranges = {name: {"low": 0.0, "high": 1.0} for name in searched}
    optimizer = made_optimizer(Optimizer(name=kind, config={**config, **ranges}))
    variables = [keras.Variable(np.ones((K, ROWS, WIDTH))), keras.Variable(np.ones(K))]
    optimizer.build(variables)
    for step in gradients():
        set_hyperparameters(optimizer, {name: tf.constant(values, "float64") for name, values in searched.items()})
        optimizer.apply([tf.constant(each) for each in step], variables)
    return [variable.numpy() for variable in variables]


@pytest.mark.parametrize("kind", STACKING)
def test_every_elementwise_optimizer_takes_a_learning_rate_a_setting(kind: str, float64: None) -> None:
    config, searched = FORMS.get(kind, {}), {"learning_rate": RATES}
    for ours, own in zip(together(kind, config, searched), apart(kind, config, searched), strict=True):
        np.testing.assert_allclose(ours, own, rtol=1e-12)
        assert len({round(value, 6) for value in own.reshape(K, -1)[:, 0]}) == K


@pytest.mark.parametrize("kind", STACKING)
def test_every_elementwise_optimizer_takes_a_weight_decay_a_setting(kind: str, float64: None) -> None:
    searched = {"learning_rate": RATES, "weight_decay": DECAYS}
    for ours, own in zip(together(kind, {}, searched), apart(kind, {}, searched), strict=True):
        np.testing.assert_allclose(ours, own, rtol=1e-12)


@pytest.mark.parametrize("kind", ["lamb", "adafactor", "muon"])
def test_an_optimizer_that_cannot_be_stacked_takes_its_learning_rate_as_a_tensor(kind: str, float64: None) -> None:
    ends = []
    for searched in (True, False):
        optimizer = made_optimizer(Optimizer(name=kind, config={"learning_rate": {"low": 0.0, "high": 1.0} if searched else 0.03}))
        variable = keras.Variable(np.ones((ROWS, WIDTH)))
        optimizer.build([variable])
        for step in gradients():
            set_hyperparameters(optimizer, {"learning_rate": tf.constant(0.03, "float64")} if searched else {})
            optimizer.apply([tf.constant(step[0][0])], [variable])
        ends.append(variable.numpy())
    np.testing.assert_allclose(*ends, rtol=1e-12)
    assert not np.allclose(ends[0], 1)


def test_an_optimizer_of_which_nothing_is_searched_is_keras_s_own() -> None:
    assert type(made_optimizer(Optimizer(name="adam"))) is keras.optimizers.Adam


# Learning rates in the engine


def searching(config: Mapping[str, Any], name: str = "adam") -> dict[str, Any]:
    """Return a study's `training` under which the optimizer's learning rate is searched."""
    optimizer = {"name": name, "config": {**config, "learning_rate": {"low": 1e-4, "high": 1.0}}}
    return {"training": {"epochs": 3, "batch_size": 8, "optimizer": optimizer}}


def with_arguments(*arguments: Mapping[str, float], **weights: float) -> list[Setting]:
    """Return settings of these arguments, of the same weights: by term path with `__` for the dot."""
    used = {path.replace("__", "."): weight for path, weight in weights.items()}
    return [Setting(number, 0, used, arguments=each) for number, each in enumerate(arguments)]


def error(name: str) -> Any:
    return lambda y, p: ops.mean(ops.square(y[name] - p[name]))


class Cohort:
    """Settings trained together for three epochs, to be compared with `fit`."""

    def __init__(
        self, definition: StudyDefinition, bound: ResolvedWorkload, settings: Sequence[Setting], strategy: str = "vectorized"
    ) -> None:
        self.bound, self.settings, self.recorder = bound, settings, Recorder()
        self.engine = engine_of(definition, bound, strategy, size=len(settings))
        self.engine.train(settings, definition.training, self.recorder)

    def fit(self, number: int, terms: Terms, optimizer: Any) -> TwinRun:
        """Train a setting's twin."""
        weights = self.settings[number].weights
        return TwinRun(self.bound, terms, weights, optimizer=optimizer, batch_size=8, epochs=3, seed=0, validate=True)

    def assert_fit(self, number: int, terms: Terms, optimizer: Any) -> None:
        """Compare a setting's weights after the last epoch, and its terms after each, with those of plain Keras."""
        self.assert_equal(number, terms, self.fit(number, terms, optimizer))

    def assert_equal(self, number: int, terms: Terms, twin: TwinRun, *, variables: bool = True) -> None:
        for ours, fitted in zip(self.engine.variables(number), twin.variables, strict=False) if variables else ():
            np.testing.assert_allclose(ours, fitted, rtol=1e-8, atol=1e-12)  # ours have the random state at their end
        for epoch in (1, 2, 3):
            measured = self.recorder.values(number, epoch)
            assert {path: measured[path] for path in terms} == pytest.approx(twin.validation[epoch - 1], rel=1e-8)
            trained = self.recorder.values(number, epoch, "train")
            assert {path: trained[path] for path in terms} == pytest.approx(twin.train[epoch - 1], rel=1e-8)


OPTIMIZERS: Mapping[str, tuple[str, Mapping[str, Any], Any]] = {
    "momentum": ("sgd", {"momentum": 0.9}, keras.optimizers.SGD),
    "decay": ("adamw", {"weight_decay": 0.1}, keras.optimizers.AdamW),
    "clipped": ("adam", {"global_clipnorm": 0.05}, keras.optimizers.Adam),
}
TWO_RATES = ({"optimizer.learning_rate": 0.1}, {"optimizer.learning_rate": 0.004})
TWO_ERRORS = {"a.error": error("a"), "b.error": error("b")}


@pytest.mark.parametrize("form", OPTIMIZERS)
def test_two_learning_rates_in_one_cohort_are_two_fits(form: str, float64: None) -> None:
    name, config, kind = OPTIMIZERS[form]
    bound = workload(linear({"a": 1, "b": 2}), rows(a=1, b=2))
    definition = study([task("a"), task("b")], **searching(config, name))
    settings = with_arguments(*TWO_RATES, a__error=1.0, b__error=0.3)
    strategies = [*STRATEGIES] if form == "decay" else ["vectorized"]
    cohorts = {strategy: Cohort(definition, bound, settings, strategy) for strategy in strategies}
    for number, each in enumerate(TWO_RATES):
        optimizer = kind(learning_rate=each["optimizer.learning_rate"], **config)
        twin = cohorts["vectorized"].fit(number, TWO_ERRORS, optimizer)
        for strategy, cohort in cohorts.items():
            cohort.assert_equal(number, TWO_ERRORS, twin, variables=strategy != "serial")


def embedded() -> keras.Model:
    x = keras.Input((2,), dtype="int32")
    return keras.Model(x, {"a": keras.layers.Dense(1)(keras.layers.Flatten()(keras.layers.Embedding(5, 3)(x)))})


@pytest.mark.parametrize("name", ["adam", pytest.param("sgd", marks=pytest.mark.soak)])
def test_learning_rates_reach_the_rows_of_an_embedding_and_its_weight_decay(name: str, float64: None) -> None:
    random = np.random.default_rng(0)
    words = random.integers(0, 4, (20, 2))  # the fifth row gets no gradient: only decay moves it
    bound = workload(embedded, (words, {"a": random.normal(size=(20, 1))}))
    definition = study([task("a")], **searching({"weight_decay": 0.05}, name))
    cohort = Cohort(definition, bound, with_arguments(*TWO_RATES, a__error=1.0))
    for number, each in enumerate(TWO_RATES):
        kind = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[name]
        cohort.assert_fit(number, {"a.error": error("a")}, kind(each["optimizer.learning_rate"], weight_decay=0.05))


def test_constraints_of_layers_hold_after_steps_of_different_sizes(float64: None) -> None:
    def build_model() -> keras.Model:
        x = keras.Input((3,))
        return keras.Model(x, {"a": keras.layers.Dense(1, kernel_constraint=keras.constraints.UnitNorm())(x)})

    bound = workload(build_model, rows(a=1))
    cohort = Cohort(study([task("a")], **searching({})), bound, with_arguments(*TWO_RATES, a__error=1.0))
    for number, each in enumerate(TWO_RATES):
        cohort.assert_fit(number, {"a.error": error("a")}, keras.optimizers.Adam(each["optimizer.learning_rate"]))


def test_a_setting_without_the_argument_takes_the_usual_one() -> None:
    bound = workload(linear({"a": 1}), rows(a=1))
    definition = study([task("a")], **searching({}))  # Adam's default may be drawn
    cohort = Cohort(definition, bound, with_arguments({}, {"optimizer.learning_rate": 0.001}, a__error=1.0))
    assert cohort.recorder.values(0, 3) == cohort.recorder.values(1, 3)


# Arguments of losses and penalties


def focal(gamma: float) -> Any:
    function = keras.losses.BinaryFocalCrossentropy(gamma=gamma, reduction="mean_with_sample_weight")
    return lambda y, p: function(y["a"], p["a"])


def binary(name: str, kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    return task(name, losses=[{"name": "error", "loss": kind, "config": config, "weight": {"low": 0.1, "high": 10}}])


ADAM = {"training": {"epochs": 3, "batch_size": 8, "optimizer": {"name": "adam", "config": {"learning_rate": 0.05}}}}


def test_two_gammas_of_a_focal_loss_in_one_cohort_are_two_fits(float64: None) -> None:
    labels = np.random.default_rng(2).integers(0, 2, (20, 1))
    bound = workload(linear({"a": 1}, activations={"a": "sigmoid"}), rows(a=labels))
    definition = study([binary("a", "binary_focal_crossentropy", {"gamma": {"low": 0.5, "high": 5.0}})], **ADAM)
    gammas = ({"a.error.gamma": 0.5}, {"a.error.gamma": 4.0})
    settings = with_arguments(*gammas, a__error=1.0)
    cohort = Cohort(definition, bound, settings)
    for number, each in enumerate(gammas):
        cohort.assert_fit(number, {"a.error": focal(each["a.error.gamma"])}, keras.optimizers.Adam(0.05))


def softened(batch: Any, temperature: Any, shift: float = 0.0) -> Any:
    """Return one value a row: the squared error of outputs divided by a temperature."""
    return ops.mean(ops.square(batch.targets["a"] - batch.outputs["a"] / temperature - shift), axis=-1)


def own_study(**training: Any) -> StudyDefinition:
    config = {"temperature": {"low": 0.5, "high": 5.0}, "shift": 0.1}
    return study([binary("a", "softened", config)], **(training or ADAM))


def own_workload() -> ResolvedWorkload:
    return workload(linear({"a": 1}), rows(a=1), losses={"softened": softened})


def test_two_temperatures_of_a_loss_of_the_workload_s_own_are_two_fits(float64: None) -> None:
    temperatures = ({"a.error.temperature": 0.5}, {"a.error.temperature": 3.0})
    cohort = Cohort(own_study(), own_workload(), with_arguments(*temperatures, a__error=1.0))
    for number, each in enumerate(temperatures):
        temperature = each["a.error.temperature"]
        terms = {"a.error": lambda y, p, t=temperature: ops.mean(ops.square(y["a"] - p["a"] / t - 0.1))}
        cohort.assert_fit(number, terms, keras.optimizers.Adam(0.05))


def test_every_setting_has_its_own_numbers_before_training_whatever_was_measured_before(float64: None) -> None:
    bound, definition = own_workload(), own_study()
    engine = engine_of(definition, bound, "vectorized", size=2)
    recorders = [Recorder(), Recorder()]
    for recorder, temperatures in zip(recorders, [(1.0, 2.0), (2.0, 4.0)], strict=True):
        settings = with_arguments(*({"a.error.temperature": each} for each in temperatures), a__error=1.0)
        engine.train(settings, definition.training, recorder)
    first, second, third = recorders[0].values(0, 0), recorders[0].values(1, 0), recorders[1].values(1, 0)
    keras.utils.set_random_seed(0)
    x, y = rows(a=1)
    outputs = np.asarray(bound.build_model()(x)["a"])
    expected = [float(np.mean((y["a"] - outputs / each - 0.1) ** 2)) for each in (1.0, 2.0, 4.0)]
    assert [first["a.error"], second["a.error"], third["a.error"]] == pytest.approx(expected, rel=1e-8)
    assert recorders[1].values(0, 0) == second


def test_a_penalty_s_argument_differs_between_settings(float64: None) -> None:
    bound = workload(linear({"a": 1, "b": 1}), rows(a=1, b=1))
    between = [{"task": "a"}, {"task": "b"}]
    config = {"at_least": {"low": 0.0, "high": 2.0}}
    penalty = {"name": "together", "penalty": "covariance", "config": config, "between": between, "weight": 0.5}
    definition = study([task("a"), task("b")], [penalty], **ADAM)
    bounds = ({"together.at_least": 0.0}, {"together.at_least": 1.5})
    cohort = Cohort(definition, bound, with_arguments(*bounds, a__error=1.0, b__error=1.0, together=0.5))

    def apart(least: float) -> Any:
        def covariance(y: Any, p: Any) -> Any:
            a, b = p["a"], p["b"]
            return ops.mean(ops.relu(least - ops.mean((a - ops.mean(a, axis=0)) * (b - ops.mean(b, axis=0)), axis=0)))

        return covariance

    for number, each in enumerate(bounds):
        cohort.assert_fit(number, {**TWO_ERRORS, "together": apart(each["together.at_least"])}, keras.optimizers.Adam(0.05))


def test_the_violations_of_an_own_penalty_are_counted_under_each_setting_s_argument(float64: None) -> None:
    def beyond(batch: Any, limit: Any) -> Any:
        return ops.relu(ops.abs(batch.outputs["a"]) - limit)

    bound = workload(linear({"a": 1}), rows(a=1), penalties={"beyond": beyond})
    penalty = {
        "name": "size",
        "penalty": "beyond",
        "config": {"limit": {"low": 0.0, "high": 100.0}, "tolerance": 0.0},
        "weight": 0.1,
    }
    cohort = Cohort(
        study([task("a")], [penalty], **ADAM),
        bound,
        with_arguments({"size.limit": 0.0}, {"size.limit": 99.0}, a__error=1.0, size=0.1),
    )
    assert [cohort.recorder.values(number, 3)["size.violations"] for number in (0, 1)] == [1.0, 0.0]


Loss = Callable[[Any, Any], Any]


def trained_by_hand(bound: ResolvedWorkload, losses: Mapping[str, Loss]) -> dict[str, float]:
    """Train as ADAM says, in Keras without a graph; return each output's loss over all rows then."""
    x, y = bound.load_data()["train"]
    places = np.arange(len(x))
    keras.utils.set_random_seed(0)
    model, optimizer = bound.build_model(), keras.optimizers.Adam(0.05)

    def values(chosen: Any) -> dict[str, Any]:
        outputs = model(x[chosen])
        return {name: loss(y[name][chosen], outputs[name]) for name, loss in losses.items()}

    for epoch in range(3):
        order = np.random.default_rng([0, epoch]).permutation(places)
        for chosen in np.split(order, [8, 16]):
            with tf.GradientTape() as tape:
                total = sum(values(chosen).values())
            optimizer.apply(tape.gradient(total, model.trainable_variables), model.trainable_variables)
    batches = [(values(chosen), len(chosen)) for chosen in np.split(places, [8, 16])]
    return {name: sum(float(each[name]) * count for each, count in batches) / len(x) for name in losses}


def test_every_searchable_argument_of_a_keras_loss_is_the_same_as_a_tensor(float64: None) -> None:
    """All at once, each on an output of its own: the outputs share nothing."""
    searchable = {f"{entry.name}_{name}": (entry, name) for entry in catalog.LOSSES for name in entry.searchable}
    integers = np.arange(20) % 3
    labels = {
        "integer": integers,
        "one_hot": np.eye(3)[integers],
        "binary": np.arange(20)[:, None] % 2,
        "continuous": np.linspace(-2, 2, 20)[:, None],
    }
    widths, activations, y, tasks, losses = {}, {}, {}, [], {}
    for output, (entry, argument) in searchable.items():
        widths[output] = 3 if entry.labels in ("integer", "one_hot") else 1
        if entry.labels != "continuous" and entry.name != "circle":
            activations[output] = "softmax" if widths[output] > 1 else "sigmoid"
        y[output] = labels[entry.labels]
        config = {"apply_class_balancing": True} if entry.name == "binary_focal_crossentropy" else {}
        tasks.append(binary(output, entry.name, {**config, argument: {"low": 0.1, "high": 0.9}}))
        losses[output] = partial(getattr(keras.losses, entry.keras_class or ""), **config)
    bound = workload(linear(widths, activations=activations), rows(20, **y))
    values = [0.3, 0.7]
    arguments = [{f"{output}.error.{name}": value for output, (_, name) in searchable.items()} for value in values]
    settings = with_arguments(*arguments, **dict.fromkeys([f"{output}__error" for output in y], 1.0))
    recorder = Cohort(study(tasks, **ADAM), bound, settings).recorder
    for number, value in enumerate(values):
        given = {output: losses[output](**{argument: value}) for output, (_, argument) in searchable.items()}
        measured = recorder.values(number, 3)
        expected = trained_by_hand(bound, given)
        assert {output: measured[f"{output}.error"] for output in y} == pytest.approx(expected, rel=1e-8)
    assert all(recorder.values(0, 3)[f"{output}.error"] != recorder.values(1, 3)[f"{output}.error"] for output in y)


def test_a_preflight_reads_a_searched_argument_as_the_usual_one() -> None:
    assert checked(own_study(), own_workload()).usual == {"a.error.temperature": pytest.approx(2.5**0.5)}


def test_an_own_loss_that_branches_on_a_searched_argument_is_refused_where_it_does() -> None:
    def branching(batch: Any, slope: Any) -> Any:
        return ops.mean(batch.outputs["a"]) * (slope if slope > 1 else 1)

    bound = workload(linear({"a": 1}), rows(a=1), losses={"branching": branching})
    definition = study([binary("a", "branching", {"slope": {"low": 0.5, "high": 5.0}})], **ADAM)
    with pytest.raises(TypeError, match="as a Python `bool` is not allowed") as raised:
        engine_of(definition, bound)
    assert str(reason_of(raised.value).at).startswith("test_arguments.py:")
