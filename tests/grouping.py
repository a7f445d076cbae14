"""Which tests run in one process of pytest-xdist, one after another, and in which order the groups begin."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable
from typing import Any

import pytest

SERVICES = ("on_postgresql", "on_sqlite", "one_worker")
"""Fixtures of real services. Their names stand in the ids of the tests that use them, and a run starts each once."""

FOLDERS = ("tests/app/pages/in_browser",)
"""Folders whose tests share what their `conftest` starts: a browser, and a service with studies to look at."""

LONG = (
    *FOLDERS,
    "tests/storage/test_state_machine.py",
    "tests/steelyard/test_serve.py",
    "tests/storage/test_races.py",
    "tests/app/test_sensitivity.py",
    "tests/search/sampling/test_beliefs.py",
    "tests/steelyard/test_demo.py",
    "tests/app/test_fuzz.py",
    "tests/search/sampling/test_genetic.py",
    "tests/app/test_ranking_service.py",
)
"""Modules and folders that take long, apart from the first ones: begun late, one would go on after all others have ended."""


def group_of(test: str) -> str:
    """Return the service in the id of a test, else its folder, else its module: those share what they start, train and trace."""
    module, _, name = test.partition("::")
    used = re.split(r"[\[\]-]", name)
    folder = next((folder for folder in FOLDERS if module.startswith(f"{folder}/")), module)
    return next((service for service in SERVICES if service in used), folder)


def only_here(service: str, factory: pytest.TempPathFactory) -> None:
    """Fail where another process of the same run of pytest-xdist has started this service too."""
    if run := os.environ.get("PYTEST_XDIST_TESTRUNUID"):
        (factory.getbasetemp().parent / f"{run}-{service}").touch(exist_ok=False)


def in_order(tests: Iterable[str]) -> list[str]:
    """Return the groups of tests in the order in which they shall begin.

    Services wait and engines compute, so they take turns; then comes what takes long.
    """
    groups: dict[str, str] = {}
    for test in tests:
        groups.setdefault(group_of(test), test)
    real = [group for group, test in groups.items() if test.startswith("tests/end_to_end/")]
    computed = [group for group, test in groups.items() if test.startswith("tests/search/training/")]
    first = [group for pair in itertools.zip_longest(real, computed) for group in pair if group]
    return list(dict.fromkeys([*first, *(group for group in LONG if group in groups), *groups]))


def scheduler(config: Any, log: Any) -> Any:
    """Return a scheduler of pytest-xdist that gives each group to one process.

    Its own `--dist loadgroup` reads the groups off ids that it changes, and pytest 9.2 sends the unchanged ones: each test would be
    a group, and each process would start every service.
    """
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return GroupScheduling(config, log)
