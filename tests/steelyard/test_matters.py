"""How what matters is drawn."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from steelyard.cli.sensitivity import drawn

RANGE: dict[str, Any] = {"low": 0.3, "high": 3.0, "best": 1.0, "to_lowest": False, "to_highest": False, "searched": [0.01, 100]}
FOUND: dict[str, Any] = {
    "trials": 40,
    "importance": {
        "parity.crossentropy": {"objective": 0.75, "metrics": {"digit.accuracy": None}},
        "agreement": {"objective": 0.25, "metrics": {"digit.accuracy": None}},
    },
    "untold": {"digit.accuracy": "all 40 complete search trials have the same value"},
    "ranges": {
        "parity.crossentropy": {
            **RANGE,
            "sentence": "any parity.crossentropy from 0.3 to 3 costs at most 0.04 against the winner, 95 % sure",
        },
        "agreement": {**RANGE, "values": [1.0, 2.0], "sentence": "agreement 2 costs at most 0.04 against the winner, 95 % sure"},
    },
    "noise": {"std": 0.04, "of": "trial 7 on 8 fresh seeds", "level": 0.95, "best": 0.9, "margin": 0.1, "least": 0.8, "why": None},
}


def lines() -> list[str]:
    console = Console(width=160, no_color=True)
    with console.capture() as capture:
        console.print(drawn(FOUND))  # type: ignore[arg-type]
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def test_each_parameter_has_its_shares_and_what_is_as_good() -> None:
    assert "parameter objective digit.accuracy as good as the winner" in lines()
    assert "parity.crossentropy 75 % - 0.3 to 3" in lines()
    assert "agreement 25 % - 1, 2" in lines()


def test_sentences_say_what_it_means() -> None:
    assert lines()[-5:] == [
        "Shares of what matters among the parameters, from 40 complete search trials.",
        "digit.accuracy: all 40 complete search trials have the same value.",
        "Any parity.crossentropy from 0.3 to 3 costs at most 0.04 against the winner, 95 % sure.",
        "Agreement 2 costs at most 0.04 against the winner, 95 % sure.",
        "Noise: 0.04 from seed to seed (trial 7 on 8 fresh seeds); "
        "a value that costs no more than one training's luck against the winner, 0.9, is as good.",
    ]
