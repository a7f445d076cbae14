"""Every command of README.md, docs/ and CONTRIBUTING.md is run: against a real service, in the order in which a reader would."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.end_to_end.service import PATIENCE, Service, serving, until
from tests.end_to_end.studies import regression

ROOT = Path(__file__).parents[2]
BINARIES = Path(sys.executable).parent
README = (ROOT / "README.md").read_text()
DEFAULT_URL = "http://127.0.0.1:8765"


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(text: str) -> list[str]:
    """Return the commands of all bash blocks, without their comments."""
    lines = "\n".join(blocks(text, "bash")).replace("\\\n", " ").splitlines()
    return [command for line in lines if (command := line.partition(" #")[0].strip())]


DOCS = [(ROOT / "docs" / f"{page}.md").read_text() for page in ("study", "answer", "models", "operations")]
MODELS = DOCS[2]
COMMANDS = [command for text in (README, *DOCS) for command in commands(text)]
MAKE = [command for command in [*COMMANDS, *commands((ROOT / "CONTRIBUTING.md").read_text())] if command.startswith("make ")]
SERVERS = [command for command in COMMANDS if re.search(r"steelyard (serve|worker)", command)]
CALLS = [command for command in COMMANDS if command not in [*MAKE, *SERVERS]]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service as the README has it, in a folder with the examples and the workload that docs/models.md shows beside it.

    The first example has fewer trials.
    """
    folder = tmp_path_factory.mktemp("reader")
    (folder / "ads.py").write_text(blocks(MODELS, "python")[0])
    shutil.copytree(ROOT / "examples", folder / "examples")
    example = folder / "examples" / "digits.json"
    definition = json.loads(example.read_text())
    definition["training"]["epochs"] = 2
    definition["search"] |= {"trials": 8, "confirmation": {"top": 2, "seeds": 3}}
    example.write_text(json.dumps(definition))
    (folder / "ads.py").write_text(blocks(MODELS, "python")[0])
    with serving(folder, workers=1, environment={"STEELYARD_WORKLOADS": "ads=ads"}) as service:
        yield service


def run(service: Service, command: list[str]) -> subprocess.CompletedProcess[str]:
    here = {"STEELYARD_URL": service.url, "STEELYARD_DATA_DIR": str(service.folder / "data")}
    environment = {**os.environ, **here, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        command, cwd=service.folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
    return ran


def test_every_call_and_the_python_work_in_their_order(reader: Service) -> None:
    assert len(CALLS) >= 6
    for call in CALLS:
        words = [word.replace(DEFAULT_URL, reader.url) for word in shlex.split(call)]
        ran = run(reader, [str(BINARIES / "steelyard") if words[0] == ".venv/bin/steelyard" else words[0], *words[1:]])
        assert "problems/" not in ran.stdout, f"{call}: {ran.stdout}"
    _, _, client, _ = blocks(README, "python")  # the whole script, of which the first is a part, is run by test_search
    _, trained = blocks(MODELS, "python")
    client, trained = (block.replace(DEFAULT_URL, reader.url) for block in (client, trained))
    run(reader, [sys.executable, "-c", client])
    run(reader, [sys.executable, "-c", trained + "\nassert model.optimizer is not None"])


def test_every_make_target_named_exists() -> None:
    assert {"make demo", "make check", "make test", "make install", "make format"} <= set(MAKE)
    for command in MAKE:
        ran = subprocess.run([*command.split(), "-n"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("command", SERVERS)
def test_every_server_command_starts(command: str, tmp_path: Path) -> None:
    """Start it as written, with a port and a database of the test's own, until it says that it runs."""
    (tmp_path / "ads.py").write_text(blocks(MODELS, "python")[0])
    words = shlex.split(command)
    given = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    words = [word for word in words if not re.match(r"[A-Z_]+=", word)]
    given["STEELYARD_DATABASE_URL"] = f"sqlite:///{tmp_path}/steelyard.db"
    environment = {**os.environ, **given}
    words[0] = str(BINARIES / "steelyard")
    if "serve" in words:
        words += ["--port", "0", "--data-dir", str(tmp_path)]
    else:
        subprocess.run([words[0], "migrate"], env=environment, check=True, capture_output=True)
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=output, stderr=output)
        try:
            until(lambda: process.poll() is not None or "worker started" in log.read_text(), f"{command} runs")
            assert process.poll() is None, log.read_text()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=PATIENCE)


def test_the_workload_that_is_shown_can_be_trained(reader: Service) -> None:
    definition = regression("ads", trials=2)
    definition["tasks"][0]["name"], definition["tasks"][1]["name"] = "clicks", "sales"
    definition["objective"]["metrics"] = [{"metric": "clicks.mae"}, {"metric": "sales.mae"}]
    study = reader.finished(reader.submit(definition))
    assert study["state"] == "COMPLETE", study["reason"]


def test_the_compose_file_has_a_database_an_api_and_workers() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert set(services) == {"database", "api", "worker"}
    assert all(port.startswith("127.0.0.1:") for port in services["api"]["ports"])
