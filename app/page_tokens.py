"""Page tokens: opaque to the client, signed, and good for the one list that gave them out."""

from __future__ import annotations

import base64
import hashlib
import hmac

from storage.errors import BadPageToken

SIGNATURE_BYTES = 12


class PageTokens:
    """Seals and opens page tokens.

    The key comes from the database's address: the API processes of one database take each other's tokens, after a restart too.
    """

    def __init__(self, database_url: str) -> None:
        self._key = hashlib.sha256(b"steelyard page tokens " + database_url.encode()).digest()

    def seal(self, place: str | int | None, of: str) -> str:
        """Return the token for `place` in the list `of`; empty where there is no next page."""
        if place is None:
            return ""
        content = str(place).encode()
        return base64.urlsafe_b64encode(self._signature(content, of) + content).decode().rstrip("=")

    def open(self, token: str, of: str) -> str | None:
        """Return the place, or None for the first page. Raises BadPageToken for a token that this list did not give out."""
        if not token:
            return None
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise BadPageToken(token) from None
        signature, content = sealed[:SIGNATURE_BYTES], sealed[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(content, of)):
            raise BadPageToken(token)
        return content.decode()

    def _signature(self, content: bytes, of: str) -> bytes:
        return hmac.digest(self._key, of.encode() + b"\x00" + content, "sha256")[:SIGNATURE_BYTES]
