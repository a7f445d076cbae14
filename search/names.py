"""What a name is, what a path is, and which names nobody may take."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
RESERVED = frozenset({"loss", "val_loss", "total", "objective", "number", "state"})


def _not_reserved(name: str) -> str:
    if name in RESERVED:
        expected = f"a name that is not reserved ({', '.join(sorted(RESERVED))})"
        raise PydanticCustomError("reserved_name", "expected {expected}", {"expected": expected})
    return name


Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=64), AfterValidator(_not_reserved)]
"""A name of the user's: letters, digits, `_` and `-`, at most 64 characters, none of `RESERVED`."""

StudyName = Annotated[str, Field(pattern=NAME_PATTERN, max_length=64)]

Key = Annotated[str, Field(min_length=1, max_length=256)]
"""A name that the workload gave: of an input, an output or a target. Any text will do, `state` and `log odds` too."""

Path = Annotated[str, Field(min_length=1, max_length=129)]
"""`task.loss`, `task.metric`, `penalty` or `penalty.violations`."""


MAX_RULE = 64
"""Longest rule that a trial can bear."""


def rule_for(kind: str, name: str) -> str:
    """Return the rule of a kind for one task or penalty: `kind:name`, shortened by a hash where it would be too long to be kept."""
    rule = f"{kind}:{name}"
    if len(rule) <= MAX_RULE:
        return rule
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{rule[: MAX_RULE - len(digest) - 1]}~{digest}"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that `name` was probably meant to be, or None."""
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return found[0] if found else None


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Return `names` as they can stand in a sentence, cut after `limit`."""
    ordered = sorted(names)
    more = f" and {len(ordered) - limit} more" if len(ordered) > limit else ""
    return (", ".join(ordered[:limit]) + more) or "none"
