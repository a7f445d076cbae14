"""What the search room refuses, and why. Knows no HTTP: `app.errors` maps these to problem+json."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from storage.records import Reason


class SearchError(Exception):
    """Base of everything that `search` raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a definition: where, what was expected, what came, and the nearest right name."""

    path: str
    expected: str
    got: str
    did_you_mean: str | None = None

    def __str__(self) -> str:
        return f"{self.path or 'the definition'}: {self.text}"

    @property
    def text(self) -> str:
        """What was expected and what came, without the place."""
        hint = f" (did you mean {self.did_you_mean!r}?)" if self.did_you_mean else ""
        return f"expected {self.expected}, got {self.got}{hint}"


class InvalidDefinition(SearchError):
    """A study definition is wrong; `faults` lists everything that is, not only the first."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(str(fault) for fault in self.faults))


class PreflightError(SearchError):
    """A study cannot be run as it is: found by the preflight, with the loaded model at hand."""

    def __init__(self, code: str, message: str, at: str | None = None) -> None:
        self.reason = Reason(code, message, at)
        super().__init__(message)


class _Short(reprlib.Repr):
    """`repr` that never walks all of what somebody sent: it may be millions of values, or nested deeper than Python recurses."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.maxlevel = 6
        self.maxdict = self.maxlist = self.maxtuple = 16
        self.maxstring = self.maxlong = self.maxother = limit

    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() > 1024:  # Python refuses to print integers of thousands of digits
            return f"an integer of about {math.ceil(x.bit_length() * math.log10(2))} digits"
        return repr(x)

    def repr_dict(self, x: Mapping[Any, Any], level: int) -> str:
        if level <= 0:
            return "{...}"
        items = [f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}" for key, value in islice(x.items(), self.maxdict)]
        more = ["..."] if len(x) > self.maxdict else []
        return "{" + ", ".join([*items, *more]) + "}"  # in the sender's order; reprlib sorts


def shown(value: object, limit: int = 80) -> str:
    """Return `value` as it can stand in an error: its JSON-like text, cut where it is long or deep."""
    text = _Short(limit).repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
