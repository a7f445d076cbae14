"""The messages between a worker and its training child: one frozen type each, used at both ends of the pipe.

A worker sends orders, a child sends answers. A message travels as its name, a space, and its fields as JSON: nothing that either
end reads can run code. Imports no TensorFlow, so the worker may read it.

To the child:
    UseWorkload                       before the first order that needs a workload of the user's files
    DescribeWorkloads                 -> WorkloadsDescribed
    DefineStudy                       once a study, before its first order; again where the definition has changed
    PrepareStudy                      -> OrderTaken, StepsDone ..., then StudyPrepared, StudyRefused or ThreadsWanted
    TrainCohort                       -> OrderTaken, then StepsDone, EpochReport, RungReached, PlacesFree, Ended ..., and
                                         CohortTrained at last
    GoOn                              the reply to RungReached
    TrainAlso                         the reply to PlacesFree
    CancelSettings                    at any time; outside of a training it is ignored
    ExitChild
From the child, besides: ChildReady, once, after the imports.

Numbers that are not finite are written as Python's JSON has them: NaN, Infinity, -Infinity. `UNDEFINED` is null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from multiprocessing.connection import Connection
from typing import Any

from pydantic import TypeAdapter, ValidationError

from search.training.interface import Ended, EpochReport, Setting
from search.workloads.sources import SourceModule
from storage.fleet_records import Traces
from storage.records import Reason, Undefined

SECONDS_BETWEEN_PROGRESS = 2.0
NO_TRACES = Traces()


@dataclass(frozen=True, slots=True)
class UseWorkload:
    """Find a workload at a place, and import the user's modules that it is made of from these texts."""

    name: str
    place: str
    modules: Mapping[str, SourceModule]


@dataclass(frozen=True, slots=True)
class DescribeWorkloads:
    """Describe these workloads; None: every registered one."""

    names: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class DefineStudy:
    """Keep a study's normalised definition for the orders that follow. `replaces`: a study that may be dropped for it."""

    study: int
    definition: Mapping[str, Any]
    replaces: int | None = None


@dataclass(frozen=True, slots=True)
class PrepareStudy:
    """Check a study with its model at hand, choose its engine, and trace it.

    `threads`: those that the child has for an operation. Where the study wants others the child says so, and does no more for it;
    None: whatever it wants.
    """

    study: int
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class TrainCohort:
    """Train these settings of a study, on stacks of `cohort_size`.

    `more_at`: the rung at which the child asks for further settings, where places are free after it.
    """

    study: int
    engine: str
    cohort_size: int
    settings: Sequence[Setting]
    more_at: int | None = None


@dataclass(frozen=True, slots=True)
class GoOn:
    """Go on after the rung at `epoch`; the settings of `prune` end there, each for the reason given."""

    epoch: int
    prune: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainAlso:
    """Train these settings too, up to the rung at `epoch`, then go on with all that are left; there may be none."""

    epoch: int
    settings: Sequence[Setting]


@dataclass(frozen=True, slots=True)
class CancelSettings:
    """End these settings of the training under way as CANCELLED; None means all."""

    numbers: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class ExitChild:
    """End the process, in the middle of a training too."""


@dataclass(frozen=True, slots=True)
class ChildReady:
    """The child has imported TensorFlow and reads orders; `versions` by package."""

    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WorkloadsDescribed:
    """Each workload as `{"name", "digest", "description"}`, or as `{"name", "reason"}` where it cannot be described.

    Each plug-in that the child loads as `{"kind", "name", "digest", "traits"}`, or as `{"kind", "name", "reason"}`.
    """

    workloads: Sequence[Mapping[str, Any]]
    plugins: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class OrderTaken:
    """A PrepareStudy or TrainCohort begins. A child that is lost before this charges no trial."""


@dataclass(frozen=True, slots=True)
class StudyPrepared:
    """How a study is trained, and why so.

    `initial`: the terms before training under `search.seed`, over the training rows, by path; only finite ones. `traces`: what this
    process has traced so far; each graph keeps memory for good.
    """

    cohort_size: int
    engine: str
    threads: int
    why: str
    warnings: Sequence[str] = ()
    traces: Traces = NO_TRACES
    initial: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StudyRefused:
    """Why a study cannot be trained as it is defined."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class ThreadsWanted:
    """A study is to be prepared, and trained, in a process with so many threads for an operation."""

    threads: int


@dataclass(frozen=True, slots=True)
class StepsDone:
    """The child is alive and has done so many steps.

    Sent after the first graph call, after one that traced, and else at most every SECONDS_BETWEEN_PROGRESS. `slowest`: the seconds
    of the slowest graph call under this order. `traces`: what this process has traced so far.
    """

    steps: int
    slowest: float = 0.0
    traces: Traces = NO_TRACES


@dataclass(frozen=True, slots=True)
class RungReached:
    """These settings have come to a rung. The child waits for GoOn, or until all of them are cancelled."""

    epoch: int
    numbers: Sequence[int]


@dataclass(frozen=True, slots=True)
class PlacesFree:
    """Places are free after a rung. The child waits for TrainAlso, or until all that go on are cancelled."""

    epoch: int


@dataclass(frozen=True, slots=True)
class CohortTrained:
    """Every setting of the cohort has ended. `traces`: what this process has traced so far."""

    seconds: float
    traces: Traces = NO_TRACES


Order = UseWorkload | DescribeWorkloads | DefineStudy | PrepareStudy | TrainCohort | GoOn | TrainAlso | CancelSettings | ExitChild
Answer = (
    ChildReady
    | WorkloadsDescribed
    | OrderTaken
    | StudyPrepared
    | StudyRefused
    | ThreadsWanted
    | StepsDone
    | EpochReport
    | RungReached
    | PlacesFree
    | Ended
    | CohortTrained
)

_ORDERS: dict[str, TypeAdapter[Any]] = {kind.__name__: TypeAdapter(kind) for kind in Order.__args__}
_ANSWERS: dict[str, TypeAdapter[Any]] = {kind.__name__: TypeAdapter(kind) for kind in Answer.__args__}


class BadMessage(Exception):
    """A message that this end does not know, or whose fields are not those of its type."""


def encode(message: Order | Answer) -> bytes:
    """Return a message as it travels."""
    return f"{type(message).__name__} {json.dumps(_sent(message), separators=(',', ':'), default=_sent)}".encode()


def _sent(value: Any) -> dict[str, Any]:
    """Return the fields of a message, or of a value in it, as JSON may hold them."""
    if isinstance(value, EpochReport):
        return {each.name: _nulls(getattr(value, each.name)) for each in fields(value)}
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a message cannot hold {value!r}")


def _nulls(reported: Any) -> Any:
    """Return an epoch's numbers with null for those that are undefined; JSON would write them as NaN."""
    if not isinstance(reported, Mapping):
        return reported
    return {path: [None if isinstance(value, Undefined) else value for value in values] for path, values in reported.items()}


def read_order(sent: bytes) -> Order:
    """Return the order that was sent. Raises BadMessage."""
    order: Order = _read(_ORDERS, "order", sent)
    return order


def read_answer(sent: bytes) -> Answer:
    """Return the answer that was sent. Raises BadMessage."""
    answer: Answer = _read(_ANSWERS, "answer", sent)
    return answer


def _read(known: Mapping[str, TypeAdapter[Any]], kind: str, sent: bytes) -> Any:
    head, _, body = sent.partition(b" ")
    name = head[:80].decode(errors="replace")
    if name not in known:
        raise BadMessage(f"{name!r} is no {kind} on the pipe; there are {', '.join(known)}")
    try:
        return known[name].validate_python(json.loads(body))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, each['loc'])) or 'fields'}: {each['msg']}" for each in error.errors(include_url=False)]
        raise BadMessage(f"the {kind} {name} is broken: {'; '.join(faults[:5])}") from None
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"the {kind} {name} is broken: {error}") from None


class PeerGone(Exception):
    """Nobody is at the other end of the pipe any more."""


class Channel:
    """The child's end of the pipe. Given one descriptor it reads and writes there; given two, it reads from the first."""

    def __init__(self, descriptors: Sequence[int]) -> None:
        self._reader: Connection[Any, Any] = Connection(descriptors[0])
        self._writer: Connection[Any, Any] = Connection(descriptors[1]) if len(descriptors) > 1 else self._reader

    def send(self, answer: Answer) -> None:
        """Send an answer. Raises PeerGone."""
        try:
            self._writer.send_bytes(encode(answer))
        except OSError as error:
            raise PeerGone from error

    def receive(self) -> Order:
        """Wait for an order. Raises PeerGone, BadMessage."""
        try:
            sent = self._reader.recv_bytes()
        except (EOFError, OSError) as error:
            raise PeerGone from error
        return read_order(sent)

    def waiting(self, seconds: float = 0.0) -> bool:
        """Return whether `receive` would return at once, or in so many seconds."""
        return self._reader.poll(seconds)


def storable(reason: Reason) -> Reason:
    """Return a reason that every database takes: a user's exception may hold NUL and lone surrogates."""
    return Reason(reason.code, storable_text(reason.message), storable_text(reason.at) if reason.at else None)


def storable_text(text: str) -> str:
    """Return a text with NUL and lone surrogates written as escapes."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
