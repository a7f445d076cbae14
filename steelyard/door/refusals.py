"""Refuse a call in the user's words. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from steelyard.errors import Fault, ValidationError


def refused(at: str, text: str) -> ValidationError:
    """Return the refusal of one argument: where it is, and one sentence."""
    return ValidationError([Fault(at, text, "")])


def not_yet(at: str, what: str) -> ValidationError:
    """Return the refusal of what a later version brings."""
    return refused(at, f"{what}: this comes later")


def all_refused(faults: Iterable[Fault]) -> ValidationError:
    """Return the refusal of a definition with all its faults."""
    return ValidationError(list(faults))
