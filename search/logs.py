"""Loggers of the worker, which also runs inside other programs: those decide where its lines go."""

from __future__ import annotations

import logging
from typing import Any

import structlog


def logger(name: str) -> Any:
    """Return a logger that writes through the standard library's logger `name`, also where nobody has configured structlog.

    structlog by itself prints to standard output, which belongs to the program that the worker runs in.
    """
    return structlog.wrap_logger(logging.getLogger(name))
