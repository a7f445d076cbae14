"""Which of the user's own files a workload is made of, and their version. Reads text, runs nothing, imports nothing.

The user's own are the workload's file and what it imports in turn, as far as it is neither Python's nor installed. Imports are read
from the text, those inside of functions too; a name that is put together at run time is not seen.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import site
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

OURS = frozenset({"app", "search", "storage", "steelyard"})
NOT_OWN = frozenset(sys.stdlib_module_names) | OURS
"""First parts of names that no file beside a workload can take."""

FILE_PLACE = re.compile(r"(?P<file>.+\.py)(?::(?P<attribute>.*))?")
MOST_MODULES = 2000

_INSTALLED = re.compile(r"[\\/](?:site|dist)-packages(?:[\\/]|$)")


@dataclass(frozen=True, slots=True)
class SourceModule:
    """One of the user's modules: its file and the text that it had."""

    path: str
    text: str  # its bytes as Latin-1, in which any of them survive, also as JSON
    package: bool = False

    @property
    def content(self) -> bytes:
        return self.text.encode("latin-1")


@dataclass(frozen=True)
class Sources:
    """A workload's place, and the user's modules that it is made of by name; none where its file is not there."""

    place: str
    modules: Mapping[str, SourceModule]

    @cached_property
    def digests(self) -> dict[str, str]:
        """The sha256 of each module's text."""
        return {name: hashlib.sha256(module.content).hexdigest() for name, module in sorted(self.modules.items())}

    @cached_property
    def size(self) -> int:
        """The bytes of all texts."""
        return sum(len(module.text) for module in self.modules.values())

    @cached_property
    def version(self) -> str:
        """The sha256 of all modules' names and texts: where files lie decides nothing."""
        return hashlib.sha256(json.dumps(self.digests, separators=(",", ":")).encode()).hexdigest()


def split_place(place: str) -> tuple[str, str]:
    """Return the module of a place, or its file, and the attribute, "" for none."""
    found = FILE_PLACE.fullmatch(place)
    if found:
        return found["file"], found["attribute"] or ""
    module, _, attribute = place.partition(":")
    return module, attribute


def is_file(place: str) -> bool:
    """Return whether a place is a file: `ads.py` or `ads.py:Ads`."""
    return FILE_PLACE.fullmatch(place) is not None


def module_place(place: str) -> str:
    """Return a place as `module:attribute`, which says nothing of where the file lies."""
    module, attribute = split_place(place)
    name = Path(module).stem if is_file(place) else module
    return f"{name}:{attribute}" if attribute else name


def sources_of(place: str) -> Sources | None:
    """Return the user's modules that a workload at `place` is made of, as they are now; None where it is not a user's own."""
    module, _ = split_place(place)
    if is_file(place):
        path = Path(module)
        folders = [str(path.parent), *_own_folders()]
        first = [(path.stem, path, False)] if path.is_file() else []
    else:
        folders = _own_folders()
        first = list(_located(module, folders))
        if not first or first[-1][0] != module:
            return None
    return Sources(place, _with_imports(first, folders))


def _with_imports(first: Sequence[tuple[str, Path, bool]], folders: Sequence[str]) -> dict[str, SourceModule]:
    found: dict[str, SourceModule] = {}
    waiting = list(first)
    while waiting and len(found) < MOST_MODULES:
        name, path, package = waiting.pop()
        if name in found:
            continue
        try:
            text, imports = _read(str(path), _stamp(path))
        except OSError:  # taken away at this moment
            continue
        found[name] = SourceModule(str(path), text, package)
        for imported in imports:
            waiting += _located(_absolute(imported, name, package), folders)
    return found


def _located(name: str, folders: Sequence[str]) -> Iterator[tuple[str, Path, bool]]:
    """Yield the user's modules that importing `name` runs: it and its packages, as (name, file, whether it is a package)."""
    parts = name.split(".")
    if not parts[0] or parts[0] in NOT_OWN:
        return
    for folder in folders:
        found = list(_inside(Path(folder), parts))
        if found:
            yield from found
            return


def _inside(folder: Path, parts: Sequence[str]) -> Iterator[tuple[str, Path, bool]]:
    for count, part in enumerate(parts, 1):
        name, folder = ".".join(parts[:count]), folder / part
        if (folder / "__init__.py").is_file():
            yield name, folder / "__init__.py", True
        elif folder.with_name(f"{part}.py").is_file():
            yield name, folder.with_name(f"{part}.py"), False
            return
        elif not folder.is_dir():
            return


def _absolute(imported: tuple[int, str], name: str, package: bool) -> str:
    """Return the full name of what the module `name` imports, given as its dots and what stands after them."""
    level, wanted = imported
    if level == 0:
        return wanted
    parts = name.split(".") if package else name.split(".")[:-1]
    return ".".join([*parts[: len(parts) - level + 1], *filter(None, [wanted])])


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


@lru_cache(maxsize=MOST_MODULES)
def _read(path: str, stamp: tuple[int, int, int]) -> tuple[str, tuple[tuple[int, str], ...]]:
    """Return a file's text and what it imports; read again only where its stamp is another."""
    content = Path(path).read_bytes()
    return content.decode("latin-1"), tuple(dict.fromkeys(_imports(content)))


def _imports(content: bytes) -> Iterator[tuple[int, str]]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):  # importing it will say so
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield node.level, module
            yield from ((node.level, f"{module}.{alias.name}".strip(".")) for alias in node.names)


def _own_folders() -> list[str]:
    """Return where Python finds modules that are neither its own nor installed; the current folder comes last, as for workloads."""
    here = ["."] if os.path.isdir(".") else []  # somebody may have deleted it
    found = [os.path.abspath(folder) for folder in (*filter(None, sys.path), *here)]
    return [folder for folder in dict.fromkeys(found) if not _is_installed(folder)]


def _is_installed(folder: str) -> bool:
    return bool(_INSTALLED.search(folder)) or any(folder == root or folder.startswith(root + os.sep) for root in _library_folders())


@lru_cache(maxsize=1)
def _library_folders() -> tuple[str, ...]:
    known = [sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple(os.path.abspath(folder) for folder in {*known, *site.getsitepackages(), site.getusersitepackages()})
