"""Python text of values: what it says when read again, and that ruff would leave it as it is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from search.export.python_literals import Call, Code, assigned, literal

LONG = {f"task-{number}.sparse_categorical_accuracy": [0.5 / (number + 1), 1e-12, 2, None, True] for number in range(4)}


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        [1, 2.5, -0.0, 1e300],
        (1.5,),
        "with 'one' kind",
        'with "the" other',
        "with a \\ and\na line",
        LONG,
        {"deep": [LONG, {"x": LONG}]},
    ],
)
def test_a_value_is_read_again_as_it_was(value: Any) -> None:
    assert ast.literal_eval(literal(value)) == value


def test_what_fits_is_one_line_and_what_does_not_is_one_item_a_line() -> None:
    assert literal([1, "a", None]) == '[1, "a", None]'
    assert literal(["x" * 70, "y" * 70]) == f'[\n    "{"x" * 70}",\n    "{"y" * 70}",\n]'


def test_a_call_has_its_arguments_and_code_stands_as_it_is() -> None:
    call = Call("f", [Code("x"), Call("g")], {"rate": 0.5, "names": ["a"]})
    assert literal(call) == 'f(x, g(), rate=0.5, names=["a"])'


def test_ruff_would_leave_it_as_it_is(tmp_path: Path) -> None:
    values = [LONG, [LONG], Call("f", [LONG, Code("x")], {"y": LONG, "z": Call("g", ["x" * 130])}), ("x" * 60, "y" * 60)]
    widths = [["x" * 128], ["x" * 121], ["x" * 120], ["x" * 119]]  # about the edge
    file = tmp_path / "file.py"
    file.write_text("\n".join(assigned("name", value) for value in [*values, *widths]) + "\n")
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "132", "--diff", str(file)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")
