"""What else `fit` and `compile` take: translated where a study has the same, refused by name where it has not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from search.names import listed
from steelyard.door.refusals import not_yet, refused

HARMLESS = ("History", "ProgbarLogger", "TerminateOnNaN")
"""Callbacks that a study has without them: one that diverges ends by itself."""

WRITING = ("BackupAndRestore", "CSVLogger", "ModelCheckpoint", "RemoteMonitor", "TensorBoard")
"""Callbacks that write down a training and change nothing of it."""

LATER = ("ReduceLROnPlateau", "LearningRateScheduler")
"""Callbacks that move the learning rate."""


@dataclass(frozen=True)
class Habits:
    """What callbacks mean for a study: which epoch of a training counts, and what should be said aloud."""

    epoch: str = "last"
    notes: tuple[str, ...] = ()


def translated(callbacks: Iterable[Any]) -> Habits:
    """Return what callbacks of Keras mean in a study. Raises ValidationError for those that it does not have."""
    found, written = Habits(), []
    for callback in [callbacks] if hasattr(callbacks, "set_model") else callbacks or ():
        name = type(callback).__name__
        ours = type(callback).__module__.split(".")[0] == "keras"
        if ours and name in HARMLESS:
            continue
        if ours and name in WRITING:
            written.append(name)
        elif ours and name == "EarlyStopping":
            found = _early_stopping(callback)
        elif ours and name in LATER:
            text = f"{name}: schedules of the learning rate come later; leave it out, and choose the rate that is best without it"
            raise refused("callbacks", text)
        else:
            raise refused("callbacks", f"{name} is not supported in a search: leave it out, and use it when you fit the result")
    if written:
        text = f"{listed(written)}: not used, since a search trains many models; use it when you fit the result"
        found = replace(found, notes=(*found.notes, text))
    return found


def _early_stopping(callback: Any) -> Habits:
    if not callback.restore_best_weights:
        text = "EarlyStopping without restore_best_weights ends with the weights of a later epoch than the best"
        raise refused("callbacks", f"{text}: set restore_best_weights=True")
    text = f"EarlyStopping(monitor={callback.monitor!r}): each training runs all epochs, and its best one by the objective counts"
    return Habits("best", (text,))


WHOLE = ("epochs", "trials", "workers", "batch_size", "steps_per_epoch", "validation_steps")


def with_plain_integers(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with Python's integers in place of NumPy's."""
    numbers = {name: arguments[name] for name in (*WHOLE, "seed")}
    return {**arguments, **{name: int(value) for name, value in numbers.items() if isinstance(value, np.integer)}}


def require_supported(arguments: Mapping[str, Any]) -> list[str]:
    """Refuse arguments that a study does not have yet; return what should be said of the others."""
    if arguments["shuffle"] not in (True, False):
        raise refused("shuffle", f"True, or False for rows in their order, got {arguments['shuffle']!r}")
    if arguments["timeout"] is not None and not _has_stop():
        raise not_yet("timeout", "a limit of seconds")
    if arguments["jit_compile"] not in ("auto", False, None, True):
        raise refused("jit_compile", f'"auto", True or False, got {arguments["jit_compile"]!r}')
    if not isinstance(arguments["timeout"], int | float | None):
        raise refused("timeout", f"seconds, got {arguments['timeout']!r}")
    for name in ("weight_ranges", "shared_weights", "extra"):
        if arguments[name] is not None and not isinstance(arguments[name], Mapping):
            raise refused(name, f"a dict by name, got a {type(arguments[name]).__name__}")
    for name in WHOLE:
        value = arguments[name]
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise refused(name, f"a whole number of 1 or more, got {value!r}")
    _require_definition(arguments["definition"])
    if arguments["if_exists"] not in ("resume", "new", "error"):
        raise refused("if_exists", f'"resume", "new" or "error", got {arguments["if_exists"]!r}')
    if arguments["api_key"] is not None:
        raise refused("api_key", "keys of a service come later; leave it out")
    return ["jit_compile=True: the engine compiles graphs of its own"] if arguments["jit_compile"] is True else []


def _require_definition(given: Any) -> None:
    """Refuse what is no part of a definition, and the parts that are the call's own."""
    if given is not None and not isinstance(given, Mapping):
        text = f'a dict with fields of a study definition, such as {{"search": {{"seeds": 3}}}}, got a {type(given).__name__}'
        raise refused("definition", text)
    if "workload" in (given or {}):
        raise refused(
            "definition.workload", "the call's model and rows are its workload; leave it out, or submit a study with another"
        )
    if "name" in (given or {}):
        raise refused("definition.name", "pass name= in its place")


def require_all_steps(name: str, steps: int | None, rows: int, batch_size: int) -> None:
    """Refuse an epoch of other steps than those of all rows: then other rows would count in each epoch."""
    whole = -(-rows // batch_size)
    if steps is not None and steps != whole:
        text = f"all {rows} rows are {whole} batches of {batch_size}, got {steps}: a part of the rows in each epoch comes later"
        raise refused(name, f"{text}; leave it out, or pass only the rows that should count")


def _has_stop() -> bool:
    from search.definition.schema import Search

    return "stop" in Search.model_fields


def stop_after(seconds: float) -> dict[str, Any]:
    """Return the part of a definition that ends the search after so many seconds."""
    return {"stop": {"after_seconds": float(seconds)}}
