"""What is worked out once for a study and kept: values before training, anchors, analyses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from storage.models import ANALYSES, ANCHORS, INITIAL_VALUES, TERMS
from storage.records import AnalysisRecord, AnchorRecord, Values
from storage.study_rows import TermIds


def keep_initial_values(session: Session, study_id: int, values: Values) -> None:
    """Keep what the terms are before training; what is there already stays. The study is locked."""
    if not values or initial_values(session, study_id):
        return
    terms = TermIds(session, study_id)
    rows = [{"study_id": study_id, "term_id": terms[path], "value": value} for path, value in values.items()]
    session.execute(insert(INITIAL_VALUES), rows)


def initial_values(session: Session, study_id: int) -> dict[str, float]:
    """Return the terms' values before training, by path; empty before the study was prepared."""
    rows = session.execute(
        select(TERMS.c.path, INITIAL_VALUES.c.value)
        .join(TERMS, TERMS.c.id == INITIAL_VALUES.c.term_id)
        .where(INITIAL_VALUES.c.study_id == study_id)
        .order_by(TERMS.c.position)
    )
    return dict(rows.all())


def keep_anchors(session: Session, study_id: int, anchors: Sequence[AnchorRecord]) -> None:
    """Keep measured anchors. The study is locked; it has none of these yet."""
    if not anchors:
        return
    terms = TermIds(session, study_id)
    session.execute(
        insert(ANCHORS),
        [
            {
                "study_id": study_id,
                "of": anchor.of,
                "term_id": terms[anchor.path],
                "value": anchor.value,
                "std": anchor.std,
                "seeds": list(anchor.seeds),
            }
            for anchor in anchors
        ],
    )


def anchors_of(session: Session, study_id: int) -> tuple[AnchorRecord, ...]:
    """List a study's anchors; none before they were measured."""
    return anchors_of_studies(session, [study_id])[study_id]


def anchors_of_studies(session: Session, study_ids: Sequence[int]) -> Mapping[int, tuple[AnchorRecord, ...]]:
    """Do as `anchors_of` for many studies at once."""
    rows = session.execute(
        select(ANCHORS.c.study_id, ANCHORS.c.of, TERMS.c.path, ANCHORS.c.value, ANCHORS.c.std, ANCHORS.c.seeds)
        .join(TERMS, TERMS.c.id == ANCHORS.c.term_id)
        .where(ANCHORS.c.study_id.in_(study_ids))
        .order_by(ANCHORS.c.study_id, ANCHORS.c.of, TERMS.c.position)
    )
    found: dict[int, list[AnchorRecord]] = {study_id: [] for study_id in study_ids}
    for study_id, of, path, value, std, seeds in rows:
        found[study_id].append(AnchorRecord(of, path, value, std, tuple(seeds)))
    return {study_id: tuple(anchors) for study_id, anchors in found.items()}


def keep_analysis(session: Session, study_id: int, kind: str, document: Mapping[str, Any], sequence: int, now: datetime) -> None:
    """Keep what was worked out; it replaces an earlier one of its kind. The study is locked."""
    session.execute(delete(ANALYSES).where(ANALYSES.c.study_id == study_id, ANALYSES.c.kind == kind))
    row = {"study_id": study_id, "kind": kind, "sequence": sequence, "document": dict(document), "created_at": now}
    session.execute(insert(ANALYSES), [row])


def find_analysis(session: Session, study_id: int, kind: str) -> AnalysisRecord | None:
    """Look up what was worked out of a kind."""
    return find_analyses(session, study_id, [kind]).get(kind)


def find_analyses(session: Session, study_id: int, kinds: Sequence[str]) -> Mapping[str, AnalysisRecord]:
    """Do as `find_analysis` for several kinds at once, by kind."""
    rows = session.execute(select(ANALYSES).where(ANALYSES.c.study_id == study_id, ANALYSES.c.kind.in_(kinds)))
    return {row.kind: AnalysisRecord(row.kind, row.sequence, row.document, row.created_at) for row in rows}
