"""What a heartbeat says of memory: that of the worker and of its training process, and the most that they had."""

from __future__ import annotations

import os
from typing import Any

import pytest

from search.processes import ResidentMemory
from search.worker import usage_meter
from search.worker.usage_meter import UsageMeter
from storage.fleet_records import Traces, WorkerUsage

TRACES = Traces(2, 0.5, 1.5)


class Session:
    """A training process, as far as it is measured."""

    def __init__(self, pid: int) -> None:
        self.pid, self.traces = pid, TRACES


def read(monkeypatch: pytest.MonkeyPatch, *moments: tuple[dict[int, ResidentMemory], int | None]) -> WorkerUsage:
    """Measure at moments: what is resident by process number (0 is the worker), and the training process there; return the last."""
    meter, found = UsageMeter(), WorkerUsage()
    for resident, child in moments:
        there = {pid or os.getpid(): memory for pid, memory in resident.items()}
        monkeypatch.setattr(usage_meter.ResidentMemory, "find", there.get)
        session: Any = None if child is None else Session(child)
        found = meter.read(session)
    return found


def test_memory_is_that_of_the_worker_and_its_training_process(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {0: ResidentMemory(100, 150), 7: ResidentMemory(1000, 1500)}
    assert read(monkeypatch, (both, 7)) == WorkerUsage(1100, 1650, TRACES)


def test_without_a_training_process_it_is_the_worker_s(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, ({0: ResidentMemory(100, 150)}, None)) == WorkerUsage(100, 150, None)


def test_the_peak_is_that_of_all_training_processes_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    first = {0: ResidentMemory(100, 150), 7: ResidentMemory(1000, 1500)}
    second = {0: ResidentMemory(110, 160), 8: ResidentMemory(400, 500)}
    assert read(monkeypatch, (first, 7), (second, 8)) == WorkerUsage(510, 1660, TRACES)


def test_where_a_system_does_not_say_memory_is_not_known_and_traces_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, ({}, 7)) == WorkerUsage(traces=TRACES)
