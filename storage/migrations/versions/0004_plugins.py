"""Plug-ins from outside, as workers publish them, and which worker has which."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "plugins",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=128), nullable=True),
        sa.Column("traits", sa.JSON(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_plugins"),
    )
    op.create_table(
        "worker_plugins",
        sa.Column("worker_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name="fk_worker_plugins_worker_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("worker_id", "kind", "name", name="pk_worker_plugins"),
        sqlite_with_rowid=False,
    )
