"""Make a Keras optimizer from its name and config."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from search.catalog import find_optimizer, keras_arguments
from search.definition.schema import Optimizer
from search.definition.searched_arguments import fixed, searched_in
from search.errors import PreflightError
from search.training.problem.fused_optimizer import fused
from search.training.problem.per_setting_optimizer import per_setting
from search.workloads.blame import one_line

AT = "training.optimizer"
NORMS = ("clipnorm", "global_clipnorm")
CLIPS = (*NORMS, "clipvalue")

Clip = Callable[[Sequence[Any]], Sequence[Any]]
"""From the gradients of all variables to those that are applied."""


def made_optimizer(choice: Optimizer, *, fuse: bool = False) -> keras.optimizers.Optimizer:
    """Return a new optimizer; where something of it is searched, one that is given it before each step (`per_setting`).

    fuse: let its step be one operation a variable, where there is one (`fused`); all gradients must be dense then.
    Raises PreflightError for an unknown name, and for what the engine would not train as `fit` does.
    """
    entry = find_optimizer(choice.name)
    if entry is None:
        raise PreflightError("unknown_optimizer", f"{choice.name!r} is no optimizer of keras.optimizers", f"{AT}.name")
    if choice.config.get("use_ema"):
        # Keras swaps the averaged weights in when `fit` ends, so what is validated in between are other weights than the result's.
        text = "use_ema is not yet supported: leave it out, and average the weights of the training that you keep"
        raise PreflightError("unsupported_optimizer", text, f"{AT}.config.use_ema")
    kind = getattr(keras.optimizers, entry.keras_class or "")
    if searched_in(choice.config):
        kind = per_setting(kind)
    elif fuse:
        kind = fused(kind, choice.config)
    try:
        return kind(**keras_arguments(entry, fixed(choice.config)))
    except (TypeError, ValueError) as error:
        raise PreflightError("bad_optimizer", f"{choice.name}: {one_line(error)}", f"{AT}.config") from None


def stacked_optimizer(choice: Optimizer, *, stacks: bool, by_rows: bool) -> tuple[Clip, keras.optimizers.Optimizer]:
    """Return how gradients are clipped before the optimizer sees them, and the optimizer. `by_rows`: some gradients come as rows.

    Clipping by a norm couples a setting's elements, so on a stack [K, ...] it is done here, each setting by its own norms.
    """
    norms = {name: choice.config[name] for name in NORMS if choice.config.get(name)}
    if not stacks or not norms:
        return list, made_optimizer(choice, fuse=not by_rows)
    rest = {name: value for name, value in choice.config.items() if name not in norms}
    optimizer = made_optimizer(choice.model_copy(update={"config": rest}), fuse=not by_rows)
    if "clipnorm" in norms:
        return lambda gradients: [_scaled(each, _norms([each]), norms["clipnorm"]) for each in gradients], optimizer
    limit = norms["global_clipnorm"]
    return lambda gradients: [_scaled(each, _norms(gradients), limit) for each in gradients], optimizer


def rule_optimizer(choice: Optimizer, variable: Any) -> keras.optimizers.Optimizer:
    """Return a built optimizer of the study's kind for `variable`, what a weighting rule learns: without clipping or decay."""
    rest = {name: value for name, value in choice.config.items() if name not in CLIPS}
    optimizer = made_optimizer(choice.model_copy(update={"config": rest}))
    optimizer.exclude_from_weight_decay([variable])  # some decay by default
    optimizer.build([variable])
    return optimizer


def stacks_exactly(choice: Optimizer, *, by_rows: bool) -> bool:
    """Return whether the optimizer trains stacked settings as it would train them alone; `by_rows`: some gradients come as rows."""
    entry = find_optimizer(choice.name)
    norms = {name for name in NORMS if choice.config.get(name)}
    rest = {name: value for name, value in choice.config.items() if name not in norms}
    return entry is not None and entry.stacks(rest) and not (norms and by_rows)


def _norms(gradients: Sequence[Any]) -> Any:
    """Return each setting's norm over all of `gradients`, each [K, ...]: [K]."""
    given = [each for each in gradients if each is not None]
    return tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(each), axis=list(range(1, len(each.shape)))) for each in given]))


def _scaled(gradient: Any, norms: Any, limit: Any) -> Any:
    """Return `gradient` [K, ...] scaled as Keras does, so that no norm exceeds `limit`: by limit * min(1 / norm, 1 / limit)."""
    if gradient is None:
        return None
    limit = tf.cast(limit, gradient.dtype)
    scale = limit * tf.minimum(1 / norms, 1 / limit)
    return gradient * tf.reshape(scale, [-1, *[1] * (len(gradient.shape) - 1)])
