"""Read a request's body as strict JSON: the one place where bytes become a document."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request

from app.refusals import UnreadableBody, UnsupportedBody
from search.errors import Fault, shown

MAX_DEPTH = 32
MAX_VALUES = 100_000
MAX_INTEGER = 2**63 - 1
WRONG_LETTERS = re.compile("[\x00\ud800-\udfff]")


class Repeated(dict[str, Any]):
    """A JSON object that names a key twice; `key` is the first such."""

    key: str


async def read_body(request: Request) -> bytes:
    """Return the body's bytes. Raises UnsupportedBody unless it says to be JSON, and whatever the guard finds in it."""
    sent = request.headers.get("content-type", "")
    kind, _, parameters = sent.partition(";")
    charset = parameters.lower().replace(" ", "").replace('"', "").removeprefix("charset=")
    if kind.strip().lower() != "application/json" or charset not in ("", "utf-8", "utf8"):
        fault = Fault("header.content-type", "application/json in UTF-8", shown(sent) if sent else "nothing")
        raise UnsupportedBody(str(fault), faults=[fault])
    return await request.body()


def parse(body: bytes) -> Any:
    """Return the document in `body`.

    Raises UnreadableBody for what is not JSON (with line and column), and for what Python's parser or a database would choke on
    (with the path): NaN and Infinity, numbers out of range, NUL and lone surrogates, keys that come twice, too deep or too much.
    """
    try:
        document = json.loads(body.decode("utf-8"), object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise _unreadable(f"line {error.lineno} column {error.colno}", "JSON", error.msg) from None
    except UnicodeDecodeError as error:
        raise _unreadable(f"byte {error.start}", "UTF-8", shown(body[error.start : error.start + 4])) from None
    except RecursionError:
        raise _unreadable("", f"at most {MAX_DEPTH} levels of lists and objects", "more") from None
    except ValueError:
        raise _unreadable("", "numbers of reasonable length", "a number of thousands of digits") from None
    faults = list(_faults(document))
    if faults:
        raise UnreadableBody("the body is JSON, but not of the kind that is read here", faults=faults)
    return document


def _unreadable(path: str, expected: str, got: str) -> UnreadableBody:
    fault = Fault(path, expected, got)
    return UnreadableBody(str(fault), faults=[fault])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    repeated = Repeated(found)
    repeated.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return repeated


def _faults(document: Any) -> Iterator[Fault]:
    """Walk the whole document, without recursion, and yield what is wrong with single values."""
    waiting: list[tuple[str, Any, int]] = [("", document, 1)]
    count = 0
    while waiting:
        path, value, depth = waiting.pop()
        count += 1
        if count > MAX_VALUES:
            yield Fault("", f"at most {MAX_VALUES} values in all", "more")
            return
        if isinstance(value, dict | list) and depth > MAX_DEPTH:
            yield Fault(path, f"at most {MAX_DEPTH} levels of lists and objects", "more")
            return
        yield from _own_faults(path, value)
        waiting.extend((f"{path}.{str(step)[:64]}".lstrip("."), item, depth + 1) for step, item in _items(value))


def _items(value: Any) -> list[tuple[Any, Any]]:
    """Return a container's items, last first, so that they leave the stack in their order."""
    if isinstance(value, dict):
        return list(reversed(value.items()))
    return list(enumerate(value))[::-1] if isinstance(value, list) else []


def _own_faults(path: str, value: Any) -> Iterator[Fault]:
    if isinstance(value, float) and not math.isfinite(value):
        yield Fault(path, "a finite number", str(value))
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        yield Fault(path, f"a whole number of at most {MAX_INTEGER}", shown(value))
    elif isinstance(value, str) and (wrong := _wrong_text(value)):
        yield Fault(path, "text without NUL and lone surrogates", wrong)
    elif isinstance(value, dict):
        if isinstance(value, Repeated):
            yield Fault(path, "each key once", f"{shown(value.key)} twice")
        yield from (Fault(path, "keys without NUL and lone surrogates", wrong) for key in value if (wrong := _wrong_text(key)))


def _wrong_text(text: str) -> str | None:
    found = WRONG_LETTERS.search(text)
    return None if found is None else "NUL" if found[0] == "\x00" else "a lone surrogate"
