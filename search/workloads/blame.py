"""Say where a user's code raised: its own file and line, not the depths of Keras."""

from __future__ import annotations

import inspect
import linecache
import re
import sysconfig
import traceback
from pathlib import Path
from typing import Any

MAX_MESSAGE = 600

_ROOM = Path(__file__).resolve().parents[1]
_BUILT_IN = "digits"  # the built-in workloads are written as a user's are
_LIBRARIES = tuple(Path(sysconfig.get_path(key)).resolve() for key in ("stdlib", "platstdlib"))
_INSTALLED = re.compile(r"[\\/](?:site|dist)-packages[\\/](\w+)")
_FRAMEWORKS = frozenset({"keras", "tensorflow", "numpy", "scipy", "sklearn", "pandas", "pydantic", "pydantic_core", "absl"})
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # Keras prints messages in bold
_NOT_FILES = ("<frozen", "<string>", "<attrs")
_FILE_AND_LINE = re.compile(r"\.py:\d+$")
_OWN_FUNCTIONS = ("load_data", "build_model")
_GRAPH_WORDS = re.compile(r"\{\{function_node [^}]*\}\} ?|\s*\[Op:\w+\](?: name:\s*\w*)?\s*$")
_GRAPH_PLACE = re.compile(r'File "([^"]+)", line (\d+)')


def place_of(error: BaseException) -> str | None:
    """Return `file.py:12`, where the user's own code was when `error` was raised, or None where none of it was running.

    That is the innermost frame outside of Steelyard, the standard library and installed packages; where there is none, that of an
    installed package which is no framework: a workload may be one. Of an error in the compiled graph, which has no frames of its
    own, the place is read from TensorFlow's message.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}"
    frames = [(frame.filename, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__, limit=None)]
    in_graph = [(name, int(line)) for name, line in _GRAPH_PLACE.findall(str(error))]
    places = [*frames, *in_graph]
    own = [place for place in places if _is_users(place[0])] or [place for place in places if _is_plugins(place[0])]
    return f"{Path(own[-1][0]).name}:{own[-1][1]}" if own else None


def located(at: str | None, source: object) -> str | None:
    """Return where a fault of a workload is as `file.py:12`, where `at` names its load_data or build_model, or nothing at all.

    `source` is the workload as it was loaded: a class, an instance or a module. What has a file and line stays as it is, and so
    does the place of a definition.
    """
    if at is not None and (_FILE_AND_LINE.search(at) or not at.startswith(_OWN_FUNCTIONS)):
        return at
    found: Any = getattr(source, (at or "").partition(":")[0], source)
    found = inspect.unwrap(found) if callable(found) else found
    code = getattr(found, "__code__", None)
    if code is not None:
        return f"{Path(code.co_filename).name}:{code.co_firstlineno}"
    kind = found if inspect.ismodule(found) or inspect.isclass(found) else type(found)
    try:
        return f"{Path(inspect.getsourcefile(kind) or '').name}:{max(inspect.getsourcelines(kind)[1], 1)}"
    except (OSError, TypeError):
        return at


def one_line(error: BaseException) -> str:
    """Return the exception in one line: its type, and its message up to the first blank line."""
    text = " ".join(_essence(_COLOURS.sub("", str(error))).split())
    text = text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _essence(text: str) -> str:
    """Take away what Keras and TensorFlow wrap around a message: the call it happened in, arguments, the graph's nodes."""
    paragraphs = [part for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]
    while len(paragraphs) > 1 and paragraphs[0].startswith("Exception encountered when calling"):
        paragraphs = paragraphs[1:]
    return _GRAPH_WORDS.sub("", paragraphs[0]) if paragraphs else ""


def _is_users(filename: str) -> bool:
    if filename.startswith(_NOT_FILES) or _INSTALLED.search(filename):
        return False
    path = Path(filename).resolve()
    if _ROOM in path.parents and not path.name.startswith(_BUILT_IN):
        return False
    inside_library = any(root in path.parents for root in _LIBRARIES)
    return not inside_library and (path.exists() or bool(linecache.getline(filename, 1)))


def _is_plugins(filename: str) -> bool:
    installed = _INSTALLED.search(filename)
    return installed is not None and installed[1] not in _FRAMEWORKS and not filename.startswith(str(_ROOM))
