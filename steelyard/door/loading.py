"""Read a result again: from a file, or from a study of the local service."""

from __future__ import annotations

import json
from pathlib import Path

from steelyard.door.result import FORMAT, Result


def from_file(path: Path) -> Result:
    """Return a saved result. Raises ValueError for any other file."""
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is no saved result: {error}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f"{path} is no saved result: result.save(path) writes one")
    return Result(found["documents"]["study"]["name"], None, found["memory"], None, found["documents"], found["pick"])


def from_study(name: str) -> Result:
    """Return the result of a study of the local service. Raises NotFound."""
    from steelyard.client import Client
    from steelyard.door.cache import cache_folder, remembered
    from steelyard.door.local import local_service

    folder = cache_folder()
    url = local_service(folder)
    with Client(url) as client:
        study = client.get(name)
    memory = remembered(folder, name)
    if memory is None:
        outputs = [task.get("output") or task["name"] for task in study["definition"]["tasks"]]
        memory = {"outputs": outputs, "compile_outputs": outputs, "own_losses": [], "weighted": []}
    return Result(name, url, memory)
