"""Know this program itself: its version, and how to start it again."""

from __future__ import annotations

import sys
from functools import cache

COMMAND = (sys.executable, "-P", "-m", "steelyard")
"""The command, run by this very Python. -P: a folder `search` or `app` of the user's in the current directory is not ours."""


@cache
def version() -> str:
    """Return the installed version of Steelyard."""
    from importlib import metadata

    try:
        return metadata.version("steelyard")
    except metadata.PackageNotFoundError:  # run from a checkout that was never installed
        return "0.0.0"
