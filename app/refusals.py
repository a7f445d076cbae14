"""What this room refuses by itself: requests that are no good, and questions without an answer yet. Knows no HTTP status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search.errors import Fault, shown


class Refusal(Exception):
    """A request that is refused. `faults` say where; `members` are further members of the problem document."""

    def __init__(self, message: str, *, faults: Sequence[Fault] = (), members: Mapping[str, Any] | None = None) -> None:
        self.faults = tuple(faults)
        self.members = dict(members or {})
        super().__init__(message)


class UnreadableBody(Refusal):
    """The body is not strict JSON, or not as long as it says."""


class UnsupportedBody(Refusal):
    """The body is compressed, or of another type than JSON."""


class BodyTooLarge(Refusal):
    """The body is longer than the service reads."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is longer than {limit} bytes", members={"limit": limit})


class BodyTooSlow(Refusal):
    """The body did not come within the time-out."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body did not come within {seconds:g} seconds")


class MalformedRequest(Refusal):
    """What came is not an HTTP request."""

    def __init__(self, why: str) -> None:
        super().__init__(f"not an HTTP/1.1 request: {why}")


class HeaderTooLarge(Refusal):
    """The request's header is longer than the service reads."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the request's header is longer than {limit} bytes", members={"limit": limit})


class HeaderTooSlow(Refusal):
    """The request's header did not come within the time-out."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the request's header did not come within {seconds:g} seconds")


class ForeignHost(Refusal):
    """The request is addressed to a host that this service is not."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"the Host header names {host[:255]!r}, which is not one of this service's (STEELYARD_ALLOWED_HOSTS)",
            faults=[Fault("header.host", "one of the allowed hosts", repr(host[:255]))],
        )


class ForeignOrigin(Refusal):
    """A web page of another site asks for a change."""

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"a page of {origin[:255]!r} may not change anything here",
            faults=[Fault("header.origin", "this service's own origin, or none", repr(origin[:255]))],
        )


class BadParameter(Refusal):
    """A query parameter or a field of a small body is wrong."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(map(str, faults)), faults=faults)


class WaitTooLong(Refusal):
    """`?wait` asks for longer than the service holds a request."""

    def __init__(self, seconds: float, limit: float) -> None:
        fault = Fault("query.wait", f"at most {limit:g} seconds: ask again after them", f"{seconds:g}")
        super().__init__(str(fault), faults=[fault], members={"limit": limit})


def parameter_fault(detail: Mapping[str, Any]) -> Fault:
    """Return one of pydantic's errors about a parameter or a field."""
    if detail["type"] == "extra_forbidden":
        return Fault(".".join(map(str, detail["loc"])), "a known field", "an unknown one")
    expected = str(detail["msg"]).removeprefix("Input should be ")
    return Fault(".".join(map(str, detail["loc"])), expected, shown(detail.get("input")))


class NotYet(Refusal):
    """Something that the contract announces and this version does not have."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: not yet supported")


class OtherDefinition(Refusal):
    """A study of the sent name exists and has another definition. `changed`: `{"path", "stored", "sent"}` for each difference."""

    def __init__(self, name: str, changed: Sequence[Mapping[str, Any]]) -> None:
        paths = ", ".join(str(change["path"]) for change in changed[:5])
        super().__init__(
            f"study {name!r} exists and differs in {paths or 'its form'}; take another name, or leave the name out",
            members={"changed": list(changed)},
        )


class NoFixedWeights(Refusal):
    """A baseline was picked that moves weights in training: there are none to hand over."""

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(
            f"{rule} of study {name!r} moves weights in training: it has no fixed weights to hand over", members={"rule": rule}
        )


class NoSensitivityYet(Refusal):
    """What matters is worked out when the plan comes to the study's end."""

    def __init__(self, name: str, state: str) -> None:
        super().__init__(
            f"study {name!r} ({state}) has not come to its end: what matters is computed then", members={"state": state}
        )


class NoSensitivity(Refusal):
    """The study ended before its plan did, so nobody worked out what matters."""

    def __init__(self, name: str, state: str) -> None:
        super().__init__(f"study {name!r} ended {state}: what matters is computed for a COMPLETE study", members={"state": state})


class Closing(Refusal):
    """The service is shutting down."""

    def __init__(self) -> None:
        super().__init__("the service is shutting down")


class TooManyStreams(Refusal):
    """So many streams are open that more would leave other connections no descriptor."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} streams of events are open, as many as this service keeps; poll, or come back later")


class NotWritable(Refusal):
    """The database answers, but cannot be written."""

    def __init__(self, why: str) -> None:
        super().__init__(f"nothing can be written: {why}")


class NoSuchProblem(Refusal):
    """No problem type has this name."""

    def __init__(self, slug: str) -> None:
        super().__init__(f"there is no problem type {slug[:100]!r}")
