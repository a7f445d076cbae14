"""What a person sees in a terminal: tables, a bar, sentences."""

from __future__ import annotations

import json
import signal
import subprocess

from storage.records import Reason, StudyState
from tests.steelyard.filled import definition, ended, failed, filled, submitted
from tests.steelyard.terminal import typed

TABLE = """\
                                       best    yours    median
 ───────────────────────────────────────────────────────────────
 trial                                      2        0        3

 weight digit.crossentropy                  1        1        1
 weight parity.crossentropy                 2        1        3
 weight agreement                         0.2        0      0.3

 digit.sparse_categorical_accuracy ↑      0.9      0.5      0.7
 parity.binary_accuracy ↑                 0.9      0.5      0.7
 value                                    0.9      0.5      0.7
"""


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip() and "──" not in line]


def test_watch_ends_with_the_best_trial_beside_the_others(service, client, name):
    filled(service, client, name, [0.5, 0.6, 0.9, 0.7], StudyState.COMPLETE)
    seen = typed("watch", name)
    assert seen.code == 0
    assert "━━━━━━━━━━━━━━━━ 4/4 trials, COMPLETE, best 0.9 (trial 2)" in seen.text
    table = words(TABLE)
    assert [row for row in words(seen.text) if row in table] == table
    assert "Trial 2 is the best, worth 0.9; your weights of today are worth 0.5 (+0.4 by the search)." in seen.lines
    assert f"The weights as JSON: steelyard best {name} --output best-weights.json" in seen.lines


def test_ctrl_c_stops_watching_and_not_the_study(client, name):
    submitted(client, name)
    sent = []

    def interrupt(process: subprocess.Popen[bytes], shown: str) -> None:
        if not sent and "QUEUED" in shown:
            sent.append(process.send_signal(signal.SIGINT))

    seen = typed("watch", name, meanwhile=interrupt)
    assert seen.code == 130
    hint = f"No longer watching; the study goes on. Come back: steelyard watch {name}  End it: steelyard stop {name}"
    assert " ".join(seen.text.split()).endswith(" ".join(hint.split()))
    assert client.get(name)["state"] == "QUEUED"


def test_a_study_that_failed_says_why_in_place_of_a_table(service, client, name):
    failed(service, client, name, Reason("raised", "no such file", "ads.py:12"))
    seen = typed("watch", name)
    assert seen.code == 2
    assert f"{name} ended FAILED without a complete trial: no such file (at ads.py:12)" in seen.lines


def test_list_and_show_are_tables(service, client, name):
    filled(service, client, name, [0.5, 0.75], StudyState.COMPLETE)
    row = next(line.split() for line in typed("list").lines if name in line.split())
    done = row.index("2/2")  # behind the priority, where some study has one
    assert [*row[:2], *row[done : done + 2]] == [name, "COMPLETE", "2/2", "0.75"]
    shown = [line.split(maxsplit=1) for line in typed("show", name).lines]
    assert ["best", "trial 1, worth 0.75"] in shown
    assert ["trials", "2 of 2 done (2 complete)"] in shown


def test_trials_show_values_weights_and_reasons(service, client, name):
    filled(service, client, name, [0.5, None])
    text = " ".join(typed("trials", name, columns=240).text.split())
    assert "0 baseline current COMPLETE 0.5 0.5 0.5 1 0" in text
    assert "1 search DIVERGED - - - 1 0.1 parity.crossentropy became NaN in epoch 2" in text


def test_one_trial_shows_its_numbers(service, client, name):
    filled(service, client, name, [0.5, None])
    shown = [line.split() for line in typed("show", name, "--trial", "1").lines]
    assert ["because", *["parity.crossentropy", "became", "NaN", "in", "epoch", "2"]] in shown
    assert ["validation", "parity.crossentropy", "nan"] in shown


def test_best_shows_what_to_compile_with(service, client, name):
    filled(service, client, name, [0.5, 0.75])
    shown = [line.split(maxsplit=1) for line in typed("best", name).lines]
    assert ["loss_weights", '{"digit": 1.0, "parity": 1.0}'] in shown
    assert ["trial", "1 (so far)"] in shown


def test_pareto_is_a_table_that_says_how_to_go_on(service, client, name):
    filled(service, client, name, [0.5, 0.75])
    seen = typed("pareto", name, columns=200)
    title, row = (line.split() for line in seen.lines if "↑" in line or "search" in line)
    assert title[:3] == ["trial", "role", "pick"]
    assert row[:6] == ["1", "search", "knee,", "nearest_ideal", "0.75", "0.75"]
    assert f"Hypervolume 0.0625. Weights of the knee: steelyard best {name} --pick knee" in seen.lines


def test_an_empty_front_is_a_sentence(client, name):
    submitted(client, name)
    assert typed("pareto", name).lines == [f"No trial of {name} is complete and feasible yet."]


def test_what_picked_the_best_is_shown(service, client, name):
    filled(service, client, name, [0.5, 0.75])
    shown = [line.split(maxsplit=2) for line in typed("best", name, "--pick", "knee").lines]
    assert ["picked", "by", "knee"] in shown


def test_catalog_and_logs_are_for_reading(client, name):
    submitted(client, name)
    assert any(line.split()[:1] == ["consistency"] for line in typed("catalog", "penalties").lines)
    assert typed("logs", name).lines[0].endswith("study created")


def test_a_submission_says_how_to_watch_it(name, tmp_path):
    path = tmp_path / "study.json"
    path.write_text(json.dumps(definition(name)))
    assert typed("submit", str(path)).lines[-1] == f"Watch it: steelyard watch {name}"


def test_json_is_the_document_in_a_terminal_too(client, name):
    submitted(client, name)
    assert json.loads(typed("show", name, "--json").text)["name"] == name


def test_delete_asks_first(service, client, name):
    submitted(client, name)
    ended(service, name, StudyState.CANCELLED)

    def refuse(process: subprocess.Popen[bytes], shown: str) -> None:
        if "[y/N]" in shown:
            process.send_signal(signal.SIGINT)

    seen = typed("delete", name, meanwhile=refuse, again=1.0)  # the prompt is shown before its answer is read
    assert seen.code != 0
    assert client.get(name)["name"] == name
