"""A fourth kind of number that is not finite: `undefined`, one that the rows there are do not define."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = {
    "epoch_values": "not_finite",
    "trial_objective_values": "not_finite",
    "trial_values": "not_finite",
    "trials": "value_not_finite",
}
WORDS = "('nan', 'inf', '-inf', 'undefined')"
OLD_WORDS = "('nan', 'inf', '-inf')"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _widen_in_sqlite()
    else:
        for table, column in COLUMNS.items():
            op.alter_column(table, column, type_=sa.String(length=9), existing_type=sa.String(length=4), existing_nullable=True)
            op.drop_constraint(f"ck_{table}_{column}", table, type_="check")
            op.create_check_constraint(f"ck_{table}_{column}", table, f"{column} IN {WORDS}")


def _widen_in_sqlite() -> None:
    """Change the tables' text alone, as SQLite documents for constraints ("Making Other Kinds Of Table Schema Changes").

    A new table in place of the old would copy every epoch, and dropping `trials` would delete all that refers to it: within a
    transaction foreign keys cannot be turned off.
    """
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    try:
        for table, column in COLUMNS.items():
            query = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
            text = _widened(connection.exec_driver_sql(query, (table,)).scalar_one(), column)
            connection.exec_driver_sql("UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?", (text, table))
        connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")  # so that other connections read the text anew
    finally:
        connection.exec_driver_sql("PRAGMA writable_schema = RESET")  # and this one


def _widened(table: str, column: str) -> str:
    changes = {f"{column} VARCHAR(4)": f"{column} VARCHAR(9)", f"{column} IN {OLD_WORDS}": f"{column} IN {WORDS}"}
    for old, new in changes.items():
        if table.count(old) != 1:
            raise RuntimeError(f"a table is not as version 0001 made it; expected {old!r} once in: {table}")
        table = table.replace(old, new)
    return table
