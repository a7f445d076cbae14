"""What makes an answer: values before training, anchors, analyses, and weights that move."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _analyses()
    _anchors()
    _epoch_weights()
    _initial_values()


def _of_study(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=f"fk_{table}_study_id", ondelete="CASCADE")


def _analyses() -> None:
    op.create_table(
        "analyses",
        sa.Column("study_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        _of_study("analyses"),
        sa.PrimaryKeyConstraint("study_id", "kind", name="pk_analyses"),
    )


def _anchors() -> None:
    op.create_table(
        "anchors",
        sa.Column("study_id", ID, nullable=False),
        sa.Column("of", sa.String(length=32), nullable=False),
        sa.Column("term_id", ID, autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("std", sa.Double()),
        sa.Column("seeds", sa.JSON(), nullable=False),
        _of_study("anchors"),
        sa.PrimaryKeyConstraint("study_id", "of", "term_id", name="pk_anchors"),
        sqlite_with_rowid=False,
    )


def _epoch_weights() -> None:
    op.create_table(
        "epoch_weights",
        sa.Column("trial_id", ID, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("term_id", ID, autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name="fk_epoch_weights_trial_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trial_id", "attempt", "epoch", "term_id", name="pk_epoch_weights"),
        sqlite_with_rowid=False,
    )


def _initial_values() -> None:
    op.create_table(
        "initial_values",
        sa.Column("study_id", ID, nullable=False),
        sa.Column("term_id", ID, autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        _of_study("initial_values"),
        sa.PrimaryKeyConstraint("study_id", "term_id", name="pk_initial_values"),
        sqlite_with_rowid=False,
    )
