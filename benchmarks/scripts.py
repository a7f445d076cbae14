"""Programs that are timed: each gets ready in a process of its own, is started, and reports when it is done.

A program is a module of this package that calls `serve`. It imports what it needs and loads its data before it says that it is
ready, so neither is timed. Both ends of that talk are in this file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from benchmarks.problems import Problem, Written
from benchmarks.turns import Measured
from search import processes

ROOT = Path(__file__).parents[1]
END_SECONDS = 10.0
LOG_LINES = 30


class Job(Written):
    """What a program is to do: `trials` of the problem, or settings in these `cohorts` by this `engine` ("": its own choice).

    `processes` says how many of its kind search together; `folder` is where they share files. `references` and `confirmations` are
    the numbers of seeds of a careful script.
    """

    problem: Problem
    trials: int
    seed: int
    cohorts: tuple[int, ...] = ()
    engine: str = ""
    processes: int = 1
    folder: str = ""
    references: int = 0
    confirmations: int = 0


def timed(module: str, jobs: Sequence[Job], environment: Mapping[str, str] | None = None) -> Measured:
    """Run one process of `benchmarks.<module>` a job, all at once; time from the word to go to the last result.

    `details` are those of the first job. Raises RuntimeError with the end of its log where a program fails.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="steelyard-bench-"))
        programs = [
            stack.enter_context(_started(module, job.model_copy(update={"folder": folder}), environment or {})) for job in jobs
        ]
        for program in programs:
            program.hear("ready")
        began = time.perf_counter()
        for program in programs:
            program.go()
        details = [program.hear("done") for program in programs]
        return Measured(time.perf_counter() - began, details[0])


class _Program:
    """One program as the one who times it sees it."""

    def __init__(self, process: subprocess.Popen[str], log: IO[str]) -> None:
        self._process, self._log = process, log

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def hear(self, word: str) -> dict[str, Any]:
        """Wait for a message and return what else it says. Raises RuntimeError where the program ends instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        message: dict[str, Any] = json.loads(line) if line else {}
        if message.pop("is", None) != word:
            self._process.wait(END_SECONDS)
            self._log.seek(0)
            tail = "".join(self._log.readlines()[-LOG_LINES:])
            raise RuntimeError(f"{' '.join(map(str, self._process.args[:3]))} ended before it was {word}:\n{tail}")  # type: ignore[index]
        return message


@contextmanager
def _started(module: str, job: Job, environment: Mapping[str, str]) -> Iterator[_Program]:
    variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", **job.problem.environment, **environment}
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{module}", job.model_dump_json()],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=processes.die_with_parent,
        )
        with process:
            try:
                yield _Program(process, log)
            finally:
                process.kill()  # it has said what it found, or somebody failed


def serve(prepare: Callable[[Job], Callable[[], Mapping[str, Any]]]) -> None:
    """Be such a program: prepare the job, say so, wait for the word to go, do it, and say what it found.

    What anybody prints meanwhile goes to the log: standard output is for messages alone.
    """
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as messages:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

        def say(word: str, **more: Any) -> None:
            messages.write(json.dumps({"is": word, **more}) + "\n")
            messages.flush()

        do = prepare(Job.model_validate_json(sys.argv[1]))
        say("ready")
        if sys.stdin.readline().strip() == "go":
            say("done", **do())
