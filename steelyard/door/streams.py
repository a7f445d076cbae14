"""Read a dataset into arrays: once where two passes give the same rows and they fit into memory, else not at all."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.door.refusals import refused

Array = NDArray[Any]

LATER = "streams come later: pass arrays, or a dataset that gives the same rows each time and fits into memory"
SHARE_OF_MEMORY = 0.25
"""How much of the memory that is free the rows of a dataset may take: the training holds them a second time."""

PASSES = 2


@dataclass(frozen=True)
class ReadStream:
    """What a dataset holds: x, y and sample_weight as `fit` takes arrays, and the rows of its first batch."""

    x: Any
    y: Any
    sample_weight: Any
    batch_size: int
    megabytes: float


class EachPass:
    """A function that returns a generator: each pass calls it anew."""

    def __init__(self, function: Callable[[], Iterable[Any]]) -> None:
        self._function = function

    def __iter__(self) -> Iterator[Any]:
        return iter(self._function())


def is_stream(given: Any) -> bool:
    """Return whether something is read batch by batch: a Dataset, PyDataset or loader, a generator, or a function."""
    return given is not None and _batches_of(given, "x") is not None


def read_stream(given: Any, at: str) -> ReadStream:
    """Return all rows of a dataset, in their order; those of one that shuffles are put into one that is always the same.

    Raises ValidationError for what can be read only once, for other rows in a second pass, and for more than memory holds.
    """
    made = _batches_of(given, at)
    assert made is not None
    limit = int(free_memory() * SHARE_OF_MEMORY)
    batches = _first_pass(made(), at, limit)
    if not batches:
        raise refused(at, "the dataset is empty")
    first, second = (np.concatenate(list(each)) for each in (_row_hashes(batches), _row_hashes(_first_pass(made(), at, limit))))
    order = None
    if len(first) != len(second) or (first != second).any():
        if len(first) != len(second) or (np.sort(first) != np.sort(second)).any():
            raise refused(at, f"two passes over it give other rows (random augmentation, or an endless stream). {LATER}")
        order = np.argsort(first, kind="stable")
    x, y, weight = (_joined([batch[part] for batch in batches], order) for part in range(3))
    size = len(_leaves(batches[0][0])[0][1])
    return ReadStream(x, y, weight, size, sum(_bytes(batch) for batch in batches) / 2**20)


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
        if int(given.cardinality()) == -1:
            raise refused(at, f"the dataset never ends. {LATER}")
        return lambda: given.as_numpy_iterator()
    if "keras.PyDataset" in kinds or "keras.Sequence" in kinds:
        count = given.num_batches if hasattr(given, "num_batches") else len(given)
        if count is None:
            raise refused(at, f"the PyDataset has no length. {LATER}")
        return lambda: (given[i] for i in range(count))
    if isinstance(given, EachPass) or any(kind.endswith(".DataLoader") for kind in kinds):
        return lambda: iter(given)
    if hasattr(given, "__next__") or inspect.isgenerator(given):
        raise refused(at, "a generator can be read once: pass the function that makes it, in its place")
    return None


def _first_pass(batches: Iterable[Any], at: str, limit: int) -> list[tuple[Any, Any, Any]]:
    found, size = [], 0
    for batch in batches:
        parts = tuple(batch) if isinstance(batch, tuple | list) else (batch,)
        if len(parts) > 3:
            raise refused(at, f"a batch should be (x, y) or (x, y, sample_weight), got {len(parts)} parts")
        x, y, weight = (*(_arrays(part) for part in parts), None, None)[:3]
        found.append((x, y, weight))
        size += _bytes(found[-1])
        if size > limit:
            raise refused(at, f"its rows take more than {limit / 2**20:.0f} MB, a quarter of the free memory. {LATER}")
    return found


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


def _bytes(batch: tuple[Any, Any, Any]) -> int:
    return sum(array.nbytes for part in batch for _, array in _leaves(part))


def _row_hashes(batches: Iterable[tuple[Any, Any, Any]]) -> Iterator[Array]:
    """Yield a number for each row of each batch that depends on all that the row holds."""
    for batch in batches:
        leaves = [np.ascontiguousarray(array) for part in batch for _, array in _leaves(part)]
        rows = len(leaves[0])
        digests = []
        for i in range(rows):
            digest = hashlib.blake2b(digest_size=8)
            for leaf in leaves:
                digest.update(leaf[i].tobytes())
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
