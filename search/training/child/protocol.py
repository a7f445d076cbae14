"""What a worker and its training child say to each other: JSON messages over a pipe.

Imports no TensorFlow, so the worker may read it.

To the child:
    {"do": "describe"}
    {"do": "prepare", "study": id, "definition": {...}}
    {"do": "train", "study": id, "definition": {...}, "cohort_size": K, "engine": "serial",
     "settings": [{"number": 3, "seed": 0, "weights": {path: w}, "test": false, "rule": "fixed",
                   "schedules": {path: {"shape", "start", "fraction"}}, "arguments": {path: v}, "rungs": [3, 9]}]}
    {"do": "go_on", "epoch": e, "prune": [{"number": n, "why": text}]}      the answer to `rung`; those in `prune` end
    {"do": "cancel", "numbers": [..] | null}        at any time; null means all. Outside of a training it is ignored.
    {"do": "exit"}
From the child:
    {"is": "ready", "versions": {...}}              once, after the imports
    {"is": "described", "workloads": [{"name", "digest", "description"} | {"name", "reason"}],
        "plugins": [{"kind", "name", "digest", "traits"} | {"kind", "name", "reason"}]}
    {"is": "taken"}                                 a `prepare` or `train` begins; a child lost before this charges nobody
    {"is": "prepared", "cohort_size", "engine", "threads", "why", "warnings", "traces", "initial": {path: v}}
        | {"is": "refused", "reason": {"code", "message", "at"}}
        initial: the terms before training under `search.seed`, over the training rows; only finite ones
    {"is": "progress", "step": s}                   alive; at most every SECONDS_BETWEEN_PROGRESS
    {"is": "epoch", "epoch", "numbers", "seconds", "train": {path: [v]}, "validation": {path: [v]}, "test": {}, "weights": {}}
    {"is": "rung", "epoch", "numbers": [n]}         after that epoch's report: waits for `go_on`, or until all of them are cancelled
    {"is": "ended", "number", "state", "epochs", "reason": {...} | null}      once a setting
    {"is": "trained", "seconds", "traces"}          traces: how many this process has made so far; each keeps memory for good
Numbers that are not finite are written as Python's JSON has them: NaN, Infinity, -Infinity. In an epoch's lists null
is `UNDEFINED`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

from search.definition.schedules import AppliedSchedule
from search.training.interface import Ended, EpochReport, Setting
from storage.records import Reason, Undefined

SECONDS_BETWEEN_PROGRESS = 2.0

Message = Mapping[str, Any]


class PeerGone(Exception):
    """Nobody is at the other end of the pipe any more."""


class Channel:
    """One end of the pipe. Given one descriptor it reads and writes there; given two, it reads from the first."""

    def __init__(self, descriptors: Sequence[int]) -> None:
        self._reader: Connection[Any, Any] = Connection(descriptors[0])
        self._writer: Connection[Any, Any] = Connection(descriptors[1]) if len(descriptors) > 1 else self._reader

    def send(self, message: Message) -> None:
        """Send a message. Raises PeerGone."""
        try:
            self._writer.send_bytes(json.dumps(message).encode())
        except OSError as error:
            raise PeerGone from error

    def receive(self) -> Message:
        """Wait for a message. Raises PeerGone."""
        try:
            message: Message = json.loads(self._reader.recv_bytes())
        except (EOFError, OSError) as error:
            raise PeerGone from error
        return message

    def waiting(self) -> bool:
        """Tell whether `receive` would answer at once."""
        return self._reader.poll(0)


def settings_of(order: Message) -> list[Setting]:
    """Read the settings of a `train` order."""
    return [
        Setting(
            number=int(each["number"]),
            seed=int(each["seed"]),
            weights={path: float(weight) for path, weight in each["weights"].items()},
            test=bool(each.get("test", False)),
            rule=str(each.get("rule", "fixed")),
            schedules={path: AppliedSchedule(**schedule) for path, schedule in each.get("schedules", {}).items()},
            arguments={path: float(value) for path, value in each.get("arguments", {}).items()},
            rungs=tuple(int(epoch) for epoch in each.get("rungs", ())),
        )
        for each in order["settings"]
    ]


def epoch_message(report: EpochReport) -> dict[str, Any]:
    return {
        "is": "epoch",
        "epoch": report.epoch,
        "numbers": list(report.numbers),
        "seconds": report.seconds,
        "train": _lists(report.train),
        "validation": _lists(report.validation),
        "test": _lists(report.test),
        "weights": {path: list(values) for path, values in report.weights.items()},
    }


def _lists(told: Mapping[str, Sequence[float]]) -> dict[str, list[float | None]]:
    return {path: [None if isinstance(value, Undefined) else value for value in values] for path, values in told.items()}


def ended_message(ended: Ended) -> dict[str, Any]:
    reason = reason_message(ended.reason) if ended.reason else None
    return {"is": "ended", "number": ended.number, "state": ended.state.value, "epochs": ended.epochs, "reason": reason}


def reason_message(reason: Reason) -> dict[str, Any]:
    return {"code": reason.code, "message": _storable(reason.message), "at": _storable(reason.at) if reason.at else None}


def _storable(text: str) -> str:
    """Return a text that every database takes: a user's exception may hold NUL and lone surrogates."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
