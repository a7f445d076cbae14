"""Print for whoever reads: a JSON document for a program, tables and notes for a person.

Standard output is the document and nothing else where it is no terminal; notes and progress go to standard error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import IO, Any

from rich.console import Console, RenderableType

from steelyard.formatting import plain


def wants_document(as_json: bool) -> bool:
    """Return whether standard output is to be the JSON document."""
    return as_json or not sys.stdout.isatty()


def answer(document: Any, as_json: bool, table: Callable[[], RenderableType]) -> None:
    """Print the document, or for a person the table."""
    if wants_document(as_json):
        print_document(document)
    else:
        terminal().print(table())


def print_document(document: Any) -> None:
    """Write JSON to standard output."""
    in_utf8 = (sys.stdout.encoding or "").lower().startswith("utf")
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=not in_utf8) + "\n")


def terminal() -> Console:
    """Return the console on standard output."""
    return _console(sys.stdout)


def notes() -> Console:
    """Return the console on standard error."""
    return _console(sys.stderr)


def beside_document(as_json: bool) -> Console:
    """Return the console for tables that go with a document: standard error where standard output is the document."""
    return notes() if wants_document(as_json) else terminal()


def note(text: str) -> None:
    """Write a sentence to standard error."""
    notes().print(plain(text), soft_wrap=True)


def _console(stream: IO[str]) -> Console:
    # Names and messages are the user's: nothing in them is markup.
    return Console(file=stream, markup=False, highlight=False, emoji=False)
