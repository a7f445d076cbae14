"""One training process and the talk with it: the order it is busy with, what it answers, its silence, and its cancellation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from search.definition.schema import StudyDefinition
from search.training.child.protocol import (
    Answer,
    BadMessage,
    CancelSettings,
    ChildReady,
    CohortTrained,
    DefineStudy,
    DescribeWorkloads,
    GoOn,
    Order,
    OrderTaken,
    PrepareStudy,
    StepsDone,
    StudyPrepared,
    StudyRefused,
    ThreadsWanted,
    TrainAlso,
    TrainCohort,
    UseWorkload,
)
from search.validation import normalize
from search.worker.child_process import HUNG, ChildLost
from search.worker.progress_deadlines import ProgressDeadlines
from search.workloads.sources import Sources
from storage.fleet_records import Traces

CANCEL_SECONDS = 5.0
"""A child drops its order between two graph calls: it is given so long where the study's calls are quick."""

CANCEL_CALLS = 2
"""Where they are slow: so many times the slowest. The first of an order traces the graph, and takes longest."""

DEFINITIONS_KEPT = 64
"""Definitions that one child holds at a time; each takes some kilobytes."""


class ChildSilent(ChildLost):
    """The training process said nothing for too long, in seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the training process said nothing for {seconds:g} s", code=HUNG)


class ChildPipe(Protocol):
    """A training process: see `search.worker.child_process.Child`."""

    threads: int

    @property
    def pid(self) -> int: ...

    def send(self, order: Order) -> None: ...

    def messages(self, seconds: float) -> Iterator[Answer]: ...

    def end(self) -> None: ...


class ChildSession:
    """A child from its start to its end, as its worker talks with it.

    `deadlines`: how long it may say nothing. `busy`: an order is under way. `taken`: the child has begun with the latest one.
    `traces`: what it has traced, as far as it said.
    """

    def __init__(self, child: ChildPipe, deadlines: ProgressDeadlines, clock: Callable[[], float]) -> None:
        self._child, self._deadlines, self._clock = child, deadlines, clock
        self._defined: dict[int, StudyDefinition] = {}
        self._used: dict[str, Sources] = {}
        self._heard_at = clock()
        self._study = 0  # of the latest order
        self._ready = self._calls = False  # the latest order has come to its graph calls
        self.busy = self.taken = False
        self.traces: Traces | None = None

    @property
    def threads(self) -> int:
        return self._child.threads

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def ready(self) -> bool:
        """Return whether the child has started well."""
        return self._ready

    def fits(self, name: str, sources: Sources | None) -> bool:
        """Return whether the child can import these sources of the workload `name`: a process has one module of each name.

        None, for a workload that is not the user's own files, always fits.
        """
        if sources is None:
            return True
        others = {module: text for of, used in self._used.items() if of != name for module, text in used.modules.items()}
        return self._used.get(name, sources) == sources and all(
            others.get(module, text) == text for module, text in sources.modules.items()
        )

    def use(self, name: str, sources: Sources | None) -> None:
        """Have the child import the workload `name` from these sources. Raises ChildLost, ValueError where they do not fit it."""
        if not self.fits(name, sources):
            raise ValueError(f"the training process has imported other files of the workload {name!r}, or modules of their names")
        if sources is not None and name not in self._used:
            self._used[name] = sources
            self._child.send(UseWorkload(name, sources.place, sources.modules))

    def describe(self, names: Sequence[str] | None = None) -> None:
        """Ask for the descriptions of these workloads, or of all. Raises ChildLost."""
        self._heard_at, self._calls = self._clock(), False
        self._child.send(DescribeWorkloads(names))

    def order(self, order: PrepareStudy | TrainCohort, definition: StudyDefinition) -> None:
        """Give an order, and before it the study's definition if the child does not have it. Raises ChildLost."""
        self.busy, self.taken, self._heard_at = True, False, self._clock()
        self._study, self._calls = order.study, False
        if self._defined.get(order.study) != definition:
            self._define(order.study, definition)
        self._child.send(order)

    def _define(self, study: int, definition: StudyDefinition) -> None:
        self._defined.pop(study, None)
        replaces = next(iter(self._defined)) if len(self._defined) >= DEFINITIONS_KEPT else None
        self._child.send(DefineStudy(study, normalize.to_api(definition), replaces))
        if replaces is not None:
            del self._defined[replaces]
        self._defined[study] = definition

    def reply(self, order: GoOn | TrainAlso | CancelSettings) -> None:
        """Send what the child waits for at a rung, or which settings it need not train on. Raises ChildLost."""
        self._child.send(order)
        if not isinstance(order, CancelSettings):
            self.waits_for_us()

    def listen(self, seconds: float) -> Iterator[Answer]:
        """Yield what the child says: wait up to `seconds` for the first answer, then only what is there.

        Raises ChildLost, BadMessage.
        """
        for answer in self._child.messages(seconds):
            self._heard_at = self._clock()
            self._note(answer)
            yield answer

    def _note(self, answer: Answer) -> None:
        if isinstance(answer, StepsDone | StudyPrepared | CohortTrained):
            self.traces = answer.traces
        match answer:
            case ChildReady():
                self._ready = True
            case OrderTaken():
                self.taken = True
            case StepsDone() if answer.slowest > 0:
                self._calls = True
                self._deadlines.learn(self._study, answer.slowest)
            case StudyPrepared() | StudyRefused() | ThreadsWanted() | CohortTrained():
                self.busy = False

    def waits_for_us(self) -> None:
        """Count the child's silence from now on: until now it waited for a reply."""
        self._heard_at = self._clock()

    def require_heard(self) -> None:
        """Raise ChildSilent where the child has said nothing for too long."""
        allowed = self._deadlines.between_calls(self._study) if self._calls else self._deadlines.before_calls()
        if self._clock() - self._heard_at > allowed:
            raise ChildSilent(allowed)

    @property
    def order_unread(self) -> bool:
        """Return whether a child that had started well has not begun with its order: if it is lost, the order may be to blame."""
        return self._ready and self.busy and not self.taken

    def cancel(self, stopped: Callable[[], bool], most: float = CANCEL_SECONDS) -> bool:
        """Have the child drop the order under way. Returns whether it did, in time and before `stopped` says to wait no longer.

        It is waited for as long as the study's graph calls take, as far as that is known, but never longer than `most` seconds.
        """
        slowest = self._deadlines.slowest(self._study)
        wait = most if slowest is None else min(most, max(CANCEL_SECONDS, CANCEL_CALLS * slowest))
        try:
            if self.busy:
                self._child.send(CancelSettings())
            deadline = self._clock() + wait
            while self.busy and (left := deadline - self._clock()) > 0 and not stopped():
                for _ in self.listen(min(left, 0.2)):
                    pass
        except (ChildLost, BadMessage):
            return False
        return not self.busy

    def end(self) -> None:
        """End the child at once."""
        self._child.end()
