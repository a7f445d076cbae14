"""Say what went wrong between a user and the service. Imports nothing: an `except` clause needs no httpx.

SteelyardError
+-- ServiceUnreachable      no answer: refused, lost, too late, or 502, 503, 504 to the end
+-- UnexpectedAnswer        what answered is not Steelyard, or broke off in the middle
+-- InvalidAddress          the base URL is none
+-- DefinitionUnreadable    the definition is no file, no JSON, or no JSON object
+-- NoScript                a study's winner cannot be written as a file that trains it
+-- WaitTimeout             the study has not ended in the time given (also a TimeoutError)
+-- ValidationError         `steelyard.search` cannot be called so: `errors` lists every fault (also a ValueError)
+-- TrainingError           a study of `steelyard.search` ended without a result
+-- ProblemError            the service answered with a problem+json
    +-- DefinitionRefused   the study cannot be run as it is: `errors` lists every fault with its path
    +-- BadRequest          any other 4xx: 400, 405, 422 for a parameter, ...
    |   +-- NotYet              announced, but this service does not have it
    +-- NotFound            404
    +-- Conflict            409
    |   +-- NoTrial             no trial is complete
    |   |   +-- NoTrialYet          the study still runs: ask again
    |   +-- NoFeasibleTrial     no trial keeps the constraints; `closest` came nearest
    |   +-- SeveralBest         name a `pick`
    |   +-- NoSensitivity       the study ended before what matters was worked out
    |   |   +-- NoSensitivityYet    the study still runs: ask again
    |   +-- DefinitionChanged   the name is taken by another definition; `changed` lists where
    +-- TooLarge            413
    +-- TooManyRequests     429, to the end
    +-- ServiceFailed       500, 507: a fault of the service itself
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class SteelyardError(Exception):
    """Anything that a client refuses or fails to do. Its text is one sentence for a user."""


class ServiceUnreachable(SteelyardError):
    """No service answers at `url`. `retry_after_seconds` is what it asked for where it said so."""

    def __init__(self, url: str, why: str, retry_after_seconds: float | None = None) -> None:
        self.url = url
        self.why = why
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"no Steelyard service answers at {url}: {why}")


class UnexpectedAnswer(SteelyardError):
    """Something answered at `url`, but not as the contract says."""

    def __init__(self, url: str, why: str) -> None:
        self.url = url
        self.why = why
        super().__init__(f"unexpected answer from {url}: {why}")


class InvalidAddress(SteelyardError):
    """The base URL cannot be called."""

    def __init__(self, url: str, why: str) -> None:
        self.url = url
        super().__init__(f"{url!r} is not the address of a service: {why}")


class DefinitionUnreadable(SteelyardError):
    """A definition could not be read from where it should be."""

    def __init__(self, where: str, why: str) -> None:
        self.where = where
        super().__init__(f"{where}: {why}")


class NoScript(SteelyardError):
    """A best-weights document cannot be written as a file that trains it again."""


class WaitTimeout(SteelyardError, TimeoutError):
    """A study has not ended in the time given; it goes on."""

    def __init__(self, study: str, seconds: float, state: str) -> None:
        self.study = study
        self.seconds = seconds
        self.state = state
        super().__init__(f"study {study!r} is still {state} after {seconds:g} s; it goes on")


class TrainingError(SteelyardError):
    """A study ended without a result. The text says why, with the file and line of the user's code where it raised."""

    def __init__(self, study: str, state: str, why: str) -> None:
        self.study = study
        self.state = state
        super().__init__(f"study {study!r} ended {state}: {why}")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in what was sent: where, what was expected, what came, and the nearest right name.

    Where `got` is empty, `expected` is a whole sentence.
    """

    path: str
    expected: str
    got: str
    did_you_mean: str | None = None

    def __str__(self) -> str:
        hint = f" (did you mean {self.did_you_mean!r}?)" if self.did_you_mean else ""
        place = self.path or "the definition"
        return f"{place}: expected {self.expected}, got {self.got}{hint}" if self.got else f"{place}: {self.expected}{hint}"


class ValidationError(SteelyardError, ValueError):
    """`steelyard.search` cannot do what it is called with. `errors` has every fault with its place."""

    def __init__(self, errors: Sequence[Fault]) -> None:
        self.errors: tuple[Fault, ...] = tuple(errors)
        super().__init__("\n".join(map(str, self.errors)))


class ProblemError(SteelyardError):
    """The service answered with a problem (RFC 9457). `errors` are its faults, `document` the whole of it."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.document = document
        self.type = str(document.get("type", "about:blank"))
        self.title = str(document.get("title") or f"HTTP {status}")
        self.detail = str(document.get("detail") or self.title)
        self.errors: tuple[Fault, ...] = tuple(_faults(document.get("errors")))
        super().__init__(self.detail)

    @property
    def kind(self) -> str:
        """The last part of `type`, such as `no-trial-yet`."""
        return self.type.rstrip("/").rpartition("/")[2]


class DefinitionRefused(ProblemError):
    """The definition is wrong; nothing was stored. `errors` has every fault, not only the first."""


class BadRequest(ProblemError):
    """The service does not accept the call."""


class NotYet(BadRequest):
    """The contract announces this, but the service does not have it."""


class NotFound(ProblemError):
    """There is no such study, trial or page."""


class Conflict(ProblemError):
    """The study cannot do that as it is now."""


class NoTrial(Conflict):
    """No trial is complete, so there is no best one; if the study has ended, there never will be."""


class NoTrialYet(NoTrial):
    """No trial is complete yet; the study still runs."""

    @property
    def retry_after_seconds(self) -> float | None:
        """When to ask again, as the service says."""
        seconds = self.document.get("retry_after_seconds")
        return float(seconds) if isinstance(seconds, int | float) else None


class NoFeasibleTrial(Conflict):
    """No complete trial keeps all constraints."""

    @property
    def closest(self) -> Any:
        """The trial that came nearest."""
        return self.document.get("closest")


class SeveralBest(Conflict):
    """The objective has a front, not one best trial: say which by `pick`."""

    @property
    def picks(self) -> Mapping[str, int]:
        """What may be picked, and the number of the trial that it is now."""
        found = self.document.get("picks")
        return found if isinstance(found, Mapping) else {}


class NoSensitivity(Conflict):
    """The study ended before its plan did, so nobody worked out what matters."""


class NoSensitivityYet(NoSensitivity):
    """What matters is worked out when the study comes to its end; it still runs."""

    @property
    def retry_after_seconds(self) -> float | None:
        """When to ask again, as the service says."""
        seconds = self.document.get("retry_after_seconds")
        return float(seconds) if isinstance(seconds, int | float) else None


class DefinitionChanged(Conflict):
    """Another definition bears this name."""

    @property
    def changed(self) -> Sequence[Mapping[str, Any]]:
        """Where they differ: `{"path", "stored", "sent"}`."""
        found = self.document.get("changed")
        return found if isinstance(found, list) else []


class TooLarge(ProblemError):
    """The body is larger than the service takes."""


class TooManyRequests(ProblemError):
    """The service asks for fewer calls."""


class ServiceFailed(ProblemError):
    """The service met a fault of its own."""


BY_KIND: Mapping[str, type[ProblemError]] = {
    "definition-refused": DefinitionRefused,
    "study-refused": DefinitionRefused,
    "not-yet": NotYet,
    "other-definition": DefinitionChanged,
    "no-trial": NoTrial,
    "no-trial-yet": NoTrialYet,
    "no-feasible-trial": NoFeasibleTrial,
    "several-best": SeveralBest,
    "no-sensitivity": NoSensitivity,
    "no-sensitivity-yet": NoSensitivityYet,
}
BY_STATUS: Mapping[int, type[ProblemError]] = {
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: TooManyRequests,
}


def problem(status: int, document: Mapping[str, Any]) -> ProblemError:
    """Return the error for a problem document, the most particular one there is."""
    plain = ProblemError(status, document)
    found = BY_KIND.get(plain.kind) or BY_STATUS.get(status) or (ServiceFailed if status >= 500 else BadRequest)
    return found(status, document)


def _faults(found: Any) -> list[Fault]:
    if not isinstance(found, list):
        return []
    return [
        Fault(
            str(fault.get("path", "")),
            str(fault.get("expected", "something else")),
            str(fault.get("got", "this")),
            None if fault.get("did_you_mean") is None else str(fault["did_you_mean"]),
        )
        for fault in found
        if isinstance(fault, Mapping)
    ]
