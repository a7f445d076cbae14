"""Everything of Keras that is not its public interface, in one place: a new Keras breaks this file or none.

Written against Keras 3.15. Each function says what it stands for, and each has no public counterpart there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import Any

from keras.src import backend
from keras.src.backend.common import global_state
from keras.src.losses.losses import LossFunctionWrapper
from keras.src.random import seed_generator

Tensor = Any


# Models and layers


def layers_of(model: Any) -> list[Any]:
    """Return every layer of a model, those inside of other layers too, and the model itself."""
    return list(model._flatten_layers())


def trainables_of(layer: Any) -> list[Any]:
    """Return the trainable variables that a layer holds itself, those of the layers inside of it left out."""
    return list(layer._trainable_variables)


def takes_training(model: Any) -> bool:
    """Tell whether the model's `call` has the argument `training`."""
    return bool(model._call_has_training_arg)


def inputs_structure(model: Any) -> Any:
    """Return the inputs of a functional model as it was made from them: one tensor, a list or a dict."""
    return model._inputs_struct


def outputs_structure(model: Any) -> Any | None:
    """Return the outputs of a functional model as it was made from them; None for a model that shows them only when called."""
    return getattr(model, "_outputs_struct", None)


def make_variables(model: Any, inputs: Mapping[str, Any], single: str | None) -> None:
    """Make the variables of a model that has none before its first call, without running it.

    inputs: arrays by name, of which only shape and type count. single: the name of the only input of a model that takes no dict.
    """
    symbolic = {name: backend.KerasTensor((None, *x.shape[1:]), x.dtype.name) for name, x in inputs.items()}
    backend.compute_output_spec(model, symbolic[single] if single is not None else symbolic, training=False)


# Masks


def mask_of(value: Tensor) -> Tensor | None:
    """Return the mask that a layer such as Embedding(mask_zero=True) put on a tensor, or None."""
    return getattr(value, "_keras_mask", None)


def put_mask(value: Tensor, mask: Tensor | None) -> Tensor:
    """Return the tensor, which bears the mask from now on; as it is where there is none."""
    if mask is not None:
        value._keras_mask = mask
    return value


# Random numbers


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


def function_of(metric: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function whose weighted mean a MeanMetricWrapper is, with the metric's arguments in it."""
    return partial(metric._fn, **metric._fn_kwargs)


class OptimizerHooks:
    """Mixed into a Keras optimizer's class: calls `decay` and `current_rate` where Keras has private hooks."""

    def decay(self, variables: Any, keras_decay: Callable[[Any], None]) -> None:
        """Apply the weight decay to the variables; `keras_decay` is Keras's own way."""
        keras_decay(variables)

    def current_rate(self, keras_rate: Callable[[], Any]) -> Any:
        """Return the learning rate of the next step; `keras_rate` gives Keras's own."""
        return keras_rate()

    def _apply_weight_decay(self, variables: Any) -> None:
        self.decay(variables, super()._apply_weight_decay)  # type: ignore[misc]

    def _get_current_learning_rate(self) -> Any:
        return self.current_rate(super()._get_current_learning_rate)  # type: ignore[misc]
