"""Python text of values and calls, laid out as ruff formats it: on one line where that fits, else one item a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WIDTH = 132
STEP = 4


@dataclass(frozen=True, slots=True)
class Code:
    """Text that stands as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call of `name` with positional and named arguments."""

    name: str
    positional: Sequence[Any] = ()
    named: Mapping[str, Any] = field(default_factory=dict)


def literal(value: Any, indent: int = 0, beside: int = 0) -> str:
    """Return the text of a JSON value, a Code, a Call, or a list, tuple or dict of those.

    `indent` is that of its line, `beside` how many more characters stand on its first line, before or after it.
    """
    flat = _flat(value)
    opening, closing, items = _parts(value)
    if not items or indent + beside + len(flat) <= WIDTH:
        return flat
    inner = indent + STEP
    lines = [f"{' ' * inner}{head}{literal(item, inner, len(head) + 1)}," for head, item in items]
    return "\n".join([opening, *lines, f"{' ' * indent}{closing}"])


def assigned(name: str, value: Any) -> str:
    """Return the statement `name = value`."""
    return f"{name} = {literal(value, beside=len(name) + 3)}"


def _flat(value: Any) -> str:
    opening, closing, items = _parts(value)
    if not opening:
        return _atom(value)
    if isinstance(value, tuple) and len(items) == 1:
        return f"({_flat(value[0])},)"
    return opening + ", ".join(f"{head}{_flat(item)}" for head, item in items) + closing


def _parts(value: Any) -> tuple[str, str, list[tuple[str, Any]]]:
    """Return the brackets, and what is in them with what stands before each; no brackets for what has none."""
    if isinstance(value, Call):
        named = [(f"{name}=", item) for name, item in value.named.items()]
        return f"{value.name}(", ")", [*(("", item) for item in value.positional), *named]
    if isinstance(value, Mapping):
        return "{", "}", [(f"{_atom(key)}: ", item) for key, item in value.items()]
    if isinstance(value, tuple):
        return "(", ")", [("", item) for item in value]
    return ("[", "]", [("", item) for item in value]) if isinstance(value, list) else ("", "", [])


def _atom(value: Any) -> str:
    if isinstance(value, Code):
        return value.text
    if not isinstance(value, str):
        return repr(value)
    text = repr(value)
    return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text
