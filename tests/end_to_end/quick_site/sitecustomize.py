"""Read by every Python process that has this folder in PYTHONPATH: workers of a real service train with `quick_child`."""

import sys

if "worker" in sys.orig_argv:
    from search.worker import child_process

    child_process.RUNNER = "tests.end_to_end.quick_child"
