"""A model's outputs through a map over settings, which loses what Keras keeps beside a tensor: masks and logits go with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from search.training.problem.batch import Batch, Tensor
from search.training.problem.keras_private import Logits, logits_of, put_logits, put_mask

_BESIDE = ""
"""In place of an operation: logits that are kept beside a tensor."""


class MappedOutputs(NamedTuple):
    """Outputs by name, the masks of those that have one, and the logits that they were made of, by operation and name."""

    outputs: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]
    logits: Mapping[str, Mapping[str, Tensor]]

    @classmethod
    def of(cls, batch: Batch) -> MappedOutputs:
        """Return the outputs of a batch with what they bear, all of it as plain tensors."""
        logits: dict[str, dict[str, Tensor]] = {}
        for name, output in batch.outputs.items():
            found = logits_of(output)
            if found is not None:
                logits.setdefault(found.operation or _BESIDE, {})[name] = found.values
        return cls(dict(batch.outputs), batch.masks, logits)

    def each(self, change: Callable[[Tensor], Tensor]) -> MappedOutputs:
        """Return the same of other rows: `change` takes any of the tensors, whose first axes are settings and rows."""

        def changed(part: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: change(tensor) for name, tensor in part.items()}

        logits = {kind: changed(part) for kind, part in self.logits.items()}
        return MappedOutputs(changed(self.outputs), changed(self.masks), logits)

    def bearing(self) -> dict[str, Tensor]:
        """Return the outputs by name, with their masks and logits where Keras finds them."""
        found = dict(self.outputs)
        for operation, part in self.logits.items():
            for name, values in part.items():
                found[name] = put_logits(found[name], Logits(values, operation or None))
        return {name: put_mask(output, self.masks.get(name)) for name, output in found.items()}


def repeated(tensors: Mapping[str, Tensor], size: int) -> dict[str, Tensor]:
    """Return [batch, ...] as [K * batch, ...]: the same rows for each setting."""
    return {name: tf.tile(tensor, [size, *[1] * (len(tensor.shape) - 1)]) for name, tensor in tensors.items()}


def flattened(tensor: Tensor) -> Tensor:
    """Return [K, batch, ...] as [K * batch, ...]."""
    return tf.reshape(tensor, tf.concat([[-1], tf.shape(tensor)[2:]], 0))
