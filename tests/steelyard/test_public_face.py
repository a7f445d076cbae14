"""What `import steelyard` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import steelyard

HEAVY = ("httpx", "keras", "tensorflow", "optuna", "sqlalchemy", "fastapi", "typer", "rich", "pydantic")


def imported_by(code: str) -> set[str]:
    """Return the heavy packages that are loaded after the code has run in a fresh process."""
    script = f"import sys\n{code}\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    return set(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout.split())


def test_importing_it_loads_nothing_heavy():
    assert imported_by("import steelyard; steelyard.ProblemError; steelyard.apply; dir(steelyard)") == set()


def test_a_client_loads_httpx_alone():
    loaded = imported_by("import steelyard; steelyard.Client('http://127.0.0.1:1')")
    assert loaded - {"rich"} == {"httpx"}  # httpx loads rich for a command of its own where it finds it


def test_the_command_line_loads_neither_the_service_nor_the_search():
    loaded = imported_by("import steelyard.cli.main")
    assert loaded.isdisjoint({"keras", "tensorflow", "optuna", "sqlalchemy", "fastapi", "httpx"})


def test_the_service_loads_neither_keras_nor_optuna():
    assert imported_by("import steelyard.serving").isdisjoint({"keras", "tensorflow", "optuna"})


def test_every_public_name_is_there():
    assert all(hasattr(steelyard, name) for name in steelyard.__all__)
    assert dir(steelyard) == sorted(steelyard.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'frob'"):
        _ = steelyard.frob


def test_the_version_is_the_installed_one():
    assert steelyard.__version__[0].isdigit()
