"""`steelyard.search` from scripts and a notebook: real services, real workers, a cache folder of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.service import PATIENCE, until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SCRIPTS = sorted((ROOT / "examples" / "scripts").glob("*.py"))
QUICK = {"missing_labels.py"}
"""Examples that `make test` trains; `make soak` trains them all."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's cache folder; the service that calls start there is ended with the tests."""
    folder = tmp_path_factory.mktemp("cache")
    yield folder
    for pid in _service_pids(folder):
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).terminate()


def _service_pids(folder: Path) -> list[int]:
    file = folder / "service.json"
    return [int(json.loads(file.read_text())["pid"])] if file.exists() else []


def environment(cache: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "STEELYARD_CACHE_DIR": str(cache), "TF_CPP_MIN_LOG_LEVEL": "3", **more}


def run(script: Path, cache: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process and a folder of its own."""
    ran = subprocess.run(
        [sys.executable, str(script)],
        cwd=script.parent,
        env=environment(cache, **more),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran


def shorter(text: str, **more: str) -> str:
    """Return a script whose search has fewer trainings."""
    arguments = {"epochs": "2", "trials": "4", "confirmation": '{"top": 1, "seeds": 2}', "verbose": "1", **more}
    for name in arguments:
        text = re.sub(rf"\b{name}=(\d+|\{{[^}}]*\}}),?\s*", "", text)
    inserted = ", ".join(f"{name}={value}" for name, value in arguments.items())
    start = text.index("steelyard.search(")
    end = _closing(text, start + len("steelyard.search"))
    return f"{text[:end].rstrip().rstrip(',')}, {inserted}{text[end:]}"


def _closing(text: str, opening: int) -> int:
    depth = 0
    for place in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise AssertionError("no closing bracket")


def readme_script() -> str:
    """Return the README's first Python example."""
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)[1]


def test_the_first_example_of_the_readme_is_a_whole_script_of_under_twenty_lines() -> None:
    assert len(readme_script().strip().splitlines()) < 20
    assert "steelyard.search(model" in readme_script()


@dataclass(frozen=True)
class TakenUp:
    """The README's script three times: killed when some trials had ended, taken up to its end, and once more."""

    killed: str
    """What the first run logged."""
    workers: list[psutil.Process]
    """The workers of the first run."""
    ended: subprocess.CompletedProcess[str]
    again: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def taken_up(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> TakenUp:
    folder = tmp_path_factory.mktemp("readme")
    script, log = folder / "train.py", folder / "log"
    script.write_text(shorter(readme_script(), trials="20", seed="3") + "\nprint('WEIGHTS', sorted(result.loss_weights))\n")
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, str(script)], cwd=folder, env=environment(cache), stdout=output, stderr=output)

    def some_have_ended() -> bool:
        assert process.poll() is None, log.read_text()
        return bool(re.search(r"\s[1-9]\d*/\d+ trials", log.read_text()))

    until(some_have_ended, "some trials have ended")
    workers = [child for child in psutil.Process(process.pid).children(recursive=True) if "worker" in child.cmdline()]
    process.kill()
    process.wait()
    return TakenUp(log.read_text(), workers, run(script, cache), run(script, cache))


def test_the_readme_runs_in_a_fresh_folder(cache: Path, taken_up: TakenUp) -> None:
    assert "new study" in taken_up.killed
    assert re.search(r"^20 to search \+ at most \d+ to confirm", taken_up.killed, re.MULTILINE)
    assert "Verdict: " in taken_up.ended.stdout
    assert "WEIGHTS ['price', 'sold']" in taken_up.ended.stdout
    assert list((cache / "runs").iterdir()) == []


def test_a_script_that_is_killed_goes_on_and_leaves_no_worker(taken_up: TakenUp) -> None:
    assert taken_up.workers
    assert not any(worker.is_running() and worker.status() != "zombie" for worker in taken_up.workers)
    done, planned = map(int, re.findall(r"resumed \S+, (\d+) of (\d+)", taken_up.ended.stderr)[0])
    assert 0 < done < planned


def test_a_script_that_ended_resumes_and_says_the_same(taken_up: TakenUp) -> None:
    assert re.search(r"resumed \S+, (\d+) of \1\n", taken_up.again.stderr)
    assert taken_up.again.stdout == taken_up.ended.stdout


def test_two_cells_of_a_notebook_are_one_study_though_keras_names_their_layers_anew(cache: Path, tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    source = shorter((ROOT / "examples" / "scripts" / "function_in_a_cell.py").read_text())
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for _ in range(2)])
    before = dict(os.environ)
    os.environ.update(environment(cache))
    try:
        NotebookClient(notebook, timeout=int(PATIENCE), resources={"metadata": {"path": str(tmp_path)}}).execute()
    finally:
        os.environ.clear()
        os.environ.update(before)
    first, second = ("".join(output.get("text", "") for output in cell.outputs) for cell in notebook.cells)
    assert "new study" in first
    assert "resumed" in second
    assert "'dense_1'" in first or "dense" in first


def test_a_result_is_extended_and_confirmed_in_the_process_of_its_call(cache: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    more = """
print("FIRST", len(result.trials), result.verdict)
more = result.extend(6)
print("EXTENDED", more.study == result.study, sum(trial["role"] == "search" for trial in more.trials), len(result.trials))
confirmed = more.confirm()
print("CONFIRMED", confirmed.study == result.study, confirmed.verdict)
print("AGAIN", confirmed.confirm() is confirmed)
x[0] += 1
try:
    confirmed.extend(8)
except steelyard.ValidationError as error:
    print("REFUSED", error)
"""
    script.write_text(shorter(readme_script(), confirmation="None", seed="5", weight_ranges='{"price": (0.001, 1)}') + more)
    said = dict(line.split(" ", 1) for line in run(script, cache).stdout.splitlines() if " " in line)
    assert "nothing was confirmed on fresh seeds" in said["FIRST"]
    assert said["EXTENDED"] == f"True 6 {said['FIRST'].split()[0]}"
    assert said["CONFIRMED"].startswith("True ")
    assert "fresh seeds" in said["CONFIRMED"]
    assert said["AGAIN"] == "True"
    assert "its data changed since the call" in said["REFUSED"]


@pytest.mark.soak
def test_two_notebooks_search_at_once(cache: Path, tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    source = (ROOT / "examples" / "scripts" / "function_in_a_cell.py").read_text()
    before = dict(os.environ)
    os.environ.update(environment(cache))
    try:
        cells = (nbformat.v4.new_code_cell(shorter(source, seed=seed)) for seed in ("21", "22"))
        notebooks = [nbformat.v4.new_notebook(cells=[cell]) for cell in cells]
        folder = {"metadata": {"path": str(tmp_path)}}

        async def both() -> None:
            clients = (NotebookClient(each, timeout=int(PATIENCE), resources=folder) for each in notebooks)
            await asyncio.gather(*(client.async_execute() for client in clients))

        asyncio.run(both())
    finally:
        os.environ.clear()
        os.environ.update(before)
    said = ["".join(output.get("text", "") for output in notebook.cells[0].outputs) for notebook in notebooks]
    assert all(re.search(r"^new", each, re.MULTILINE) and "fresh seeds" in each for each in said), said
    assert len(_service_pids(cache)) == 1


@pytest.mark.parametrize(
    "script", [pytest.param(path, id=path.name, marks=() if path.name in QUICK else pytest.mark.soak) for path in SCRIPTS]
)
def test_an_example_script_ends_in_a_verdict(script: Path, cache: Path, tmp_path: Path) -> None:
    copy = tmp_path / script.name
    copy.write_text(script.read_text())
    verdict, used = run(copy, cache).stdout.strip().splitlines()[-2:]
    assert "fresh seeds" in verdict
    assert re.match(r"[\w:]+ [\[{]", used)  # what to use, and the tuned weights as compile takes them: a dict or a list


def test_the_local_service_ends_when_nobody_asks(tmp_path: Path) -> None:
    script = tmp_path / "studies.py"
    script.write_text("import steelyard\nprint(steelyard.studies())\n")
    cache = tmp_path / "cache"
    assert run(script, cache, STEELYARD_IDLE_SECONDS="0.5").stdout == "[]\n"
    (pid,) = _service_pids(cache)
    until(lambda: not psutil.pid_exists(pid), "the service has ended")


def test_calls_that_cannot_be_trained_are_refused_before_a_service_starts(cache: Path, tmp_path: Path) -> None:
    script = tmp_path / "refused.py"
    lines = [
        "import steelyard",
        "try:",
        "    steelyard.search(3, [[1.0]])",
        "except steelyard.ValidationError as error:",
        "    print(error)",
    ]
    script.write_text("\n".join(lines))
    assert "a keras.Model, or a function that returns one, got a int" in run(script, tmp_path / "other").stdout
    assert _service_pids(tmp_path / "other") == []


@pytest.mark.soak
def test_an_interrupt_raises_and_the_service_stays(cache: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(shorter(readme_script(), trials="60", seed="4"))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(script)], cwd=tmp_path, env=environment(cache), stdout=log, stderr=log, start_new_session=True
        )
    until(lambda: "running" in (tmp_path / "log").read_text(), "the training runs")
    workers = [child for child in psutil.Process(process.pid).children() if "worker" in child.cmdline()]
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=PATIENCE)
    log = (tmp_path / "log").read_text()
    assert "interrupted; the same call goes on" in log
    assert log.rstrip().endswith("KeyboardInterrupt")
    assert not any(worker.is_running() and worker.status() != "zombie" for worker in workers)
    assert all(psutil.pid_exists(pid) for pid in _service_pids(cache))


@pytest.mark.soak
def test_a_default_range_widens_once_where_the_only_trial_lies_at_its_edge(cache: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    text = shorter(readme_script(), trials="1", seed="24")  # whose first draw is in the lowest fiftieth of a range
    script.write_text(text + "\nprint('STUDY', result.study)\n")
    first, second = run(script, cache), run(script, cache)
    assert "is at the edge of its range: searched again from" in first.stderr
    assert re.search(r"STUDY \S+-wide\n", first.stdout)
    assert re.search(r"resumed \S+-wide, (\d+) of \1\n", second.stderr)
    assert second.stdout == first.stdout
