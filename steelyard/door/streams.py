"""Read a dataset into arrays: once where two passes give the same rows and they fit into memory, else not at all."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.door.refusals import refused

Array = NDArray[Any]
Batch = tuple[Any, Any, Any]

LATER = "streams come later: pass arrays, or a dataset that gives the same rows each time and fits into memory"
ENDLESS = "the dataset never ends: pass it without repeat()"
STEPS = {"x": "steps_per_epoch", "validation_data": "validation_steps"}
"""The option that says how many batches an epoch has, by where a dataset is given."""
TEXT = "OSU"
"""The kinds of arrays that hold text: objects, whose bytes are pointers, and strings, padded to the longest of a batch."""
SHARE_OF_MEMORY = 0.25
"""How much of the memory that is free the rows of a dataset may take: the training holds them a second time."""


@dataclass(frozen=True)
class ReadStream:
    """What a dataset holds: x, y and sample_weight as `fit` takes arrays, and the rows of its first batch.

    shuffled: its passes have different orders. even: all batches but the last have as many rows as the first.
    passes: of how many passes over the same rows it consists, as after repeat(2). copies: what divides how often each row comes.
    """

    x: Any
    y: Any
    sample_weight: Any
    batch_size: int
    megabytes: float
    shuffled: bool = False
    even: bool = True
    passes: int = 1
    copies: int = 1


class EachPass:
    """A function that returns a generator: each pass calls it anew."""

    def __init__(self, function: Callable[[], Iterable[Any]]) -> None:
        self._function = function

    def __iter__(self) -> Iterator[Any]:
        return iter(self._function())


def is_stream(given: Any) -> bool:
    """Return whether something is read batch by batch: a Dataset, PyDataset or loader, a generator, or a function."""
    return given is not None and _batches_of(given, "x") is not None


def read_stream(given: Any, at: str, steps: int | None = None) -> ReadStream:
    """Return all rows of a dataset, in their order; those of one that shuffles are put into one that is always the same.

    steps: how many batches an epoch has, where the caller said so; of a dataset that repeats, so many are read.
    Raises ValidationError for what can be read only once, for other rows in a second pass or epoch, for a dataset that has not the
    batches that were said, for rows that come several times in those that were, and for more than memory holds.
    """
    batches, again = _two_passes(given, at, steps)
    if not batches:
        raise refused(at, "the dataset is empty")
    first, second = (np.concatenate(list(_row_hashes(each))) for each in (batches, again))
    order = None
    if len(first) != len(second) or (first != second).any():
        if len(first) != len(second) or (np.sort(first) != np.sort(second)).any():
            epochs = "two passes over it" if steps is None else f"its first {steps} batches and the next {len(again)}"
            raise refused(at, f"{epochs} give other rows (random augmentation, or a part of them). {LATER}")
        order = np.argsort(first, kind="stable")
    passes, copies = _passes_and_copies(first)
    if steps is not None and passes > 1:
        raise refused(at, f"each row comes {passes} times in {steps} batches: {_one_pass(steps, passes, at)}")
    x, y, weight = (_joined([batch[part] for batch in batches], order) for part in range(3))
    sizes = [len(_leaves(batch[0])[0][1]) for batch in batches]
    even = all(size == sizes[0] for size in sizes[:-1]) and sizes[-1] <= sizes[0]
    return ReadStream(x, y, weight, sizes[0], sum(map(_bytes, batches)) / 2**20, order is not None, even, passes, copies)


def _two_passes(given: Any, at: str, steps: int | None) -> tuple[list[Batch], list[Batch]]:
    """Return the batches of two passes over a dataset; where it goes on after `steps` of them, of the first two epochs."""
    made = _batches_of(given, at)
    assert made is not None
    limit = int(free_memory() * SHARE_OF_MEMORY)
    if steps is None:
        if _is_endless(given):
            way_out = f", or say how many batches hold each row once ({STEPS[at]})" if at in STEPS else ""
            raise refused(at, f"{ENDLESS}{way_out}")
        return _read(made(), at, limit), _read(made(), at, limit)
    going = iter(made())
    first, second = (_read(itertools.islice(going, steps), at, limit) for _ in range(2))
    if len(first) < steps:
        raise refused(at, f"it has {len(first)} batches, and {steps} were said: leave the number of steps out")
    if second:
        return first, second
    return first, _read(made(), at, limit)


def _passes_and_copies(rows: Array) -> tuple[int, int]:
    """Return of how many passes over the same rows these consist, in any order each, and the divisor of how often each row comes.

    rows: a number for each row [n], equal for equal rows. Rows that are equal within one pass are no second pass.
    """
    copies = math.gcd(*np.unique(rows, return_counts=True)[1].tolist())
    for times in range(copies, 1, -1):
        passes = np.sort(rows.reshape(times, -1), axis=1) if copies % times == 0 else None
        if passes is not None and (passes == passes[0]).all():
            return times, copies
    return 1, copies


def _one_pass(steps: int, passes: int, at: str) -> str:
    """Return how to name one pass where `steps` batches hold several."""
    whole = f"say {STEPS.get(at, 'steps')}={steps // passes}"
    return whole if steps % passes == 0 else "batch the rows before repeat(), and say how many batches one pass has"


def _is_endless(given: Any) -> bool:
    return hasattr(given, "cardinality") and int(given.cardinality()) == -1


def free_memory() -> float:
    """Return the bytes of memory that are free, or 4 GB where the system does not say."""
    try:
        with open("/proc/meminfo") as lines:
            found = next(line for line in lines if line.startswith("MemAvailable"))
        return float(found.split()[1]) * 1024
    except (OSError, StopIteration):
        return 4e9


def _batches_of(given: Any, at: str) -> Callable[[], Iterable[Any]] | None:
    kinds = {f"{kind.__module__.split('.')[0]}.{kind.__name__}" for kind in type(given).__mro__}
    if any(kind.startswith("tensorflow.") and kind.endswith("Dataset") for kind in kinds) or hasattr(given, "as_numpy_iterator"):
        return lambda: given.as_numpy_iterator()
    if "keras.PyDataset" in kinds or "keras.Sequence" in kinds:
        count = given.num_batches if hasattr(given, "num_batches") else len(given)
        if count is None:
            raise refused(at, f"the PyDataset has no length. {LATER}")
        return lambda: (given[i] for i in range(count))
    if hasattr(given, "__next__") or inspect.isgenerator(given):
        raise refused(at, "a generator can be read once: pass the function that makes it, in its place")
    if isinstance(given, EachPass) or any(kind.endswith(".DataLoader") for kind in kinds) or _is_loader(given):
        return lambda: iter(given)
    return None


def _is_loader(given: Any) -> bool:
    """Return whether something is made to be gone through: no array or frame, and no collection of Python's own."""
    arrays = ("shape", "__array__", "to_numpy")
    own = isinstance(given, Mapping | Sequence | Set) or type(given).__module__ == "builtins"
    return hasattr(given, "__iter__") and not own and not any(hasattr(given, name) for name in arrays)


def _read(batches: Iterable[Any], at: str, limit: int) -> list[Batch]:
    found: list[Batch] = []
    size = 0
    for batch in batches:
        parts = tuple(batch) if isinstance(batch, tuple | list) else (batch,)
        if len(parts) > 3:
            raise refused(at, f"a batch should be (x, y) or (x, y, sample_weight), got {len(parts)} parts")
        x, y, weight = (*(_arrays(part) for part in parts), None, None)[:3]
        found.append((x, y, weight))
        _require_rows(found[-1], at)
        size += _bytes(found[-1])
        if size > limit:
            raise refused(
                at, f"its rows take more than {limit / 2**20:.0f} MB, a quarter of the free memory{_unbounded(at)}. {LATER}"
            )
    return found


def _require_rows(batch: Batch, at: str) -> None:
    arrays = [array for part in batch for _, array in _leaves(part)]
    if not _leaves(batch[0]) or any(array.ndim == 0 or len(array) != len(arrays[0]) for array in arrays):
        shapes = ", ".join(str(list(array.shape)) for array in arrays) or "nothing"
        text = f"a batch should be (x, y) or (x, y, sample_weight) of arrays with as many rows each, got the shapes {shapes}"
        raise refused(at, text)


def _unbounded(at: str) -> str:
    steps = STEPS.get(at)
    return "" if steps is None else f" (one that never ends needs {steps})"


def _arrays(part: Any) -> Any:
    if part is None:
        return None
    if isinstance(part, Mapping):
        return {key: _arrays(value) for key, value in part.items()}
    if isinstance(part, tuple | list):
        return tuple(_arrays(value) for value in part)
    if hasattr(part, "detach"):
        part = part.detach().cpu()
    return np.asarray(part)


def _leaves(part: Any, path: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Array]]:
    if part is None:
        return []
    if isinstance(part, Mapping):
        return [leaf for key in sorted(part, key=str) for leaf in _leaves(part[key], (*path, key))]
    if isinstance(part, tuple):
        return [leaf for i, value in enumerate(part) for leaf in _leaves(value, (*path, i))]
    return [(path, part)]


def _bytes(batch: Batch) -> int:
    return sum(_size(array) for part in batch for _, array in _leaves(part))


def _size(array: Array) -> int:
    """Return an array's bytes; of objects, such as text, those that its pointers lead to as well."""
    return array.nbytes + (sum(map(sys.getsizeof, array.ravel().tolist())) if array.dtype.kind == "O" else 0)


def _row_hashes(batches: Iterable[Batch]) -> Iterator[Array]:
    """Yield a number for each row of each batch that depends on all that the row holds; text by value, not by where it lies."""
    for batch in batches:
        leaves = [np.ascontiguousarray(array) for part in batch for _, array in _leaves(part)]
        rows = len(leaves[0])
        digests = []
        for i in range(rows):
            digest = hashlib.blake2b(digest_size=8)
            for leaf in leaves:
                digest.update(repr(leaf[i : i + 1].tolist()).encode() if leaf.dtype.kind in TEXT else leaf[i].tobytes())
            digests.append(int.from_bytes(digest.digest(), "little"))
        yield np.array(digests, np.uint64)


def _joined(parts: list[Any], order: Array | None) -> Any:
    if parts[0] is None:
        return None
    if isinstance(parts[0], Mapping):
        return {key: _joined([part[key] for part in parts], order) for key in parts[0]}
    if isinstance(parts[0], tuple):
        return tuple(_joined([part[i] for part in parts], order) for i in range(len(parts[0])))
    whole = np.concatenate(parts)
    return whole if order is None else whole[order]
