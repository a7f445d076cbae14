"""Operations that do not vectorise are counted in place of TensorFlow's lines."""

from __future__ import annotations

import logging

import pytest
import tensorflow as tf

from search.training.engine.loops import looped_operations
from search.training.engine.strategies import STRATEGIES


def test_what_does_not_vectorise_is_named_once_and_tensorflow_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    volumes, filters = tf.ones((3, 1, 4, 4, 4, 1)), tf.ones((3, 2, 2, 2, 1, 1))

    def convolved(values: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        once = tf.nn.conv3d(*values, strides=[1] * 5, padding="SAME")
        return tf.nn.conv3d(once, values[1], strides=[1] * 5, padding="SAME")

    logger = tf.get_logger()
    level = logger.level
    with caplog.at_level(logging.DEBUG), looped_operations() as loops:
        tf.function(lambda: STRATEGIES["vectorized"].over(convolved, (volumes, filters), 3)).get_concrete_function()
        logger.error("a real error")
    assert loops == {"Conv3D"}
    assert [record.getMessage() for record in caplog.records if record.name == "tensorflow"] in ([], ["a real error"])
    assert (logger.level, logger.filters) == (level, [])


def test_nothing_is_named_where_all_vectorises() -> None:
    with looped_operations() as loops:
        tf.function(lambda: STRATEGIES["vectorized"].over(lambda x: tf.square(x), tf.ones((3, 2)), 3)).get_concrete_function()
    assert loops == set()


def test_errors_of_the_conversion_are_left_to_the_one_that_is_raised(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with looped_operations(), caplog.at_level(logging.DEBUG):
        tf.get_logger().handle(logging.LogRecord("tensorflow", logging.ERROR, "a/pfor.py", 1, "Got error while pfor", (), None))
    assert "Got error" not in capfd.readouterr().err + caplog.text
