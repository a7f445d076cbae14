"""Say how a command ended: its exit code, and its failure in one clear sentence."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from steelyard.errors import (
    DefinitionChanged,
    InvalidAddress,
    ProblemError,
    ServiceFailed,
    ServiceUnreachable,
    SteelyardError,
    UnexpectedAnswer,
    WaitTimeout,
)

MOST_LINES = 50


class Exit(IntEnum):
    COMPLETE = 0  # done; a watched study is COMPLETE
    REFUSED = 1  # wrong usage, or refused
    FAILED = 2  # the watched study is FAILED
    STOPPED = 3  # the watched study is STOPPED or CANCELLED
    TIMEOUT = 4  # the watched study has not ended in the time given
    UNREACHABLE = 5  # no service, or none that works
    INTERRUPTED = 130  # Ctrl-C, as shells say it


OF_STATE = {"COMPLETE": Exit.COMPLETE, "FAILED": Exit.FAILED, "STOPPED": Exit.STOPPED, "CANCELLED": Exit.STOPPED}


class CommandFailed(Exception):
    """A command cannot do what it was asked for. The text is one sentence."""

    def __init__(self, message: str, code: Exit = Exit.REFUSED) -> None:
        self.code = code
        super().__init__(message)


def code_of(error: SteelyardError) -> Exit:
    """Return the exit code that an error of the client stands for."""
    if isinstance(error, WaitTimeout):
        return Exit.TIMEOUT
    if isinstance(error, ServiceUnreachable | ServiceFailed | UnexpectedAnswer):
        return Exit.UNREACHABLE
    return Exit.REFUSED


def to_text(error: SteelyardError) -> str:
    """Return an error for the terminal: a sentence, and under it the faults one a line."""
    lines = [*_headline(error), *_details(error)]
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"  ... and {len(lines) - MOST_LINES} more"]
    return "\n".join(lines)


def _headline(error: SteelyardError) -> Iterator[str]:
    if isinstance(error, ServiceUnreachable) and error.why == "connection refused":
        yield f"{error} (start one: steelyard serve)"
    elif isinstance(error, InvalidAddress):
        yield f"{error} (--url, STEELYARD_URL)"
    elif isinstance(error, ProblemError) and len(error.errors) > 1:
        yield f"{error.title}: {len(error.errors)} things are wrong"
    else:
        yield str(error)


def _details(error: SteelyardError) -> Iterator[str]:
    if isinstance(error, DefinitionChanged):
        for change in error.changed:
            yield f"  {change.get('path')}: stored {change.get('stored')!r}, sent {change.get('sent')!r}"
    elif isinstance(error, ProblemError) and len(error.errors) > 1:
        yield from (f"  {fault}" for fault in error.errors)
