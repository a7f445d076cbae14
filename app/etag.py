"""JSON answers with an ETag: a poll that finds nothing new gets 304 and no body."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class TaggedContent:
    """JSON as it is sent, with its ETag."""

    content: bytes
    tag: str

    @classmethod
    def of(cls, body: BaseModel) -> TaggedContent:
        """Return `body` as JSON: the fields that were set."""
        content = body.model_dump_json(exclude_unset=True).encode()
        return cls(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')

    def answer(self, request: Request) -> Response:
        """Return the content, or 304 where the request's If-None-Match names it."""
        headers = {"ETag": self.tag, "Cache-Control": "no-cache"}
        if _matches(request.headers.get("if-none-match", ""), self.tag):
            return Response(status_code=304, headers=headers)
        return Response(self.content, media_type="application/json", headers=headers)


def tagged(request: Request, body: BaseModel) -> Response:
    """Return `body` as JSON (the fields that were set), or 304 where the request's If-None-Match names what it would be."""
    return TaggedContent.of(body).answer(request)


def _matches(sent: str, tag: str) -> bool:
    """Compare weakly, as RFC 9110 asks for If-None-Match: a proxy may have made the tag weak."""
    tags = [part.strip().removeprefix("W/") for part in sent.split(",")]
    return "*" in tags or tag in tags
