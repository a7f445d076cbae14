"""Workloads that a command names as files: `--workload ads=ads.py:Ads`."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steelyard.cli.exit_codes import CommandFailed
from steelyard.cli.output import note

if TYPE_CHECKING:
    from steelyard.client import Client

DESCRIBED_SECONDS = 60.0
"""How long `submit` waits for a worker to describe the file: one that trains does so after its cohort."""
POLL_SECONDS = 0.3
SETTLED_SECONDS = 5.0
"""So long an error of other files than these is looked at before it counts: it may be of an earlier save."""


def parsed(text: str) -> tuple[str, str]:
    """Return the name and the place, with the file as an absolute path, that NAME=FILE[:ATTRIBUTE] says. Raises CommandFailed."""
    from search.names import NAME_PATTERN
    from search.workloads.registry import BUILT_IN
    from search.workloads.sources import is_file

    name, equals, place = text.partition("=")
    if not equals or not re.match(NAME_PATTERN, name) or len(name) > 64 or not is_file(place):
        raise CommandFailed(f"--workload: expected NAME=FILE.py or NAME=FILE.py:ATTRIBUTE, got {text!r}")
    if name in BUILT_IN:
        raise CommandFailed(f"--workload: the name {name!r} is a built-in workload's; take another")
    return name, existing(place)


def existing(place: str) -> str:
    """Return a file's place with an absolute path. Raises CommandFailed where there is no such file."""
    from search.workloads.sources import split_place

    path = os.path.abspath(place)
    if not Path(split_place(path)[0]).is_file():
        raise CommandFailed(f"there is no file {split_place(place)[0]}")
    return path


def add_to_environment(workloads: Sequence[str] | None) -> None:
    """Register the workloads of a command's options for this process and those that it starts. Raises CommandFailed."""
    from search.workloads.registry import VARIABLE

    named = dict(map(parsed, workloads or ()))
    if not named:
        return
    if odd := next((place for place in named.values() if "," in place), None):
        raise CommandFailed(f"--workload: {odd} has a comma in its path, which cannot be handed on to workers: rename it")
    others = [entry for entry in os.environ.get(VARIABLE, "").split(",") if entry.partition("=")[0].strip() not in named]
    os.environ[VARIABLE] = ",".join(filter(None, [*others, *(f"{name}={place}" for name, place in named.items())]))


def register_and_wait(client: Client, workloads: Sequence[str] | None, data_dir: str) -> None:
    """Register workloads for the service whose data directory this is, and wait until a worker has described them as they are.

    Raises CommandFailed where no worker takes one up, or where one cannot be described.
    """
    from search.workloads.watched import NotRegistered, register
    from steelyard.database_location import workloads_folder_in

    folder = workloads_folder_in(data_dir)
    for name, place in map(parsed, workloads or ()):
        before = _entry(client, name)
        try:
            file = register(folder, name, place)
        except NotRegistered as refused:
            raise CommandFailed(str(refused)) from refused
        _wait(client, name, place, file, before)


def _entry(client: Client, name: str) -> Mapping[str, Any] | None:
    return next((entry for entry in client.workloads() if entry["name"] == name), None)


def _is_new(error: Mapping[str, Any], before: Mapping[str, Any] | None) -> bool:
    """Return whether an entry's error was published after another look at it."""
    return before is None or any(error[key] != before[key] for key in ("error", "version", "published_at"))


def _wait(client: Client, name: str, place: str, file: Path, before: Mapping[str, Any] | None) -> None:
    from search.workloads.sources import sources_of
    from steelyard.formatting import because

    sources = sources_of(place)
    version = None if sources is None else sources.version
    deadline, said, failing_since = time.monotonic() + DESCRIBED_SECONDS, False, math.inf
    while True:
        found = _entry(client, name)
        described = found is not None and found["version"] == version
        failing = found is not None and found["error"] and (described or _is_new(found, before))
        failing_since = min(failing_since, time.monotonic()) if failing else math.inf
        if found is not None and failing and (described or time.monotonic() - failing_since >= SETTLED_SECONDS):
            raise CommandFailed(f"the workload {name!r} cannot be described: {because(found['error'])}")
        if described:
            return
        if time.monotonic() >= deadline:
            break
        if not said:
            note(f"Registered {name} ({file}); waiting for a worker to describe it.")
            said = True
        time.sleep(POLL_SECONDS)
    if found is None or not found["workers"]:
        raise CommandFailed(
            f"no worker has taken up the workload {name!r} within {DESCRIBED_SECONDS:g} s: a worker watches {file.parent} where it "
            "runs with this data directory (--data-dir) and as this user"
        )
    note(f"No worker has described {name} as it is now within {DESCRIBED_SECONDS:g} s; the study is checked against what is known.")
