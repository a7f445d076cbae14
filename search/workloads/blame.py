"""Say where a user's code raised: its own file and line, not the depths of Keras."""

from __future__ import annotations

import linecache
import re
import sysconfig
import traceback
from pathlib import Path

MAX_MESSAGE = 600

_ROOM = Path(__file__).resolve().parents[1]
_OURS = (_ROOM / "training", _ROOM / "workloads" / "base.py", _ROOM / "workloads" / "registry.py", _ROOM / "workloads" / "data.py")
_LIBRARIES = tuple(Path(sysconfig.get_path(key)).resolve() for key in ("stdlib", "platstdlib"))
_INSTALLED = re.compile(r"[\\/](site|dist)-packages[\\/]")
_NOT_FILES = ("<frozen", "<string>", "<attrs")
_GRAPH_PLACE = re.compile(r'File "([^"]+)", line (\d+)')


def place_of(error: BaseException) -> str | None:
    """Return `file.py:12`, where the user's own code was when `error` was raised, or None where none of it was running.

    That is the innermost frame outside of Steelyard, the standard library and installed packages. For an error of the compiled
    graph, which has no such frame, the place is read from TensorFlow's message.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}"
    frames = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__, limit=None)]
    in_graph = [(name, int(line)) for name, line in _GRAPH_PLACE.findall(str(error))]
    own = [place for place in (*in_graph, *frames) if _is_users(place[0])]
    return f"{Path(own[-1][0]).name}:{own[-1][1]}" if own else None


def told(error: BaseException) -> str:
    """Return the exception in one line: its type, and its message up to the first blank line."""
    text = " ".join(_essence(str(error)).split())
    text = text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _essence(text: str) -> str:
    """Take away what Keras and TensorFlow wrap around a message: the call it happened in, arguments, the graph's nodes."""
    paragraphs = [part for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]
    while len(paragraphs) > 1 and paragraphs[0].startswith("Exception encountered when calling"):
        paragraphs = paragraphs[1:]
    return paragraphs[0] if paragraphs else ""


def _is_users(filename: str) -> bool:
    if filename.startswith(_NOT_FILES) or _INSTALLED.search(filename):
        return False
    path = Path(filename).resolve()
    if any(path == root or root in path.parents for root in _OURS):
        return False
    inside_library = any(root in path.parents for root in _LIBRARIES)
    return not inside_library and (path.exists() or bool(linecache.getline(filename, 1)))
