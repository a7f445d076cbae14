"""Tests that share what they start run in one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.grouping import FOLDERS, LONG, SERVICES, group_of, in_order, scheduler

STUDIES = "tests/end_to_end/test_studies.py::test_cancel_ends_what_runs"


@pytest.mark.parametrize(
    ("test", "group"),
    [
        (f"{STUDIES}[on_sqlite]", "on_sqlite"),
        ("tests/end_to_end/test_script.py::test_the_file[one_worker-schedule]", "one_worker"),
        ("tests/end_to_end/test_readme.py::test_every_server_command_starts[steelyard serve]", "tests/end_to_end/test_readme.py"),
        ("tests/app/pages/in_browser/test_live.py::test_x[/]", "tests/app/pages/in_browser"),
        ("tests/app/pages/test_pages.py::test_x", "tests/app/pages/test_pages.py"),
        ("tests/app/test_studies.py::test_a_name[sqlite]", "tests/app/test_studies.py"),
        ("tests/app/test_studies.py::test_on_sqlite", "tests/app/test_studies.py"),
    ],
)
def test_a_group_is_a_service_a_folder_or_a_module(test: str, group: str) -> None:
    assert group_of(test) == group


def test_services_and_engines_take_turns_and_what_takes_long_comes_next() -> None:
    late = "tests/app/test_studies.py"
    engine = "tests/search/training/engine/test_engine.py"
    long = [f"{group}/test_y.py" if group in FOLDERS else group for group in LONG]
    tests = [f"{module}::test_x" for module in (late, *long, engine)]
    tests += [f"{STUDIES}[{service}]" for service in SERVICES]
    assert in_order(tests) == [SERVICES[0], engine, *SERVICES[1:], *LONG, late]


def test_what_takes_long_is_there() -> None:
    assert all(Path(__file__).parents[1].joinpath(module).exists() for module in LONG)


def test_pytest_xdist_gives_a_group_to_one_process(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytestconfig.option, "tx", ["2*popen"])
    found = scheduler(pytestconfig, None)
    assert found._split_scope(f"{STUDIES}[on_sqlite]") == "on_sqlite"
