"""What workers say of themselves with each heartbeat: memory, and what their training processes trace and keep warm."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("memory_bytes", sa.BigInteger(), nullable=True))
    op.add_column("workers", sa.Column("peak_memory_bytes", sa.BigInteger(), nullable=True))
    op.add_column("workers", sa.Column("traces", sa.Integer(), nullable=True))
    op.add_column("workers", sa.Column("tracing_seconds", sa.Double(), nullable=True))
    op.add_column("workers", sa.Column("work_seconds", sa.Double(), nullable=True))
    op.add_column("workers", sa.Column("warm", sa.JSON(), nullable=True))
