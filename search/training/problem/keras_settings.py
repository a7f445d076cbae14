"""What Keras, TensorFlow and NumPy keep for a whole process, as one workload has it.

The code of a workload may set Keras's float type or seed everything, as a program of its own may. A child trains workloads one
after another, so what is set by one holds while that one is loaded, built, measured and trained, and for no other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context as tf_context
from tensorflow.python.framework import config as tf_config
from tensorflow.python.framework import ops as tf_ops

from search.errors import PreflightError
from search.training.problem import imports, keras_private

Snapshot = Mapping[str, Any]
"""Values of settings by name."""


class _Setting(NamedTuple):
    read: Callable[[], Any]
    write: Callable[[Any], Any]


def _context() -> Any:
    return tf_context.context()


def _read_optimizer() -> dict[str, Any]:
    return {"jit": tf.config.optimizer.get_jit(), "options": dict(_context()._optimizer_experimental_options)}


def _write_optimizer(value: Mapping[str, Any]) -> None:
    if value != _read_optimizer():
        tf.config.optimizer.set_jit(value["jit"])
        _context()._optimizer_experimental_options = dict(value["options"])
        tf.config.optimizer.set_experimental_options({})  # makes the next call of a graph read them


def _write_determinism(enabled: bool) -> None:
    tf_config.enable_op_determinism() if enabled else tf_config.disable_op_determinism()


def _read_numpy_behavior() -> tuple[str, bool]:
    return tf_ops.get_dtype_conversion_mode().name.lower(), tf_ops._numpy_style_slicing


def _write_numpy_behavior(value: tuple[str, bool]) -> None:
    if value != _read_numpy_behavior():
        tf_ops.set_dtype_conversion_mode(value[0])
        tf_ops._numpy_style_slicing = value[1]


def _read_tf_seed() -> tuple[Any, Any]:
    generator = getattr(_context(), "_rng", None)
    return _context()._seed, None if generator is None else generator.getstate()


def _write_tf_seed(value: tuple[Any, Any]) -> None:
    _context()._seed, state = value
    if state is not None:
        _context()._rng = random.Random()
        _context()._rng.setstate(state)


SETTINGS: Mapping[str, _Setting] = {
    "keras.config.set_floatx": _Setting(keras.config.floatx, keras.config.set_floatx),
    "keras.config.set_epsilon": _Setting(keras.config.epsilon, keras.config.set_epsilon),
    "keras.config.set_image_data_format": _Setting(keras.config.image_data_format, keras.config.set_image_data_format),
    "keras.config.set_dtype_policy": _Setting(keras_private.policy_kept, keras_private.keep_policy),
    "keras.config.set_max_epochs": _Setting(keras.config.max_epochs, keras.config.set_max_epochs),
    "keras.config.set_max_steps_per_epoch": _Setting(keras.config.max_steps_per_epoch, keras.config.set_max_steps_per_epoch),
    "tf.config.run_functions_eagerly": _Setting(tf.config.functions_run_eagerly, tf.config.run_functions_eagerly),
    "tf.config.experimental.enable_op_determinism": _Setting(tf_config.is_op_determinism_enabled, _write_determinism),
    "tf.config.experimental.enable_tensor_float_32_execution": _Setting(
        tf.config.experimental.tensor_float_32_execution_enabled, tf.config.experimental.enable_tensor_float_32_execution
    ),
    "tf.config.optimizer": _Setting(_read_optimizer, _write_optimizer),
    "tf.experimental.numpy.experimental_enable_numpy_behavior": _Setting(_read_numpy_behavior, _write_numpy_behavior),
    "numpy.seterr": _Setting(np.geterr, lambda value: np.seterr(**value)),
}
"""What a function of the user's may set, by what sets it."""

STATE: Mapping[str, _Setting] = {
    "keras attributes": _Setting(keras_private.global_attributes, keras_private.put_global_attributes),
    "custom objects": _Setting(
        lambda: dict(keras.saving.get_custom_objects()), lambda kept: keras.saving.get_custom_objects().update(kept)
    ),
    "seed of random": _Setting(random.getstate, random.setstate),
    "seed of numpy": _Setting(np.random.get_state, np.random.set_state),
    "seed of tensorflow": _Setting(_read_tf_seed, _write_tf_seed),
}
"""What else code leaves behind: seeds, names that are taken, Keras's seed generator. A custom object is replaced, never taken away:
a module that registers it is run only once."""

EVERYTHING: Mapping[str, _Setting] = {**SETTINGS, **STATE}

PER_THREAD = ("keras attributes", "numpy.seterr")
"""What a new thread begins without."""

UNSUPPORTED: Mapping[str, Any] = {
    "tf.config.run_functions_eagerly": False,
    "tf.experimental.numpy.experimental_enable_numpy_behavior": ("off", False),
    "keras.config.set_max_epochs": None,
    "keras.config.set_max_steps_per_epoch": None,
}
"""What a workload must leave as it is, which is this: a training here would differ from `fit` under it."""


class KerasSettings:
    """The settings of one workload. They begin as the process has them, or as `start` says.

    `start`: what importing the workload and loading its rows left, from which every `build_model()` begins: so each training finds
    what it would find in a process of its own.
    """

    def __init__(self, start: Snapshot | None = None) -> None:
        self.start: Snapshot = _of_process() if start is None else start
        self._now = self.start
        self._inside = False

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let the settings be in force; afterwards those from before are. Inside of itself it changes nothing."""
        if self._inside:
            yield
            return
        outside = _read(EVERYTHING)
        self._inside = True
        try:
            _write(self._now)
            yield
        finally:
            self._now = _read(EVERYTHING)
            _write(outside)
            self._inside = False

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Let code run whose settings every later build begins from: the module's, `load_data()`."""
        with self.active():
            _write(self.start)
            _context().clear_kernel_cache()  # TensorFlow's random operations go on where they were, by their seeds
            try:
                with imports.heeded(_read_settings, _write):
                    yield
            finally:
                self.start = _read(EVERYTHING)

    @contextmanager
    def building(self) -> Iterator[None]:
        """Let `build_model()` run from the start; what it sets is in force from then on."""
        with self.active():
            _write(self.start)
            with imports.heeded(_read_settings, _write):
                yield

    def require_supported(self, what: str, at: str) -> None:
        """Refuse settings under which a training here would differ from `fit`. `what` set them."""
        now = self._now
        for name, usual in UNSUPPORTED.items():
            if now[name] != usual:
                text = f"{what} calls {name}(), which changes how `fit` trains, and is not supported here: leave the call out"
                raise PreflightError("unsupported_workload", text, at)


@contextmanager
def kept() -> Iterator[None]:
    """Let the user's own layers, terms and metrics set what they will: afterwards all settings are as before. Seeds go on."""
    before = _read_settings()
    try:
        yield
    finally:
        _write(before)


def keeping(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the user's that leaves all settings as they were."""

    @wraps(function)
    def kept_around(*arguments: Any, **named: Any) -> Any:
        with kept():
            return function(*arguments, **named)

    return kept_around


def of_this_thread() -> Snapshot:
    """Return what Keras and NumPy keep for each thread, as this thread has it."""
    return _read({name: EVERYTHING[name] for name in PER_THREAD})


def set_for_thread(settings: Snapshot) -> None:
    """Let this thread have what another has."""
    _write(settings)


def _read(settings: Mapping[str, _Setting]) -> Snapshot:
    return {name: setting.read() for name, setting in settings.items()}


def _read_settings() -> Snapshot:
    return _read(SETTINGS)


def _write(snapshot: Snapshot) -> None:
    for name, value in snapshot.items():
        EVERYTHING[name].write(value)


def _of_process() -> Snapshot:
    """Return the process's own settings, without a dtype policy that only follows the float type: Keras makes it when asked."""
    found = dict(_read(EVERYTHING))
    policy = found["keras.config.set_dtype_policy"]
    if policy is not None and policy.name == found["keras.config.set_floatx"]:
        found["keras.config.set_dtype_policy"] = None
        found["keras attributes"] = {name: value for name, value in found["keras attributes"].items() if value is not policy}
    return found
