"""The command with its output in a pipe: documents, exit codes, one sentence for each failure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from steelyard.cli.main import app
from storage.records import Reason, StudyState
from tests.steelyard.filled import definition, ended, failed, filled, submitted


def steelyard(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def document(*arguments: str) -> Any:
    """Run a command that must succeed, and read all of its standard output as JSON."""
    result = steelyard(*arguments)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refusal(*arguments: str, code: int = 1) -> str:
    """Run a command that must fail, with nothing on standard output; gives what it says."""
    result = steelyard(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.fixture
def file(tmp_path, name):
    path = tmp_path / "study.json"
    path.write_text(json.dumps(definition(name)))
    return str(path)


def test_every_looking_command_prints_one_document(service, client, name):
    filled(service, client, name, [0.5, 0.7])
    assert name in {study["name"] for study in document("list")["studies"]}
    assert document("show", name)["name"] == name
    assert document("show", name, "--trial", "1")["number"] == 1
    assert [trial["number"] for trial in document("trials", name)["trials"]] == [0, 1]
    assert document("best", name)["trial"] == 1
    assert document("logs", name)["events"][-1]["message"] == "trial 1 (search) COMPLETE, worth 0.7"
    assert set(document("catalog", "losses")) == {"losses"}
    assert {"losses", "aliases"} <= set(document("catalog"))
    assert "workloads" in document("catalog", "workloads")
    assert "workers" in document("catalog", "workers", "--json")


def test_trials_are_filtered_ordered_and_cut(service, client, name):
    filled(service, client, name, [0.5, 0.7, None, 0.9])
    found = document("trials", name, "--state", "complete", "--role", "search", "--order-by", "-objective", "--limit", "1")
    assert [trial["number"] for trial in found["trials"]] == [3]


def test_every_steering_command_prints_the_study(client, name):
    submitted(client, name)
    for command, state in (("pause", "PAUSED"), ("resume", "QUEUED"), ("cancel", "CANCELLED")):
        assert document(command, name)["state"] == state
    assert document("delete", name) == {"deleted": name}


def test_stop_and_retry_print_the_study(service, client, name):
    failed(service, client, name, Reason("raised", "no such file"))
    assert document("retry", name)["state"] == "QUEUED"
    assert document("stop", name)["state"] == "STOPPED"


@pytest.mark.parametrize(("wanted", "trials"), [("40", 40), ("+8", 40)])
def test_extend_takes_a_total_or_so_many_more(client, name, wanted, trials):
    submitted(client, name)
    assert document("extend", name, wanted)["definition"]["search"]["trials"] == trials


@pytest.mark.parametrize("wanted", ["12", "-3", "0"])
def test_a_priority_is_set(client, name, wanted):
    submitted(client, name)
    assert document("priority", name, wanted)["definition"]["priority"] == int(wanted)


def test_a_priority_out_of_bounds_is_refused(name):
    assert "1000" in refusal("priority", name, "1001")


@pytest.mark.parametrize("wanted", ["many", "+", "3.5", "-3"])
def test_extend_by_what_is_no_number_is_refused(name, wanted):
    refusal("extend", name, wanted)


def test_submit_prints_the_study_and_warnings_apart(client, file, name):
    assert document("submit", file, "--json")["name"] == name
    assert document("submit", file, "--name", f"{name}-b", "--json")["name"] == f"{name}-b"


def test_submit_without_a_terminal_prints_the_name_and_the_link(service, file, name):
    result = steelyard("submit", file)
    assert (result.exit_code, result.stdout) == (0, f"{name} {service.url}/studies/{name}\n")


def test_submit_of_a_wrong_definition_lists_every_fault_on_its_line(tmp_path, name):
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(definition(name, objective={"metrics": [{"metric": "val_loss"}]}, trails=3)))
    lines = refusal("submit", str(path)).splitlines()
    assert lines[0] == "steelyard: The study definition is refused: 2 things are wrong"
    assert sorted(line.split(":")[0] for line in lines[1:]) == ["  objective.metrics.0.metric", "  trails"]


def test_submit_of_another_definition_says_where_it_differs(client, file, name):
    submitted(client, name, labels={})
    other = definition(name)
    other["training"]["epochs"] = 3
    with open(file, "w") as changed:
        json.dump(other, changed)
    lines = refusal("submit", file).splitlines()
    assert f"study {name!r} exists" in lines[0]
    assert lines[1] == "  training.epochs: stored 10, sent 3"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("{", "not JSON"), ("[]", "a study definition is a JSON object, this is a list"), (None, "No such file")],
)
def test_a_file_that_is_no_definition_is_named(tmp_path, content, sentence):
    path = tmp_path / "study.json"
    if content is not None:
        path.write_text(content)
    assert sentence in refusal("submit", str(path))


def test_validate_prints_what_it_would_be(file):
    assert document("validate", file)["trainings"] == 33


def test_validate_of_a_wrong_definition_prints_the_problem_for_programs(tmp_path, name):
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(definition(name, trails=3)))
    result = steelyard("validate", str(path))
    assert result.exit_code == 1
    assert json.loads(result.stdout)["errors"][0]["path"] == "trails"
    assert result.stderr.startswith("steelyard: trails: expected")


def test_best_writes_a_file_and_keeps_standard_output_free(service, client, name, tmp_path):
    filled(service, client, name, [0.5, 0.7])
    path = tmp_path / "best-weights.json"
    result = steelyard("best", name, "--output", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    written = json.loads(path.read_text())
    assert (written["trial"], written["final"], written["reproduced_by"]) == (1, False, "compile_and_penalties")
    assert [found.name for found in tmp_path.iterdir()] == ["best-weights.json"]


def test_best_writes_a_script_beside_the_document(service, client, name, tmp_path):
    filled(service, client, name, [0.5, 0.7])
    document_, file = tmp_path / "best-weights.json", tmp_path / "train.py"
    result = steelyard("best", name, "--output", str(document_), "--script", str(file))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines() == [f"Wrote {path}: trial 1 of {name}, so far." for path in (document_, file)]
    assert file.read_text() == client.script(name)
    compile(file.read_text(), "train.py", "exec")
    assert document("best", name, "--script", str(file), "--json") == json.loads(document_.read_text())


def test_best_that_writes_the_tuned_weights_says_what_is_recommended_instead(client, name, tmp_path, monkeypatch):
    chosen = {"pick": "baseline:equal", "weights": {"a.mse": 1.0}, "sentence": "Use equal weights: as good as the tuned weights."}
    found = {"trial": 1, "study": {"name": name}, "final": True, "recommended": chosen}
    monkeypatch.setattr("steelyard.client.Client.best", lambda *_, **__: found)
    tuned = steelyard("best", name, "--output", str(tmp_path / "tuned.json"))
    asked = steelyard("best", name, "--pick", "baseline:equal", "--output", str(tmp_path / "equal.json"))
    advice = f"Use equal weights: as good as the tuned weights. To get them: steelyard best {name} --pick baseline:equal"
    assert tuned.stderr.splitlines()[1:] == [advice]
    assert asked.stderr.splitlines()[1:] == []


def test_best_with_an_output_of_json_is_refused_with_the_hint(name):
    assert "--json" in refusal("best", name, "-o", "json")


def test_best_that_is_not_there_yet_is_a_sentence(client, name):
    submitted(client, name)
    assert refusal("best", name) == f"steelyard: study {name!r} (QUEUED) has no complete trial yet\n"


def test_a_file_that_cannot_be_written_is_a_sentence(service, client, name, tmp_path):
    filled(service, client, name, [0.5])
    assert "nowhere: there is no such folder" in refusal("best", name, "-o", str(tmp_path / "nowhere" / "best.json"))


def test_pareto_prints_the_front(service, client, name):
    filled(service, client, name, [0.5, 0.7, 0.7])
    found = document("pareto", name)
    assert [trial["number"] for trial in found["trials"]] == [1, 2]
    assert found["picks"] == {"knee": 1, "nearest_ideal": 1}


def test_best_is_picked_from_the_front_or_by_another_aggregate(service, client, name):
    filled(service, client, name, [0.5, 0.7])
    assert document("best", name, "--pick", "knee")["picked_by"] == "knee"
    assert document("best", name, "--aggregate", "worst")["picked_by"] == "aggregate:worst"
    assert "did you mean 'worst'" in refusal("best", name, "--aggregate", "wrost")


def test_export_goes_to_standard_output_or_a_file(service, client, name, tmp_path):
    filled(service, client, name, [0.5, 0.7])
    assert [json.loads(line)["number"] for line in steelyard("export", name, "--json").stdout.splitlines()] == [0, 1]
    assert steelyard("export", name, "--format", "csv").stdout.startswith("number,")
    path = tmp_path / "trials.csv"
    assert steelyard("export", name, "--output", str(path)).stdout == ""
    assert path.read_text().startswith("number,")


@pytest.mark.parametrize("arguments", [("--format", "xml"), ("--format", "csv", "--json")])
def test_export_in_a_form_that_there_is_not_is_refused(name, arguments):
    refusal("export", name, *arguments)


def test_logs_tell_why_trials_and_studies_ended_so(service, client, name):
    filled(service, client, name, [0.5, None])
    ended(service, name, StudyState.FAILED, Reason("raised", "the loss raised", "ads.py:12"))
    messages = [event["message"] for event in document("logs", name)["events"]]
    assert messages[0] == "study created"
    assert "trial 0 (current) COMPLETE, worth 0.5" in messages
    assert "trial 1 (search) DIVERGED: parity.crossentropy became NaN in epoch 2" in messages
    assert messages[-1] == "study FAILED: the loss raised (at ads.py:12)"


@pytest.mark.parametrize("command", ["watch", "wait"])
@pytest.mark.parametrize(
    ("state", "code"),
    [(StudyState.COMPLETE, 0), (StudyState.FAILED, 2), (StudyState.STOPPED, 3), (StudyState.CANCELLED, 3)],
)
def test_the_exit_code_says_how_a_study_ended(service, client, name, command, state, code):
    filled(service, client, name, [0.5, 0.7], state)
    result = steelyard(command, name)
    assert result.exit_code == code
    assert json.loads(result.stdout)["state"] == state


@pytest.mark.parametrize("command", ["watch", "wait"])
def test_a_wait_that_is_too_long_has_its_own_exit_code(client, name, command):
    submitted(client, name)
    assert f"study {name!r} is still QUEUED after 0 s; it goes on" in refusal(command, name, "--timeout", "0", code=4)


def test_a_watched_submission_ends_like_the_study(service, client, file, name):
    failed(service, client, name, Reason("raised", "no such file", "workload.options.path"))
    result = steelyard("submit", file, "--watch")
    assert result.exit_code == 2
    assert f"{name} ended FAILED without a complete trial: no such file (at workload.options.path)" in result.stderr


def test_watch_keeps_progress_and_table_off_standard_output(service, client, name):
    filled(service, client, name, [0.5, 0.7], StudyState.COMPLETE)
    result = steelyard("watch", name)
    assert json.loads(result.stdout)["name"] == name
    assert f"{name}: 2/2 trials, COMPLETE, best 0.7 (trial 1)" in result.stderr
    assert "yours" in result.stderr


def test_watch_with_json_says_no_more_than_progress_beside_it(service, client, name):
    filled(service, client, name, [0.5, 0.7], StudyState.COMPLETE)
    assert "yours" not in steelyard("watch", name, "--json").stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("list", "--frob"), "No such option: --frob (see: steelyard list --help)"),
        (("frob",), "No such command 'frob' (see: steelyard --help)"),
        (("show",), "Missing argument 'STUDY' (see: steelyard show --help)"),
        (("trials", "x", "--limit", "many"), "Invalid value for '--limit'"),
        (("trials", "x", "--limit", "0"), "Invalid value for '--limit'"),
        (("catalog", "frobs"), "the catalog has no 'frobs', only: losses,"),
        (("list", "--state", "frob"), "state"),
        (("show", "nothing"), "there is no study 'nothing'"),
        (("show", ""), "there is no study ''"),
        (("list", "--url", "nowhere"), "'nowhere' is not the address of a service"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_1(arguments, sentence):
    text = refusal(*arguments)
    assert sentence in text
    assert len(text.splitlines()) == 1


def test_a_service_that_is_not_there_is_one_sentence_and_exit_code_5():
    text = refusal("list", "--url", "http://127.0.0.1:1", code=5)
    sentence = "no Steelyard service answers at http://127.0.0.1:1: connection refused (start one: steelyard serve)"
    assert text == f"steelyard: {sentence}\n"


def test_init_prints_the_flagship_and_needs_no_service(monkeypatch):
    monkeypatch.setenv("STEELYARD_URL", "http://127.0.0.1:1")
    assert document("init")["workload"]["name"] == "digits"


def test_init_writes_a_file_that_validates_and_does_not_write_over_one(tmp_path):
    path = str(tmp_path / "study.json")
    assert steelyard("init", "digits", "--output", path).exit_code == 0
    assert document("validate", path)["trainings"] == 84
    assert "--force" in refusal("init", "digits", "--output", path)
    assert steelyard("init", "digits", "--output", path, "--force").exit_code == 0


def test_init_of_an_unknown_workload_names_those_there_are():
    assert "digits-mask" in refusal("init", "frob")


def test_help_names_every_command_of_the_contract():
    commands = (
        "serve worker migrate demo init validate submit list show trials watch wait best "
        "pareto extend priority retry pause resume stop"
    )
    text = steelyard().stdout
    assert all(f" {command} " in text for command in (*commands.split(), "cancel", "delete", "export", "logs", "catalog"))
    assert steelyard("--help").stdout == text


def test_every_command_has_json():
    from typer.main import get_command

    commands = dict(get_command(app).commands)
    commands |= {f"workload {name}": command for name, command in commands.pop("workload").commands.items()}
    without = {name for name, command in commands.items() if "--json" not in {opt for each in command.params for opt in each.opts}}
    assert without == {"worker"}  # which answers nothing


def test_a_fault_of_our_own_is_no_traceback_either(monkeypatch):
    def broken(self: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("steelyard.client.Client.catalog", broken)
    assert "an unexpected fault, ZeroDivisionError: oh (STEELYARD_DEBUG=1 shows where)" in refusal("catalog")
    monkeypatch.setenv("STEELYARD_DEBUG", "1")
    assert isinstance(steelyard("catalog").exception, ZeroDivisionError)
