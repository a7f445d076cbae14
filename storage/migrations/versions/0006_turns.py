"""Which study is served next: its priority, and its turn among those of the same priority."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("studies", sa.Column("priority", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("studies", sa.Column("turn_began_at", sa.DateTime(timezone=True)))
    op.add_column("studies", sa.Column("turn_ended_at", sa.DateTime(timezone=True)))
