"""Functions and classes of a local user, pickled for the training processes of the same user: whoever writes a pickle runs code."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import cloudpickle

from search.errors import PreflightError


def write_pickle(path: Path, thing: Any) -> None:
    """Write a file that this user alone can read and write (0600), in place of one that is there."""
    pickled = cloudpickle.dumps(thing)  # what cannot be pickled leaves the file as it is
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(pickled)


def read_pickle(path: Path) -> Any:
    """Return what `write_pickle` wrote. Raises PreflightError as `require_own` does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise PreflightError("bad_workload", f"{path.name} cannot be read: {error.strerror}") from error
    with open(descriptor, "rb") as file:
        _check(path.name, os.fstat(descriptor))
        return cloudpickle.loads(file.read())


def require_own(path: Path) -> None:
    """Make sure that only this user can have written a file. Raises PreflightError where it is another's, or open to others."""
    _check(path.name, path.lstat())


def _check(name: str, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or mode & 0o077:
        expected = f"a file of this user's (uid {os.geteuid()}) that nobody else may read or write (mode 600)"
        got = f"uid {found.st_uid}, mode {mode:o}"
        raise PreflightError("bad_workload", f"{name} is not loaded, since loading it runs code: {expected}, got {got}")
