"""Run by Alembic for each command; `storage.migrations.migrate` hands over the connection, within its transaction.

Without the models' metadata: a version names its constraints itself, and stays what it is when the models change.
"""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
