"""numbers of 64 bits on PostgreSQL: ids of 32 bits run out where very many mailboxes are read

The tables are written anew, each under a lock of its own kind that lets nobody read it: on a large database that takes
minutes. SQLite's numbers have 64 bits anyway.
"""

from alembic import op
from sqlalchemy import text

from terracrm.models.search import INDEXES

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _change("integer", "bigint")


def downgrade() -> None:
    _change("bigint", "integer")


def _change(old: str, new: str) -> None:
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    found = connection.execute(
        text(
            "SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables "
            "USING (table_schema, table_name) WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' "
            "AND data_type = :old ORDER BY table_name, ordinal_position"
        ),
        {"old": old},
    )
    tables: dict[str, list[str]] = {}
    for table, column in found:
        if table not in INDEXES:
            tables.setdefault(table, []).append(f"ALTER COLUMN {column} TYPE {new}")
    for table, changes in tables.items():
        op.execute(f"ALTER TABLE {table} {', '.join(changes)}")
    ours = text("SELECT sequencename FROM pg_sequences WHERE schemaname = current_schema()")
    for sequence in connection.scalars(ours).all():
        op.execute(f"ALTER SEQUENCE {sequence} AS {new}")
