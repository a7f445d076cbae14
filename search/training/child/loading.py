"""Load a workload without letting it change what all workloads of this process share."""

from __future__ import annotations

from typing import Any

import keras

from search.errors import Refused
from search.workloads import registry

_refusals: dict[str, Refused] = {}
"""A module is only run once, so what was found then must be said again."""


def load(name: str) -> Any:
    """Return the workload `name`: see `search.workloads.registry.load`.

    Raises Refused where its module sets Keras's global float type, dtype policy or image format: other studies run in this process.
    """
    if name in _refusals:
        raise _refusals[name]
    before = _globals()
    try:
        found = registry.load(name)
    finally:
        changed = [what for what, value in _globals().items() if value != before[what]]
        keras.config.set_floatx(before["floatx"])
        keras.config.set_dtype_policy(before["dtype_policy"])
        keras.config.set_image_data_format(before["image_data_format"])
    if changed:
        text = f"workload {name!r} sets Keras's global {' and '.join(changed)}, which other studies share: set dtypes on its layers"
        _refusals[name] = Refused("unsupported_workload", text, registry.places()[name])
        raise _refusals[name]
    return found


def _globals() -> dict[str, Any]:
    return {
        "floatx": keras.config.floatx(),
        "dtype_policy": keras.config.dtype_policy().name,
        "image_data_format": keras.config.image_data_format(),
    }
