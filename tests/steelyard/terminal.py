"""The command in a terminal of its own: a pseudo-terminal, as a user has it."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Seen:
    """What a user sees of a command that has ended, without colours and cursor movements."""

    code: int
    text: str

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.text.splitlines()]


def typed(
    *arguments: str,
    columns: int = 120,
    meanwhile: Callable[[subprocess.Popen[bytes], str], None] | None = None,
    again: float | None = None,
) -> Seen:
    """Run the command in a terminal. `meanwhile` is called with the process and all that was shown, whenever there is more.

    With `again` it is also called after so many seconds without more: as a user presses a key again that nobody listened for yet.

    It starts with default signals: a shell's background job ignores SIGINT, and its children would inherit that.
    """
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "steelyard", *arguments]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, preexec_fn=_default_interrupt)
    os.close(theirs)
    shown = more = b""
    try:
        with contextlib.suppress(OSError):  # Linux reports the end of a terminal so
            while not select.select([ours], [], [], again)[0] or (more := os.read(ours, 65536)):
                shown, more = shown + more, b""
                if meanwhile is not None:
                    meanwhile(process, shown.decode(errors="replace"))
    except BaseException:  # a test's time limit too
        process.kill()
        raise
    finally:
        os.close(ours)
    return Seen(process.wait(), ESCAPES.sub("", shown.decode()).replace("\r\n", "\n"))


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
