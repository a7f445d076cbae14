"""Show how far a study is: a bar in a terminal, lines in a notebook, nothing where nobody looks on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from steelyard.documents import Study


@contextlib.contextmanager
def progress_shown(verbose: Any) -> Iterator[Callable[[Study], object]]:
    """Give what shows a study's snapshots. verbose: 0 shows nothing, "auto" what suits, 1 always something."""
    from rich.console import Console

    from steelyard.progress import ProgressLines, StudyProgress

    console = Console(stderr=True)
    if verbose in (0, False) or (verbose == "auto" and not (console.is_terminal or _in_notebook())):
        yield lambda study: study
        return
    shown: StudyProgress | ProgressLines = StudyProgress(console) if console.is_terminal else ProgressLines(console)
    with shown:
        yield shown.seen


def _in_notebook() -> bool:
    """Return whether a notebook's kernel runs this process; asks nothing that is not loaded."""
    import sys

    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"
