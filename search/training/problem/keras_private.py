"""Everything of Keras that is not its public interface, in one place: a new Keras breaks this file or none.

Written against Keras 3.15. Each function says what it stands for, and each has no public counterpart there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf
from keras.src import backend, tree
from keras.src.backend.common import global_state
from keras.src.losses.losses import LossFunctionWrapper
from keras.src.random import seed_generator
from keras.src.trainers.compile_utils import CompileLoss, CompileMetrics

Tensor = Any


# Models and layers


def layers_of(model: Any) -> list[Any]:
    """Return every layer of a model, those inside of other layers too, and the model itself."""
    return list(model._flatten_layers())


def trainables_of(layer: Any) -> list[Any]:
    """Return the trainable variables that a layer holds itself, those of the layers inside of it left out."""
    return list(layer._trainable_variables)


def takes_training(model: Any) -> bool:
    """Return whether the model's `call` has the argument `training`."""
    return bool(model._call_has_training_arg)


def inputs_structure(model: Any) -> Any:
    """Return the inputs of a functional model as it was made from them: one tensor, a list or a dict."""
    return model._inputs_struct


def outputs_structure(model: Any) -> Any | None:
    """Return the outputs of a functional model as it was made from them; None for a model that shows them only when called."""
    return getattr(model, "_outputs_struct", None)


def graph_of(model: Any) -> tuple[Any, Any] | None:
    """Return the inputs and outputs that a built graph of layers was made from, a Sequential's too; None for any other model."""
    if type(model).__name__ == "Sequential" and _is_keras(type(model)) and model.built:
        return model.inputs[0], model.outputs[0]
    outputs = outputs_structure(model)
    return None if outputs is None else (inputs_structure(model), outputs)


def _is_keras(kind: type) -> bool:
    return kind.__module__.split(".")[0] == "keras"


def make_variables(model: Any, inputs: Mapping[str, Any], single: str | None) -> None:
    """Make the variables of a model that has none before its first call, without running it.

    inputs: arrays by name, of which only shape and type count. single: the name of the only input of a model that takes no dict.
    """
    symbolic = {name: backend.KerasTensor((None, *x.shape[1:]), x.dtype.name) for name, x in inputs.items()}
    backend.compute_output_spec(model, symbolic[single] if single is not None else symbolic, training=False)


def make_variables_for(model: Any, example: Any) -> None:
    """Make the variables of a model as `make_variables` does. example: a few rows in the form that the model takes."""
    backend.compute_output_spec(model, tree.map_structure(_symbolic, example), training=False)


def _symbolic(rows: Any) -> Any:
    text = getattr(rows.dtype, "kind", "") in ("U", "S", "O")
    return backend.KerasTensor((None, *rows.shape[1:]), "string" if text else backend.standardize_dtype(rows.dtype))


@contextmanager
def wrapped_calls(layers: Mapping[int, Any], wrap: Callable[[int, Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Let `wrap(place, call)` stand in for the `call` of layers by place; what Keras does around a call goes on."""
    before = {place: vars(layer).get("call") for place, layer in layers.items()}
    try:
        for place, layer in layers.items():
            object.__setattr__(layer, "call", wrap(place, layer.call))  # past Keras's tracking of attributes
        yield
    finally:
        for place, layer in layers.items():
            if before[place] is None:
                vars(layer).pop("call", None)
            else:
                object.__setattr__(layer, "call", before[place])


# What Keras keeps beside a tensor


def mask_of(value: Tensor) -> Tensor | None:
    """Return the mask that a layer such as Embedding(mask_zero=True) put on a tensor, or None."""
    return getattr(value, "_keras_mask", None)


def put_mask(value: Tensor, mask: Tensor | None) -> Tensor:
    """Return the tensor, which bears the mask from now on; as it is where there is none."""
    if mask is not None:
        value._keras_mask = mask
    return value


class Logits(NamedTuple):
    """What a probability was made of: Keras's cross-entropies read `values` in its place, and so stay exact where it is 0 or 1.

    operation: "Softmax" or "Sigmoid" where Keras finds them by the operation of a graph that made the tensor, which it does for the
    cross-entropy of that kind alone; None where they are kept beside the tensor, as `keras.ops.softmax` and layers leave them.
    """

    values: Tensor
    operation: str | None = None


def logits_of(value: Tensor) -> Logits | None:
    """Return the logits that Keras would find of a tensor; None where there are none, and of `tf.nn.softmax` outside of a graph."""
    kept = getattr(value, "_keras_logits", None)
    if kept is not None:
        return Logits(kept)
    if not tf.is_symbolic_tensor(value) or value.op.type not in _OF_LOGITS:
        return None
    return Logits(value.op.inputs[0], value.op.type)


def put_logits(value: Tensor, logits: Logits | None) -> Tensor:
    """Return the tensor made of these logits, where Keras finds them; as it is where there are none.

    Those kept beside a tensor are put there; else the tensor is computed once more, by the operation that Keras looks for.
    """
    if logits is None:
        return value
    if logits.operation is not None:
        return put_mask(_OF_LOGITS[logits.operation](logits.values), mask_of(value))
    value._keras_logits = logits.values
    return value


_OF_LOGITS: Mapping[str, Callable[[Tensor], Tensor]] = {"Softmax": tf.nn.softmax, "Sigmoid": tf.nn.sigmoid}
"""By the type of an operation that makes probabilities: what does it."""


# Random numbers


def is_seed_state(variable: Any) -> bool:
    """Return whether a variable is what a seed generator draws by, and no weight."""
    return bool(variable.name == "seed_generator_state")


def global_generator() -> Any:
    """Return the generator that `keras.random` draws from where it is given no seed; made if there is none."""
    return seed_generator.global_seed_generator()


@contextmanager
def drawing_from(generator: Any) -> Iterator[None]:
    """Let `keras.random` without a seed draw from `generator`, whatever was built in between."""
    before = global_state.get_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR)
    global_state.set_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR, generator)
    try:
        yield
    finally:
        global_state.set_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR, before)


# What Keras keeps for the whole process

POLICY = "dtype_policy"


def policy_kept() -> Any | None:
    """Return the global dtype policy, or None where none has been set or asked for: it then follows the float type."""
    return global_state.get_global_attribute(POLICY)


def keep_policy(policy: Any | None) -> None:
    """Set the global dtype policy to what `policy_kept` returned."""
    global_state.set_global_attribute(POLICY, policy)


def global_attributes() -> dict[str, Any]:
    """Return all that Keras keeps for the process by name: policy, seed generator, names that are taken, ..."""
    return _apart(vars(global_state.GLOBAL_STATE_TRACKER))


def put_global_attributes(attributes: Mapping[str, Any]) -> None:
    """Set all that Keras keeps for the process to what `global_attributes` returned; `clear_session()` is undone so."""
    kept = vars(global_state.GLOBAL_STATE_TRACKER)
    kept.clear()
    kept.update(_apart(attributes))


def _apart(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes with copies of those that Keras changes in place."""
    return {name: copy(value) if isinstance(value, dict | list) else value for name, value in attributes.items()}


# Losses, metrics and optimizers


def with_arguments(loss: Any, arguments: Mapping[str, Any]) -> Any:
    """Return a Keras loss with other arguments, tensors too; its constructor would compare them with bounds."""
    changed = copy(loss)
    changed._fn_kwargs = {**loss._fn_kwargs, **arguments}
    return changed


def wrapped_loss(function: Callable[..., Tensor], arguments: Mapping[str, Any]) -> Any:
    """Return a function (y_true, y_pred) as the loss object that `compile(loss=function)` makes of it."""
    return LossFunctionWrapper(function, reduction="mean_with_sample_weight", **arguments)


def arguments_of(made: Any) -> dict[str, Any]:
    """Return what a loss or metric was made with. Keras's `get_config` leaves out some: Huber's delta, CosineSimilarity's axis."""
    taken = inspect.signature(type(made).__init__).parameters
    kept = {name: value for name, value in getattr(made, "_fn_kwargs", {}).items() if name in taken}
    return {**kept, **made.get_config()}


def function_of(metric: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function whose weighted mean a MeanMetricWrapper is, with the metric's arguments in it."""
    return partial(metric._fn, **metric._fn_kwargs)


class OptimizerHooks:
    """Mixed into a Keras optimizer's class: calls `decay`, `current_rate` and `update` where Keras has private hooks."""

    def decay(self, variables: Any, keras_decay: Callable[[Any], None]) -> None:
        """Apply the weight decay to the variables; `keras_decay` is Keras's own way."""
        keras_decay(variables)

    def current_rate(self, keras_rate: Callable[[], Any]) -> Any:
        """Return the learning rate of the next step; `keras_rate` gives Keras's own."""
        return keras_rate()

    def update(self, gradients: Sequence[Any], variables: Sequence[Any], rate: Any, keras_update: Callable[..., None]) -> None:
        """Update TensorFlow's variables by their gradients; `keras_update(gradients, variables, rate)` is Keras's own way."""
        keras_update(gradients, variables, rate)

    def _apply_weight_decay(self, variables: Any) -> None:
        self.decay(variables, super()._apply_weight_decay)  # type: ignore[misc]

    def _get_current_learning_rate(self) -> Any:
        return self.current_rate(super()._get_current_learning_rate)  # type: ignore[misc]

    def _backend_update_step(self, gradients: Any, variables: Any, rate: Any) -> None:
        own = [variable.value if isinstance(variable, backend.Variable) else variable for variable in variables]
        self.update(gradients, own, rate, super()._backend_update_step)  # type: ignore[misc]


def slots_of(optimizer: Any, names: Sequence[str], variable: Any) -> list[Any]:
    """Return what a built optimizer remembers of a variable under Keras's attributes `names`, as TensorFlow's variables."""
    place = optimizer._get_variable_index(variable)
    return [getattr(optimizer, name)[place].value for name in names]


def excludes_from_decay(optimizer: Any) -> bool:
    """Return whether an optimizer has a weight decay and was asked to leave variables out of it, which its config does not say."""
    left_out = [getattr(optimizer, f"_exclude_from_weight_decay{part}", None) for part in ("", "_pattern")]
    return bool(optimizer.weight_decay) and any(left_out)


# What `compile` made of its arguments


def compile_arguments(model: Any) -> dict[str, Any]:
    """Return what `compile` was called with: optimizer, loss, loss_weights, metrics, weighted_metrics, jit_compile, run_eagerly."""
    loss, metrics = model._compile_loss, model._compile_metrics
    return {
        "optimizer": model.optimizer,
        "loss": None if loss is None else loss._user_loss,
        "loss_weights": None if loss is None else loss._user_loss_weights,
        "metrics": None if metrics is None else metrics._user_metrics,
        "weighted_metrics": None if metrics is None else metrics._user_weighted_metrics,
    }


def resolved_losses(
    loss: Any, loss_weights: Any, output_names: Any, y_true: Any, y_pred: Any
) -> list[tuple[tuple[Any, ...], Any, float | None]]:
    """Return each loss that `compile` makes of its arguments: its place in the outputs, the loss object, its weight.

    y_true has the structure of y_pred. Raises what Keras raises for arguments that do not fit the outputs.
    """
    made = CompileLoss(loss, loss_weights, output_names=output_names)
    made.build(y_true, y_pred)
    return [(tuple(each.path), each.loss, each.loss_weights) for each in made._flat_losses]


def resolved_metrics(
    metrics: Any, weighted: Any, output_names: Any, y_true: Any, y_pred: Any
) -> list[tuple[str | None, list[tuple[Any, str]]]]:
    """Return the metrics that `compile` makes of its arguments: for each list of them the output's name, None for the only one.

    Each metric comes with its name in a history, without the output's: of several of one name the first has it.
    """
    made = CompileMetrics(metrics, weighted, output_names=output_names)
    made.build(y_true, y_pred)
    counts: dict[tuple[str | None, str], int] = {}

    def named(output: str | None, name: str, is_weighted: bool) -> str:
        if is_weighted and (output, name) in counts:
            name = f"weighted_{name}"
        before = counts.get((output, name), 0)
        counts[output, name] = before + 1
        return f"{name}_{before}" if before else name

    lists = [(each, False) for each in made._flat_metrics] + [(each, True) for each in made._flat_weighted_metrics]
    return [
        (each.output_name, [(metric, named(each.output_name, metric.name, is_weighted)) for metric in each.metrics])
        for each, is_weighted in lists
        if each is not None
    ]


@contextmanager
def uncompiled(model: Any) -> Iterator[None]:
    """Let a model count as never compiled, so that saving it leaves out losses, metrics and the optimizer's state."""
    kept = {name: vars(model)[name] for name in ("compiled", "optimizer") if name in vars(model)}
    try:
        for name in kept:
            object.__setattr__(model, name, None if name == "optimizer" else False)
        yield
    finally:
        for name, value in kept.items():
            object.__setattr__(model, name, value)


def names_of_inputs(model: Any) -> list[str]:
    """Return the names of a functional model's inputs, in the order in which Keras flattens them."""
    return [tensor._keras_history.operation.name for tensor in model.inputs]


def function_of_loss(loss: Any) -> Callable[..., Tensor] | None:
    """Return the function that `compile` wrapped into a loss object, None for an object of another class."""
    return loss.fn if type(loss) is LossFunctionWrapper else None


def function_of_mean(metric: Any) -> tuple[Callable[..., Tensor], dict[str, Any]]:
    """Return the function of a MeanMetricWrapper as it was given, and the arguments that it is called with."""
    return metric._fn, dict(metric._fn_kwargs)


def seed_generators(layer: Any) -> list[Any]:
    """Return the generators of random numbers that a layer holds itself."""
    return list(layer._seed_generators)


def own_variables(layer: Any) -> list[Any]:
    """Return the variables that a layer holds itself: trainable ones, then all others but seeds."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]
