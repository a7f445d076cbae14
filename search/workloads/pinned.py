"""Import the user's modules from texts that were read before, in place of their files: what runs is what the version says."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from search.errors import PreflightError
from search.workloads.sources import SourceModule

_pinned: dict[str, SourceModule] = {}


def pin(modules: Mapping[str, SourceModule]) -> None:
    """Let these modules be imported from their texts from now on.

    Raises PreflightError where this process has another module, or another text, of such a name: a process has one of each name.
    """
    for name, module in modules.items():
        if fault := _conflict(name, module):
            raise PreflightError("workload_import_failed", fault, Path(module.path).name)
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    _pinned.update(modules)


def _conflict(name: str, module: SourceModule) -> str | None:
    before = _pinned.get(name)
    path = getattr(sys.modules.get(name), "__file__", None) if before is None else before.path
    if before == module or (before is None and name not in sys.modules):
        return None
    if path == module.path:
        return None if before is None else f"{module.path} has changed since this process imported it: start another"
    return f"the module {name!r} of {module.path} cannot be imported beside that of {path}: rename one of them"


def is_pinned(name: str, file: Path) -> bool:
    """Return whether the module `name` is imported from a text of this file."""
    return name in _pinned and _pinned[name].path == str(file)


def unpin(names: Sequence[str]) -> None:
    """Forget these modules, as if they had never been imported."""
    for name in names:
        _pinned.pop(name, None)
        sys.modules.pop(name, None)


class _Finder(MetaPathFinder):
    """Finds the pinned modules."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        module = _pinned.get(fullname)
        if module is None:
            return None
        inside = [str(Path(module.path).parent)] if module.package else None
        loader = _Loader(fullname, module)
        return spec_from_file_location(fullname, module.path, loader=loader, submodule_search_locations=inside)


class _Loader(SourceFileLoader):
    """Loads a pinned module. Its `__file__` and its lines in a traceback are those of its file."""

    def __init__(self, name: str, module: SourceModule) -> None:
        super().__init__(name, module.path)
        self._module = module

    def get_data(self, path: str) -> bytes:
        return self._module.content if path == self.path else super().get_data(path)

    def path_stats(self, path: str) -> Mapping[str, float]:
        raise OSError("no compiled file stands for a text")  # importlib then compiles the text, and keeps nothing


_FINDER = _Finder()
