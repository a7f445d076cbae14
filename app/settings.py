"""What an operator may set for the REST service, as `STEELYARD_*` environment variables."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LOOPBACK = ("localhost", "127.0.0.1", "::1", "testserver")


class ApiSettings(BaseSettings):
    """The settings of one API process. `STEELYARD_DATABASE_URL` is the only one without a default."""

    model_config = SettingsConfigDict(env_prefix="STEELYARD_", frozen=True, extra="ignore")

    database_url: str = Field(description="sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/DATABASE.")
    migrate_at_start: bool = Field(default=True, description="Bring an old schema up to date at start, or refuse to start.")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=LOOPBACK, description="Host names that requests may be addressed to, separated by commas; `*` allows any."
    )
    max_body_bytes: int = Field(default=1_048_576, ge=1024, description="Largest request body.")
    header_timeout_seconds: float = Field(default=5.0, gt=0, description="How long a client may take to send a request's header.")
    body_timeout_seconds: float = Field(default=20.0, gt=0, description="How long a client may take to send its body.")
    busy_timeout_seconds: float = Field(default=10.0, gt=0, description="How long a request waits for the database's write lock.")
    alive_within_seconds: float = Field(default=60.0, gt=0, description="A worker whose last sign of life is older counts as dead.")
    sweep_seconds: float = Field(default=5.0, gt=0, description="How often expired leases and stopping studies are looked for.")
    poll_seconds: float = Field(default=0.2, gt=0, description="How often a waiting request (`?wait=60`) looks at its study.")
    events_seconds: float = Field(default=0.2, gt=0, description="How often new events are looked for while somebody watches.")
    page: bool = Field(default=True, description="Serve the page at `/`, or the API alone.")
    root_path: str = Field(default="", description="The path prefix that a proxy in front of the service answers under.")
    max_wait_seconds: float = Field(default=300.0, gt=0, description="Longest `?wait=`.")

    @field_validator("root_path")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if value.strip("/") and not re.fullmatch(r"(/[A-Za-z0-9._~@%-]+)+/?", value):
            raise ValueError("a path such as /user/ada/proxy/8765")
        return value.rstrip("/")

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(host.strip() for host in value.split(",") if host.strip()) if isinstance(value, str) else value
