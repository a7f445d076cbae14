"""Show how far a study is while it runs: a bar where someone looks on, lines where a log is kept."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Column

from steelyard.documents import Study
from steelyard.formatting import plain, share_done, standing

BAR_WIDTH = 16
LINES_IN_ALL = 20


class Shown(Protocol):
    """What can show the snapshots of a study."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def seen(self, study: Study) -> Study:
        """Show the snapshot and hand it on."""
        ...


class StudyProgress:
    """A live bar in a terminal or a notebook (rich recognises which)."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            SpinnerColumn(finished_text=" "),
            BarColumn(bar_width=BAR_WIDTH, table_column=Column(min_width=BAR_WIDTH, no_wrap=True)),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=console,
            refresh_per_second=4,
        )
        self._task = self._bar.add_task("asking for the study", total=1.0)

    @classmethod
    def for_people(cls) -> StudyProgress | None:
        """Return a bar on the standard error stream, None where nobody would see it."""
        console = Console(stderr=True)
        return cls(console) if console.is_terminal or console.is_jupyter else None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def seen(self, study: Study) -> Study:
        """Show the snapshot and hand it on."""
        completed = 1.0 if study["ended"] else share_done(study)
        self._bar.update(self._task, completed=completed, description=plain(standing(study)))
        return study


class ProgressLines:
    """A line now and then, for a log: at every change of state, and some `in_all` times in all."""

    def __init__(self, console: Console, in_all: int = LINES_IN_ALL) -> None:
        self._console, self._in_all = console, in_all
        self._last: tuple[str, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def seen(self, study: Study) -> Study:
        """Print the snapshot where it is news, and hand it on."""
        news = (study["state"], int(share_done(study) * self._in_all))
        if news != self._last:
            self._last = news
            self._console.print(plain(f"{study['name']}: {standing(study)}"), soft_wrap=True, markup=False, highlight=False)
        return study


def shown_on(console: Console, lines: int = LINES_IN_ALL) -> Shown:
    """Return what suits the console: a bar, or some `lines` for a log."""
    return StudyProgress(console) if console.is_terminal or console.is_jupyter else ProgressLines(console, lines)
