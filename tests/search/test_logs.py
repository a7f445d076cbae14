"""Where a worker's lines go in a program that has configured nothing."""

from __future__ import annotations

import subprocess
import sys


def test_nothing_is_printed_to_the_standard_output_of_the_program() -> None:
    script = "from search.logs import logger; log = logger('steelyard.worker'); log.info('quiet'); log.warning('heard', study='s')"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == ""
    assert "heard" in ran.stderr
    assert "quiet" not in ran.stderr
