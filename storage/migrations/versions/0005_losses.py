"""Losses of a worker, counted apart from those of a training process; cohorts that shrink, and grow back."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trials", _count("losses"))
    for name in ("losses", "cohort_losses", "cohort_successes"):
        op.add_column("studies", _count(name))
    op.add_column("studies", sa.Column("prepared_cohort_size", sa.Integer(), nullable=True))
    op.execute("UPDATE studies SET prepared_cohort_size = cohort_size")


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)
