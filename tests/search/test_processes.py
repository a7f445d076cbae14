"""Orphans that a process has adopted are let go of when they have ended, and nothing else is."""

from __future__ import annotations

import subprocess
import sys

ADOPTS = """
import os, subprocess, time
from search.processes import RunningProcess, adopt_orphans, reap_orphans

adopt_orphans()
starts = "import subprocess; print(subprocess.Popen(['sleep', '0.2']).pid)"
orphan = int(subprocess.run(["python3", "-c", starts], stdout=subprocess.PIPE, check=True).stdout)
own = subprocess.Popen(["true"])
while not ((found := RunningProcess.find(orphan)) and found.is_zombie):
    time.sleep(0.01)
reap_orphans({own.pid})
print(RunningProcess.find(orphan), own.wait())
"""


def test_an_orphan_is_waited_for_and_what_the_process_started_itself_is_not() -> None:
    said = subprocess.run([sys.executable, "-c", ADOPTS], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.split() == ["None", "0"]
