"""The command that shows the whole of it: a service, a study, the best weights."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from steelyard.cli.exit_codes import OF_STATE, CommandFailed
from steelyard.cli.options import Json
from steelyard.cli.output import note, notes, print_document, terminal
from steelyard.cli.results import write_whole
from steelyard.version import COMMAND

SERVE = (*COMMAND, "serve", "--port", "0", "--workers", "1", "--json")
END_SECONDS = 35.0
LOG_LINES = 15
PROGRESS_LINES = 2
"""Without a terminal; with one it is a bar. All that the demo prints is to fit one screen."""

BESIDE = """To be quick, the demo compares with equal weights only. Your own studies also
compare with weights that need no search (inverse initial losses), which come
closer than equal ones here: examples/digits_overlay.json is the full study."""

NEXT = """Next, a study of your own: steelyard serve, and in another terminal
  steelyard init --output study.json && steelyard submit study.json --watch"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Service")(demo)


def demo(
    definition: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="A study definition (default: two overlaid digits, on which the weights matter)."),
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option("--data-dir", metavar="DIR", help="Keep the database there (default: a temporary directory).")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where the best weights go.")] = "best-weights.json",
    open_: Annotated[bool, typer.Option("--open", help="Open its page in a browser, and keep it until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Start a service of its own, search the weights of a small study over real HTTP, and end it again."""
    with _directory(data_dir) as directory, _service(directory) as url:
        found = _search(url, definition, output, as_json, open_)
        if as_json:
            print_document(found)
        if open_:
            _kept(f"{url}/studies/{found['study']['name']}")
    note(NEXT)


def _kept(address: str) -> None:
    """Keep the service until Ctrl-C."""
    note(f"Its page stays at {address} until Ctrl-C.")
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _search(url: str, given: str | None, output: str, as_json: bool, shown_in_browser: bool) -> dict[str, Any]:
    from steelyard.cli.page import in_browser
    from steelyard.cli.waiting import show_outcome
    from steelyard.client import Client
    from steelyard.progress import shown_on

    with Client(url) as client:
        study = client.submit(_definition(given))
        note(f"Submitted {study['name']} to a service for this demo alone: {study['cost']}.")
        if study["definition"].get("description"):
            note(study["definition"]["description"])
        note(f"See it: {client.page(study)}")
        if shown_in_browser:
            in_browser(client.page(study))
        with shown_on(notes(), PROGRESS_LINES) as shown:
            *_, study = map(shown.seen, client.watch(study))
        show_outcome(client, study, notes() if as_json else terminal())
        if given is None:
            note(BESIDE)
        if study["state"] != "COMPLETE":
            if shown_in_browser:
                _kept(client.page(study))  # it says why
            raise CommandFailed(f"the study ended {study['state']}", OF_STATE[study["state"]])
        best = client.best(study)
    write_whole(Path(output), [(json.dumps(best, indent=2, ensure_ascii=False) + "\n").encode()])
    note(f'Wrote {output}. In Python:\n  steelyard.apply(build_model(), json.load(open("{output}")))')
    return best


def _definition(given: str | None) -> Any:
    """Return what is to be searched: the file given, else a study on which the weights matter."""
    from steelyard import study_templates

    return given or study_templates.overlay()


@contextmanager
def _directory(given: str | None) -> Iterator[Path]:
    if given is not None:
        path = Path(given)
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="steelyard-demo-") as temporary:
        yield Path(temporary)


@contextmanager
def _service(directory: Path) -> Iterator[str]:
    """Run `steelyard serve` with one worker on a free port, and yield its URL."""
    log_path = directory / "serve.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [*SERVE, "--data-dir", str(directory), "--end-with", str(os.getpid())],
            env={name: value for name, value in os.environ.items() if name != "STEELYARD_DATABASE_URL"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches the demo alone, which then ends the service
        )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        if not ready:
            tail = log_path.read_text(errors="replace").splitlines()[-LOG_LINES:]
            raise CommandFailed("the service did not start:\n" + "\n".join(tail))
        yield str(json.loads(ready)["url"])
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
