"""Workloads that `submit --workload` registers: a folder of files `NAME.json`, each with a workload's place, which workers watch.

A place is code that a worker runs, so a file counts only where nobody but this process's own user may have written it.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from search.errors import SearchError, shown
from search.names import NAME_PATTERN
from search.workloads.sources import is_file, split_place

FOLDER = "workloads"
"""Its name within the data directory."""
FORMAT = "steelyard/workload"
MAX_BYTES = 65536
FOR_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class NotRegistered(SearchError):
    """A workload cannot be registered; the text is one sentence."""


@dataclass(frozen=True)
class Watched:
    """The places in a folder by name, and why other names, or the whole folder (""), do not count."""

    places: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


def register(folder: Path, name: str, place: str) -> Path:
    """Write a workload's place into the folder, for this user alone; return the file.

    Raises NotRegistered where workers would not take it, OSError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if fault := _others_may_write(folder, folder.lstat(), directory=True):
        raise NotRegistered(fault)
    file = folder / f"{name}.json"
    part = folder / f".{name}.{os.getpid()}"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        os.fchmod(handle, 0o600)
        opened.write(json.dumps({"format": FORMAT, "place": place}) + "\n")
    os.replace(part, file)
    return file


def watched(folder: Path) -> Watched:
    """Read the folder; one that is not there has no workloads."""
    try:
        fault = _others_may_write(folder, folder.lstat(), directory=True)
        files = sorted(folder.glob("*.json")) if fault is None else []
    except OSError:
        return Watched()
    if fault is not None:
        return Watched(faults={"": fault})
    places, faults = {}, {}
    for file in files:
        if not re.match(NAME_PATTERN, file.stem):
            continue
        try:
            places[file.stem] = _place(file)
        except NotRegistered as refused:
            faults[file.stem] = str(refused)
        except OSError as error:
            faults[file.stem] = f"{file.name}: {error.strerror or error}"
    return Watched(places, faults)


def _place(file: Path) -> str:
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as opened:
        if fault := _others_may_write(file, os.fstat(opened.fileno()), directory=False):
            raise NotRegistered(fault)
        content = opened.read(MAX_BYTES)
    try:
        document = json.loads(content)
        place = document["place"]
        good = document["format"] == FORMAT and is_file(place) and os.path.isabs(split_place(place)[0])
    except (ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise NotRegistered(
            f'{file.name} should hold {{"format": "{FORMAT}", "place": "/folder/file.py:attribute"}}, got {shown(content)}'
        )
    return str(place)


def _others_may_write(path: Path, status: os.stat_result, *, directory: bool) -> str | None:
    """Return why a file or folder does not count: it is no plain one, or others than this process's user may have written it."""
    kind, right = ("folder", stat.S_ISDIR) if directory else ("file", stat.S_ISREG)
    if not right(status.st_mode):
        return f"{path} is not a plain {kind}, so workloads in it do not count"
    if status.st_uid != os.geteuid():
        return f"{path} belongs to another user (uid {status.st_uid}, not {os.geteuid()}), so workloads in it do not count"
    if status.st_mode & FOR_OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        return f"others may write {path} (mode {mode:04o}), so workloads in it do not count: chmod go-w {path}"
    return None
