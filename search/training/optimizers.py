"""Make a Keras optimizer from its name and config."""

from __future__ import annotations

import keras

from search.catalog import find_optimizer, keras_arguments
from search.definition import Optimizer
from search.errors import Refused
from search.workloads.blame import told

AT = "training.optimizer"


def made_optimizer(choice: Optimizer) -> keras.optimizers.Optimizer:
    """Return a new optimizer. Raises Refused for an unknown name, and for what the engine would not train as `fit` does."""
    entry = find_optimizer(choice.name)
    if entry is None:
        raise Refused("unknown_optimizer", f"{choice.name!r} is no optimizer of keras.optimizers", f"{AT}.name")
    if choice.config.get("use_ema"):
        # Keras swaps the averaged weights in when `fit` ends, so what is validated in between are other weights than the result's.
        raise Refused("unsupported_optimizer", "use_ema is not yet supported", f"{AT}.config.use_ema")
    try:
        return getattr(keras.optimizers, entry.keras_class or "")(**keras_arguments(entry, choice.config))
    except (TypeError, ValueError) as error:
        raise Refused("bad_optimizer", f"{choice.name}: {told(error)}", f"{AT}.config") from None
