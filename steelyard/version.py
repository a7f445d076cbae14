"""Know the version of what is installed."""

from __future__ import annotations

from functools import cache


@cache
def version() -> str:
    """Return the installed version of Steelyard."""
    from importlib import metadata

    try:
        return metadata.version("steelyard")
    except metadata.PackageNotFoundError:  # run from a checkout that was never installed
        return "0.0.0"
