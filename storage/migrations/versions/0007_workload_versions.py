"""Versions of workloads: those published, those of studies and trials, and which worker has which; why one is not described."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
VERSION = sa.String(length=64)


def upgrade() -> None:
    op.add_column("workloads", sa.Column("version", VERSION, nullable=True))
    op.add_column("studies", sa.Column("workload_version", VERSION, nullable=True))
    op.add_column("trials", sa.Column("workload_version", VERSION, nullable=True))
    op.create_table(
        "workload_failures",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", VERSION, nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_workload_failures"),
    )
    op.create_table(
        "worker_workloads",
        sa.Column("worker_id", ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", VERSION, nullable=False),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name="fk_worker_workloads_worker_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("worker_id", "name", "version", name="pk_worker_workloads"),
        sqlite_with_rowid=False,
    )
