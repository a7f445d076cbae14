"""Find files of the user's that hide packages of ours: a `search.py` beside the script is found before them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGES = ("app", "search", "storage")


def require_own_packages() -> None:
    """Raise ImportError, with the path, where Python finds a file or folder of another in place of a package of ours."""
    ours = Path(__file__).resolve().parents[1]
    for name in PACKAGES:
        try:
            found = importlib.util.find_spec(name)
        except ValueError:  # a module that was made by hand has no spec
            continue
        if found is None:
            continue
        origin = found.origin or next(iter(found.submodule_search_locations or ()), None)  # a folder without __init__ has no origin
        if origin is not None and ours / name not in (Path(origin).resolve(), Path(origin).resolve().parent):
            raise ImportError(f"{origin} hides Steelyard's own package {name!r}: rename that file or folder")
