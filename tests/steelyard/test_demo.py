"""The demo, with real training of a small study."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from contextlib import nullcontext

from typer.testing import CliRunner

from steelyard import study_templates
from steelyard.cli.main import app
from storage.records import StudyState
from tests.steelyard.filled import definition, filled


def test_the_demo_trains_writes_the_weights_and_ends_its_service(tmp_path):
    definition = study_templates.digits()
    definition["search"] |= {"trials": 2, "confirmation": {"top": 1, "seeds": 2}, "baselines": []}
    definition["training"]["epochs"] = 1
    (tmp_path / "small.json").write_text(json.dumps(definition))
    command = [sys.executable, "-m", "steelyard", "demo", "small.json", "--json", "--data-dir", "data"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    written = json.loads((tmp_path / "best-weights.json").read_text())
    assert json.loads(ended.stdout) == written
    assert written["final"]
    assert 0.01 <= written["weights"]["parity.crossentropy"] <= 100
    assert "yours" in ended.stderr
    (line,) = (line.strip() for line in ended.stderr.splitlines() if "steelyard.apply" in line)
    (loaded,) = (each for each in ast.walk(ast.parse(line)) if isinstance(each, ast.Call) and ast.unparse(each.func) == "open")
    assert ast.literal_eval(loaded.args[0]) == "best-weights.json"


def test_a_demo_that_is_refused_ends_its_service_and_says_why(tmp_path):
    (tmp_path / "wrong.json").write_text('{"workload": {"name": "digits"}}')
    command = [sys.executable, "-m", "steelyard", "demo", "wrong.json"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "The study definition is refused" in ended.stderr
    assert not (tmp_path / "best-weights.json").exists()


def test_the_page_of_a_demo_that_failed_stays_to_say_why(service, client, name, tmp_path, monkeypatch):
    filled(service, client, name, [0.5], StudyState.FAILED)
    kept: list[str] = []
    monkeypatch.setattr("steelyard.cli.demo._service", lambda _directory: nullcontext(service.url))
    monkeypatch.setattr("steelyard.cli.demo._kept", kept.append)
    monkeypatch.setattr("webbrowser.open", lambda _address: True)
    file = tmp_path / "study.json"
    file.write_text(json.dumps(definition(name)))
    result = CliRunner().invoke(app, ["demo", str(file), "--open", "--data-dir", str(tmp_path)])
    assert "the study ended FAILED" in result.stderr
    assert kept == [f"{service.url}/studies/{name}"]
