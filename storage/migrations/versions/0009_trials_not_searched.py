"""An index of what a worker asks for at every claim: a study's trials that are no search trials, few among many."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_trials_not_searched",
        "trials",
        ["study_id", "role", "state"],
        sqlite_where=sa.text("role <> 'search'"),
        postgresql_where=sa.text("role <> 'search'"),
    )
