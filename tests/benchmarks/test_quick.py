"""The benchmarks run: the smallest one in miniature, through scripts, a real service and the bare engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.floor import cohorts_text


@pytest.mark.soak
def test_the_smallest_search_gives_a_table_and_a_ratio(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path)

    assert command.main(["digits-mlp", "--quick", "--save", "--peers", "script"]) == 0

    printed = capsys.readouterr().out
    assert "Steelyard, tpe, 1 worker" in printed
    assert "x the trials per second of Optuna script" in printed
    assert "floor / whole" in printed
    (file,) = tmp_path.iterdir()
    rows = json.loads(file.read_text())["record"]
    assert [row["trials"] for row in rows] == [2, 4, 4]
    assert sum(rows[1]["details"][0]["cohorts"]) == 4


def test_an_unknown_benchmark_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["digits-mpl"])

    assert "there is no benchmark 'digits-mpl'" in capsys.readouterr().err


def test_cohorts_are_told_in_short() -> None:
    assert cohorts_text([16, 8, 8, 8, 4]) == "16 + 3 x 8 + 4"
