"""A number that is not finite may be undefined: a metric that the labels of a split cannot tell."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("epoch_values", "trial_objective_values", "trial_values")
BEFORE, AFTER = "'nan', 'inf', '-inf'", "'nan', 'inf', '-inf', 'undefined'"


def upgrade() -> None:
    for table in TABLES:
        if op.get_bind().dialect.name == "sqlite":
            _made_again(table)
        else:
            op.alter_column(table, "not_finite", type_=sa.String(length=9))
            op.drop_constraint(f"ck_{table}_not_finite", table)
            op.create_check_constraint(f"ck_{table}_not_finite", table, f"not_finite IN ({AFTER})")


def _made_again(table: str) -> None:
    """SQLite cannot change a constraint: make the table anew by its own words, and copy its rows."""
    query = sa.text("SELECT type, name, sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL")
    found = op.get_bind().execute(query, {"table": table}).all()
    indexes = [row for row in found if row.type == "index"]
    for index in indexes:
        op.drop_index(index.name, table)
    op.rename_table(table, f"{table}_before")
    for row in found:
        if row.type == "table":
            op.execute(row.sql.replace(BEFORE, AFTER).replace("not_finite VARCHAR(4)", "not_finite VARCHAR(9)"))
    op.execute(f"INSERT INTO {table} SELECT * FROM {table}_before")
    op.drop_table(f"{table}_before")
    for index in indexes:
        op.execute(index.sql)
