"""Put a study's numbers into words, for terminals and notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from steelyard.documents import Reason, Study

ENDS = ("COMPLETE", "PRUNED", "FAILED", "DIVERGED", "CANCELLED")
TAIL_DIGITS = 4
MIB, GIB = 1 << 20, 1 << 30
UNPUBLISHED = "no worker has published"
"""How a warning begins that holds until a worker prepares the study."""


def number(value: float | None) -> str:
    """Return a number with four significant digits; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:.{TAIL_DIGITS}g}"


def figure(document: Mapping[str, object], *place: str) -> str:
    """Return the number at a place of a study or trial; `nan`, `inf` or `undefined` where `not_finite` says so."""
    found: Any = document
    for key in place:
        found = found.get(key) if isinstance(found, Mapping) else None
    strange: Any = document.get("not_finite") or {}
    return str(strange.get(".".join(place), "-")) if found is None else number(found)


def worth(document: Mapping[str, object], *place: str) -> str:
    """Return the value of a trial, or of a study's best at `place`, marked where it breaks a constraint."""
    objective: Any = document
    for key in (*place, "objective"):
        objective = (objective or {}).get(key)
    mark = " (infeasible)" if (objective or {}).get("feasible") is False else ""
    return figure(document, *place, "objective", "value") + mark


def duration(seconds: float) -> str:
    """Return a length of time as people say it, in its two greatest units."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((i for i, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def memory(size: int | None) -> str:
    """Return a number of bytes in MiB, or from one GiB on in GiB; a dash where it is not known."""
    if size is None:
        return "-"
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.0f} MiB"


def because(reason: Reason | Mapping[str, Any] | None) -> str:
    """Return a reason as one line: message, place."""
    if not reason:
        return ""
    message = str(reason.get("message") or reason.get("code") or "")
    return f"{message} (at {reason['at']})" if reason.get("at") else message


def done(study: Study) -> int:
    """Return how many of the study's trials have ended."""
    return sum(study["progress"]["trials"].get(state, 0) for state in ENDS)


def share_done(study: Study) -> float:
    """Return the share of the study that is done, in [0, 1]: by trials, and by epochs while a cohort is still training."""
    progress = study["progress"]
    by_trials = done(study) / max(progress["planned"], 1)
    by_epochs = progress["epochs"] / max(progress["epochs_planned"], 1)
    return min(1.0, max(by_trials, min(by_epochs, 0.99)))


def standing(study: Study) -> str:
    """Return where a study stands: trials done, running, best so far, time left, or what it waits for."""
    progress = study["progress"]
    parts = [f"{done(study)}/{progress['planned']} trials"]
    if running := progress["trials"].get("RUNNING", 0):
        parts.append(f"{running} running")
    if study["state"] != "RUNNING":
        parts.append(study["state"])
    if best := study["best"]:
        parts.append(f"best {worth(study, 'best')} (trial {best['number']})")
    if not study["ended"] and progress["seconds_left"] is not None:
        parts.append(f"{duration(progress['seconds_left'])} left")
    if reason := because(study["reason"]):
        parts.append(reason)
    elif study["state"] == "QUEUED":
        parts.append("being prepared")
    return ", ".join(parts)


def warnings_of(study: Study) -> list[str]:
    """Return the warnings of a study that still hold: what a POST could not check, its preparation did."""
    prepared = study["times"]["started_at"] is not None
    return [warning for warning in study["warnings"] if not (prepared and warning.startswith(UNPUBLISHED))]


def has_front(study: Study) -> bool:
    """Return whether a study has a front of best trials in place of one."""
    return (study["definition"].get("objective") or {}).get("aggregate") == "pareto"


def plain(text: object) -> str:
    """Return text that cannot steer a terminal: what is not printable is shown as a mark."""
    return "".join(char if char.isprintable() or char == "\n" else "�" for char in str(text))
