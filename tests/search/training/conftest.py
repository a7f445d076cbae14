"""TensorFlow with quiet logs, and Keras's float type given back after each test."""

from __future__ import annotations

import os
from collections.abc import Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")  # pytest-xdist has a process for each core
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import keras
import pytest


@pytest.fixture(autouse=True)
def _floatx_is_given_back() -> Iterator[None]:
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def float64() -> None:
    """Make Keras compute in float64 for one test."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
