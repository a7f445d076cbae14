"""What matters in a study, as the client and a terminal show it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from steelyard.cli.main import app
from steelyard.errors import NoSensitivity, NoSensitivityYet
from storage.records import StudyState
from tests.search.analysed import complete
from tests.steelyard.filled import ended, filled
from tests.steelyard.terminal import typed

HILL = [0.5, *(0.9 - 0.02 * abs(number - 8) for number in range(1, 17))]
"""Today's weights, then trials whose weights both grow: the best is the eighth."""


def analysed(service, name):
    """Let a worker's plan come to the study's end."""
    with service.database.writing() as session:
        complete(session, name, service.database.now(session))


def test_the_client_has_importances_and_ranges(service, client, name):
    filled(service, client, name, HILL)
    analysed(service, name)
    found = client.sensitivity(name)
    assert set(found["importance"]) == {"parity.crossentropy", "agreement"}
    assert sum(each["objective"] for each in found["importance"].values()) == pytest.approx(1.0)
    assert (found["trials"], found["trial"], found["ranges"]) == (16, 8, {})


def test_what_is_not_worked_out_yet_is_said(service, client, name):
    filled(service, client, name, HILL)
    with pytest.raises(NoSensitivityYet) as caught:
        client.sensitivity(name)
    assert caught.value.retry_after_seconds == 5
    ended(service, name, StudyState.STOPPED)
    with pytest.raises(NoSensitivity, match="ended STOPPED") as stopped:
        client.sensitivity(name)
    assert type(stopped.value) is NoSensitivity


def test_the_command_prints_the_document(service, client, name):
    filled(service, client, name, HILL)
    analysed(service, name)
    result = CliRunner().invoke(app, ["sensitivity", name])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == client.sensitivity(name)


def test_a_terminal_shows_a_table_and_what_it_means(service, client, name):
    filled(service, client, name, HILL)
    analysed(service, name)
    seen = typed("sensitivity", name, columns=160)
    shares = client.sensitivity(name)["importance"]["agreement"]["objective"]
    (row,) = (line.split() for line in seen.lines if line.split()[:1] == ["agreement"])
    assert row[1:3] == [f"{shares:.0%}".removesuffix("%"), "%"]
    assert "Shares of what matters among the parameters, from 16 complete search trials." in seen.lines
    text = " ".join(seen.text.split())
    assert "No ranges: how much the value differs from seed to seed is not known: give the search a confirmation." in text
