"""Keras optimizers whose step is one operation a variable: TensorFlow's fused training operations.

Keras spells an update out in some fifteen operations a variable, and a small model's step costs what its number of operations does.
The formulas are the same. The order of rounding is another: in float32 Adam's 1 - b2 is that of b2 rounded, 1e-5 off at 0.999; from
1e-4 on, at 0.9999 and above, the optimizer stays spelled out.

sgd: w -= rate g; with momentum p: a = p a - rate g, then w += a, or w += p a - rate g under `nesterov`.
adam, adamw: m += (1 - b1) (g - m), v += (1 - b2) (g^2 - v), w -= rate sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon). Epsilon
is outside of the bias correction, in Keras as here.
rmsprop: v += (1 - rho) (g^2 - v), a = p a + rate g / sqrt(v + epsilon), w -= a. The operation has `a` where p is 0, too.
adagrad: s += g^2, w -= rate g / sqrt(s). Keras has sqrt(s + epsilon); here s begins with epsilon in it.

Clipping, weight decay and the accumulation of gradients stay Keras's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from search.training.problem.batch import Tensor
from search.training.problem.keras_private import OptimizerHooks, slots_of

Pairs = Sequence[tuple[Tensor, Any]]
"""(gradient, tf.Variable) of variables of one type."""

ROUNDING = 1e-4
"""How far off 1 - beta may be, relatively."""

SPELLED_OUT = ("amsgrad", "centered")
"""Arguments of Keras's optimizers under which no operation has their formula."""


def _sgd(own: Any, pairs: Pairs, rate: Tensor) -> None:
    momentum = ops.cast(own.momentum, rate.dtype)  # through float32, as Keras does
    for gradient, variable in pairs:
        if own.momentum == 0:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)
            continue
        (velocity,) = slots_of(own, ["momentums"], variable)
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle, accum=velocity.handle, lr=rate, grad=gradient, momentum=momentum, use_nesterov=own.nesterov
        )


def _adam(own: Any, pairs: Pairs, rate: Tensor) -> None:
    step = ops.cast(own.iterations + 1, rate.dtype)
    first, second = (ops.power(ops.cast(beta, rate.dtype), step) for beta in (own.beta_1, own.beta_2))  # as Keras rounds them
    beta_1, beta_2, epsilon = (tf.constant(number, rate.dtype) for number in (own.beta_1, own.beta_2, own.epsilon))
    for gradient, variable in pairs:
        mean, square = slots_of(own, ["_momentums", "_velocities"], variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=mean.handle,
            v=square.handle,
            beta1_power=first,
            beta2_power=second,
            lr=rate,
            beta1=beta_1,
            beta2=beta_2,
            epsilon=epsilon,
            grad=gradient,
        )


def _rmsprop(own: Any, pairs: Pairs, rate: Tensor) -> None:
    rho, momentum, epsilon = (tf.constant(number, rate.dtype) for number in (own.rho, own.momentum, own.epsilon))
    for gradient, variable in pairs:
        square, velocity = slots_of(own, ["_velocities", "_momentums"], variable)
        tf.raw_ops.ResourceApplyRMSProp(
            var=variable.handle,
            ms=square.handle,
            mom=velocity.handle,
            lr=rate,
            rho=rho,
            momentum=momentum,
            epsilon=epsilon,
            grad=gradient,
        )


def _adagrad(own: Any, pairs: Pairs, rate: Tensor) -> None:
    for gradient, variable in pairs:
        (total,) = slots_of(own, ["_accumulators"], variable)
        tf.raw_ops.ResourceApplyAdagradV2(
            var=variable.handle, accum=total.handle, lr=rate, epsilon=tf.zeros((), rate.dtype), grad=gradient
        )


def _begin_rmsprop(own: Any, variables: Sequence[Any]) -> None:
    if not own.momentum:
        own._momentums = own.add_optimizer_variables(variables, "momentum")


def _begin_adagrad(own: Any, variables: Sequence[Any]) -> None:
    for total in own._accumulators:
        total.assign_add(tf.constant(own.epsilon, total.dtype))


STEPS: Mapping[type, Callable[[Any, Pairs, Tensor], None]] = {
    keras.optimizers.SGD: _sgd,
    keras.optimizers.Adam: _adam,
    keras.optimizers.AdamW: _adam,
    keras.optimizers.RMSprop: _rmsprop,
    keras.optimizers.Adagrad: _adagrad,
}
BEGINNINGS: Mapping[type, Callable[[Any, Sequence[Any]], None]] = {
    keras.optimizers.RMSprop: _begin_rmsprop,
    keras.optimizers.Adagrad: _begin_adagrad,
}


class _Fused(OptimizerHooks):
    """Mixed into a Keras optimizer's class: `_step` does its update. Gradients must be dense."""

    _step: ClassVar[Callable[[Any, Pairs, Tensor], None]]
    _begin: ClassVar[Callable[[Any, Sequence[Any]], None] | None]
    built: bool

    def build(self, variables: Sequence[Any]) -> None:
        built = self.built
        super().build(variables)  # type: ignore[misc]
        if not built and self._begin is not None:
            self._begin(variables)

    def update(self, gradients: Sequence[Tensor], variables: Sequence[Any], rate: Any, keras_update: Callable[..., None]) -> None:
        by_type: dict[Any, list[tuple[Tensor, Any]]] = {}
        for gradient, variable in zip(gradients, variables, strict=True):
            by_type.setdefault(variable.dtype, []).append((tf.cast(gradient, variable.dtype), variable))
        for dtype, pairs in by_type.items():
            self._step(pairs, tf.cast(rate, dtype))


@cache
def _fused(kind: type) -> type:
    return type(kind.__name__, (_Fused, kind), {"_step": STEPS[kind], "_begin": BEGINNINGS.get(kind)})


def fused(kind: type, config: Mapping[str, Any]) -> type:
    """Return a subclass of a Keras optimizer's class that does its step in one operation a variable, `kind` where there is none."""
    spelled_out = any(config.get(name) for name in SPELLED_OUT) or not all(map(_rounds_well, ("beta_1", "beta_2"), [config] * 2))
    return kind if kind not in STEPS or spelled_out else _fused(kind)


def _rounds_well(name: str, config: Mapping[str, Any]) -> bool:
    """Return whether 1 - beta is about the same before and after beta is rounded to float32."""
    beta = config.get(name)
    if not isinstance(beta, float) or beta >= 1:
        return True
    return abs(float(np.float32(1) - np.float32(beta)) / (1 - beta) - 1) < ROUNDING
