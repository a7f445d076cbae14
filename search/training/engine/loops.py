"""Which operations TensorFlow cannot vectorise: it says so in a line for each, a hundred for one model; here they are counted."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

_LOOPS = re.compile(r"Using a while_loop for converting (\w+)|(\w+) uses a while_loop")

CONVERSION = "pfor.py"
"""TensorFlow's file that vectorises operations."""


@contextmanager
def looped_operations() -> Iterator[set[str]]:
    """Collect the operations that are run once a setting in what is traced in this block, in place of TensorFlow's lines.

    Its errors are logged as ever, but for those of the conversion, a hundred lines each: they are raised too.
    """
    found: set[str] = set()

    def passes(record: logging.LogRecord) -> bool:
        if loops := _LOOPS.search(record.getMessage()):
            found.add(loops[1] or loops[2])
        return record.levelno >= logging.ERROR and record.filename != CONVERSION

    logger = tf.get_logger()
    level = logger.level
    logger.addFilter(passes)
    logger.setLevel(logging.DEBUG)
    try:
        yield found
    finally:
        logger.setLevel(level)
        logger.removeFilter(passes)
