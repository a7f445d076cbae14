"""What a trial gave under each of its seeds, where it trains on several."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORDS = "('nan', 'inf', '-inf', 'undefined')"


def upgrade() -> None:
    op.create_table(
        "trial_seeds",
        sa.Column("trial_id", ID, nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("seed", ID, nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("not_finite", sa.String(length=9), nullable=True),
        sa.Column("measured", sa.Text(), nullable=True),
        sa.CheckConstraint(f"not_finite IN {WORDS}", name="ck_trial_seeds_not_finite"),
        sa.ForeignKeyConstraint(["trial_id"], ["trials.id"], name="fk_trial_seeds_trial_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("trial_id", "position", name="pk_trial_seeds"),
        sqlite_with_rowid=False,
    )
