"""Say what went wrong with what is stored, without HTTP.

StorageError
+-- StudyNotFound, TrialNotFound, TermNotFound, WorkerNotFound   nothing of that name or number
+-- StudyExists        the name is taken
+-- WrongState         the study cannot do that now
+-- BudgetTooSmall     fewer trials than have been planned already
+-- TrialsTaken        a trial that should wait does not
+-- LeaseLost          the claim has ended; nothing it writes counts
+-- BadPageToken       a page token that was not given out for this list
+-- StorageBusy        somebody else writes for too long; try again
+-- StorageUnavailable the database does not answer
|   +-- StorageFull    no room on its disk
+-- SchemaOutdated, SchemaTooNew   the tables do not fit this program
"""

from __future__ import annotations

from collections.abc import Iterable


class StorageError(Exception):
    """Anything that storage refuses or fails to do. Its text is fit for a user."""


class StudyNotFound(StorageError):
    """No study has this name (or, asked by id, this id)."""

    def __init__(self, name: str | int) -> None:
        self.name = name
        super().__init__(f"there is no study {name!r}")


class TrialNotFound(StorageError):
    """The study has no trial of this number."""

    def __init__(self, study: str | int, number: int) -> None:
        self.study = study
        self.number = number
        super().__init__(f"study {study!r} has no trial {number}")


class TermNotFound(StorageError):
    """The study measures nothing under this path."""

    def __init__(self, study: str | int, path: str) -> None:
        self.study = study
        self.path = path
        super().__init__(f"study {study!r} measures no {path!r}")


class WorkerNotFound(StorageError):
    """No worker was registered under this id."""

    def __init__(self, worker_id: int) -> None:
        self.worker_id = worker_id
        super().__init__(f"there is no worker {worker_id}")


class StudyExists(StorageError):
    """Another study bears the name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is a study {name!r} already")


class WrongState(StorageError):
    """The study is in a state in which this cannot be done."""

    def __init__(self, name: str, state: str, wanted: str, allowed: Iterable[str]) -> None:
        self.name = name
        self.state = str(state)
        self.wanted = wanted
        self.allowed = tuple(str(each) for each in allowed)
        super().__init__(f"study {name!r} is {self.state}: cannot {wanted} (possible when {', '.join(self.allowed)})")


class BudgetTooSmall(StorageError):
    """A budget below the search trials that exist."""

    def __init__(self, name: str, wanted: int, least: int) -> None:
        self.name = name
        self.wanted = wanted
        self.least = least
        super().__init__(f"study {name!r} cannot have {wanted} trials: at least {least}, since so many have been planned")


class TrialsTaken(StorageError):
    """Trials that were to start are not waiting any more."""

    def __init__(self, study: str, numbers: Iterable[int]) -> None:
        self.study = study
        self.numbers = tuple(numbers)
        super().__init__(f"study {study!r}: trials {', '.join(map(str, self.numbers))} are not waiting")


class LeaseLost(StorageError):
    """The lease has ended, was revoked or was never given: the holder must stop."""

    def __init__(self, token: int) -> None:
        self.token = token
        super().__init__(f"lease {token} is lost")


class BadPageToken(StorageError):
    """A page token that this list did not give out."""

    def __init__(self, token: str = "") -> None:
        self.token = token
        super().__init__("this page token is not one of this list; begin again without one")


class StorageBusy(StorageError):
    """The database was locked for longer than the time-out; nothing was written."""

    def __init__(self, detail: str = "") -> None:
        self.detail = detail
        super().__init__("the database is busy: somebody else has been writing for too long")


class StorageUnavailable(StorageError):
    """The database refused or lost the connection. After a commit the outcome is unknown until it is read again."""

    def __init__(self, detail: str = "", message: str = "the database cannot be reached") -> None:
        self.detail = detail
        super().__init__(message)


class StorageFull(StorageUnavailable):
    """The database's disk is full; nothing was written."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, "the database's disk is full")


class SchemaOutdated(StorageError):
    """The tables are older than this program (`found` is None where there are none)."""

    def __init__(self, found: str | None, wanted: str) -> None:
        self.found = found
        self.wanted = wanted
        super().__init__(f"the database's schema is {found or 'empty'}, this program needs {wanted}: run `steelyard migrate`")


class SchemaTooNew(StorageError):
    """The tables are newer than this program knows."""

    def __init__(self, found: str, wanted: str) -> None:
        self.found = found
        self.wanted = wanted
        super().__init__(f"the database's schema is {found}, this program only knows up to {wanted}: upgrade the program")
