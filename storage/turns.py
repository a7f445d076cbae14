"""Whose turn it is: studies of one priority share the workers by turns, each long enough to make its graphs worth their making."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, func, literal, null, update
from sqlalchemy.orm import Session

from storage.models import STUDIES
from storage.types import UtcDateTime

TURN = timedelta(seconds=60)
"""How long a study is served before another of its priority is. Within it a worker goes on with the graphs that it has traced."""


def in_turn(live_leases: ColumnElement[int]) -> tuple[ColumnElement[Any], ...]:
    """Return the order in which studies are served.

    The highest priority first; then the fewest live leases, so that workers spread; then who has waited longest, since its last
    turn or since it was submitted, so that newcomers starve nobody; then the oldest.
    """
    waits_since = func.coalesce(STUDIES.c.turn_ended_at, STUDIES.c.created_at)
    return STUDIES.c.priority.desc(), live_leases, waits_since, STUDIES.c.id


def count_turn(session: Session, study_id: int, now: datetime) -> None:
    """Begin a study's turn, or end one that lasted long enough: others are served then. The study is locked and is served now."""
    table, moment = STUDIES.c, literal(now, UtcDateTime)
    over = table.turn_began_at <= now - TURN
    turn = {
        "turn_began_at": case((over, null()), else_=func.coalesce(table.turn_began_at, moment)),
        "turn_ended_at": case((over, moment), else_=table.turn_ended_at),
    }
    session.execute(update(STUDIES).where(table.id == study_id).values(**turn))
