"""Tables fit 80 columns and keep every number whole, however long the names are."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from steelyard.cli import tables
from steelyard.cli.fitting import FittingTable
from tests.steelyard.fakes import study

LONG = "a_very_long_name_of_a_task_that_somebody_chose_01"
METRICS = [f"{LONG}.sparse_categorical_accuracy_{i}" for i in range(4)]
NUMBERS = ["-0.001234", "1.235e-05", "123456", "0.9871"]


def drawn(what: RenderableType, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, no_color=True)
    console.print(what)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    return text


def trial(number: int) -> dict[str, Any]:
    return {
        "number": number,
        "role": "baseline",
        "rule": "inverse_initial_loss",
        "state": "COMPLETE",
        "objective": {"value": -0.001234, "values": dict.fromkeys(METRICS, 0.9871), "feasible": False},
        "parameters": {f"{LONG}.crossentropy_{i}": 1.2345e-05 for i in range(4)},
        "weights": {},
        "values": dict.fromkeys(METRICS, 0.9871),
        "not_finite": {},
        "reason": {"code": "x", "message": "it ended for a reason that takes some words to say", "at": "ads.py:12"},
    }


FRONT = {
    "metrics": dict.fromkeys(METRICS, "maximize"),
    "picks": {f"metric:{METRICS[0]}": 0, "knee": 0},
    "trials": [{**trial(0), "weights": {f"{LONG}.crossentropy_{i}": 1.2345e-05 for i in range(4)}}],
}
WORKER = {"name": LONG, "host": f"{LONG}.example.internal", "pid": 1234567, "state": "busy", "alive": True, "study": LONG}
TRACES = {
    "made": 38,
    "seconds": 12.0,
    "work_seconds": 96.0,
    "kept": 6,
    "warm": [{"study": LONG, "graphs": 4}, {"study": "ads", "graphs": 2}],
}
USAGE = {"memory_bytes": 713 << 20, "peak_memory_bytes": 1700 << 20, "traces": TRACES}
WORKLOAD = {"name": LONG, "workers": 12, "description": {"outputs": {name: {"shape": [None, 123]} for name in METRICS}}}
BEST = {"number": 17, "objective": {"value": 123.4567, "feasible": True}}


@pytest.mark.parametrize(
    ("what", "numbers"),
    [
        (tables.trials_table([trial(0), trial(1)]), ["-0.001234", "0.9871", "1.234e-05"]),  # type: ignore[list-item]
        (tables.front_table(FRONT), ["0.9871", "1.234e-05"]),  # type: ignore[arg-type]
        (tables.studies_table([study(name=LONG, best=BEST, progress={"planned": 1234})]), ["123.5", "0/1234"]),  # type: ignore[list-item]
        (tables.workers_table([{**WORKER, **USAGE, "workloads": METRICS}]), ["1234567", "713", "1.7", "38", "12"]),
        (tables.workloads_table([WORKLOAD]), ["12"]),
    ],
)
def test_a_table_of_long_names_fits_and_cuts_no_number(what: RenderableType, numbers: list[str]) -> None:
    words = drawn(what).split()
    assert [number for number in numbers if number not in words] == []


def test_columns_that_do_not_fit_stand_below_beside_the_first() -> None:
    table = FittingTable(["trial", "one", "two", "three"], right=["trial", "one", "two", "three"])
    table.add_row("7", "1" * 12, "2" * 12, "3" * 12)
    rows = [line.split() for line in drawn(table, 36).splitlines() if line.strip().startswith("7")]
    assert rows == [["7", "1" * 12, "2" * 12], ["7", "3" * 12]]


def test_a_table_without_rows_has_its_titles() -> None:
    assert drawn(FittingTable(["trial", "state"])).split()[:2] == ["trial", "state"]


def test_a_workload_that_cannot_be_described_says_why_in_its_row() -> None:
    broken = {"name": "ads", "workers": 1, "description": None, "error": {"message": "NameError: x", "at": "ads.py:3"}}
    assert "cannot be described: NameError: x (at ads.py:3)" in " ".join(drawn(tables.workloads_table([broken]), 120).split())


SHORT = {**WORKER, "name": "w", "host": "h", "study": "ads", "workloads": ["ads"]}


def test_a_worker_s_memory_and_traces_have_their_units() -> None:
    warm = [{"study": "ads", "graphs": 4}, {"study": "shop", "graphs": 2}]
    text = drawn(tables.workers_table([{**SHORT, **USAGE, "traces": {**TRACES, "warm": warm}}]), 200)
    assert "713 MiB  1.7 GiB      38     12 %  ads (4), shop (2)" in text


@pytest.mark.parametrize("usage", [dict.fromkeys(USAGE), {}], ids=["unknown", "older"])
def test_a_worker_of_which_nothing_is_known_has_dashes(usage: dict[str, Any]) -> None:
    text = drawn(tables.workers_table([{**SHORT, **usage}]), 200)
    assert text.splitlines()[-1].split() == ["w", "h", "1234567", "busy", "yes", "ads", "-", "-", "-", "-", "ads"]
