"""The tests.

Their linear algebra has one thread: pytest-xdist has a process for each core, and more threads wait for one another in loops.
"""

import os

for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):  # read when NumPy and SciPy are imported
    os.environ.setdefault(threads, "1")
