"""What keeps the house readable: short functions, short files, and one meaning for each class name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("app", "search", "storage", "steelyard")
LONGEST_FILE, LONGEST_FUNCTION = 400, 50
"""In lines; of a function those of its body: `steelyard.search` takes all that `compile` and `fit` take, one a line."""

MIRRORS = ("steelyard/documents.py", "steelyard/errors.py")
"""The client's own words for what the service sends: the same names on purpose."""


def sources() -> dict[str, str]:
    """Return the text of every module of the program by its path."""
    found = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    assert len(found) > 200
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in found}


def nodes(*kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    for path, text in sources().items():
        yield from ((path, node) for node in ast.walk(ast.parse(text)) if isinstance(node, kinds))


def test_no_function_is_long() -> None:
    long = [
        f"{path}: {node.name} has {lines} lines"
        for path, node in nodes(ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.body[0].lineno + 1) > LONGEST_FUNCTION
    ]
    assert long == []


def test_no_file_is_long() -> None:
    lengths = {path: text.count("\n") for path, text in sources().items()}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_no_class_name_stands_in_two_modules() -> None:
    places: dict[str, list[str]] = {}
    for path, node in nodes(ast.ClassDef):
        if isinstance(node, ast.ClassDef) and path not in MIRRORS:
            places.setdefault(node.name, []).append(path)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
