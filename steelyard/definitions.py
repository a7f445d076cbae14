"""Take a study definition from where the user has it, and make it safe to send twice."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from steelyard.errors import DefinitionUnreadable

Definition = Mapping[str, Any] | str | os.PathLike[str]
"""A definition as a dictionary, or the path of its JSON file."""

LONGEST_NAME = 64


def read_definition(definition: Definition) -> dict[str, Any]:
    """Return the definition as a dictionary; what is in it, the service judges.

    Raises DefinitionUnreadable for a file that is missing or not a JSON object.
    """
    if isinstance(definition, Mapping):
        return dict(definition)
    path = Path(definition)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DefinitionUnreadable(str(path), error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise DefinitionUnreadable(str(path), f"not a text in UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise DefinitionUnreadable(f"{path}:{error.lineno}:{error.colno}", f"not JSON: {error.msg}") from error
    except RecursionError as error:
        raise DefinitionUnreadable(str(path), "too deeply nested to be a definition") from error
    if not isinstance(found, dict):
        raise DefinitionUnreadable(str(path), f"a study definition is a JSON object, this is {_kind(found)}")
    return found


def named(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition with a name of its own where it has none.

    Two POSTs of one name and definition are one study, so a named definition may be sent again when an answer was lost.
    """
    if definition.get("name") is not None:
        return dict(definition)
    workload = definition.get("workload")
    of = workload.get("name") if isinstance(workload, Mapping) else workload
    ending = f"-{secrets.token_hex(4)}"
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", of if isinstance(of, str) else "").strip("-_") or "study"
    return {**definition, "name": stem[: LONGEST_NAME - len(ending)] + ending}


def _kind(value: object) -> str:
    kinds = {list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")
