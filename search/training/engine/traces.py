"""How many graphs this process has traced: each keeps some 10 MB for good, whatever is dropped afterwards."""

from __future__ import annotations

_traces = 0


def traces_made() -> int:
    """Return how many graphs the engines of this process have traced."""
    return _traces


def count_trace() -> None:
    """Count one: called in the Python of a graph, which runs when it is traced and only then."""
    global _traces
    _traces += 1
