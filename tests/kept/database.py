"""A small database as an earlier version wrote it (SQLite, as SQL text), and what that version answered from it.

Made by version 0.1.0, before the rooms of `search/` were rebuilt: the example `digits.json`, 3 trials of 2 epochs, and the best one
confirmed on 2 seeds.
"""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def restore(file: Path) -> None:
    """Write the database to a new SQLite file."""
    connection = sqlite3.connect(file)
    connection.executescript((FOLDER / "database.sql").read_text())
    connection.close()


def answers() -> dict[str, Any]:
    """Return the bodies of the calls that were made, by path."""
    found: dict[str, Any] = json.loads((FOLDER / "answers.json").read_text())
    return {path: answer["body"] for path, answer in found.items()}


SENTENCES = frozenset({"rules", "ranges", "noise"})
"""Fields that explain an answer in words, which a new version may word otherwise, and judgements that a better rule replaced: the
ranges that versions before 0.2 stated held a truly worse value in four of ten simulated studies, so they are not stated again."""

JUDGED_ANEW = re.compile(r"\.confirmation\.(verdict|against\.\w+\.(low|high))$")
"""What a new version says of the same trainings by its own rules: at 95 %, where 0.1.0 had 99 % divided by the finalists."""


def missing(old: Any, new: Any, at: str = "") -> list[str]:
    """List where `new` lacks or changes something that `old` says. It may say more: fields come with new versions."""
    if JUDGED_ANEW.search(at):
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        kept = {key: value for key, value in old.items() if key not in SENTENCES}
        return [fault for key, value in kept.items() for fault in missing(value, new.get(key, "missing"), f"{at}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [fault for i, pair in enumerate(zip(old, new, strict=True)) for fault in missing(*pair, f"{at}.{i}")]
    return [] if old == new else [f"{at}: {old!r} became {new!r}"]
