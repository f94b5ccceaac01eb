"""on PostgreSQL, new words wait in a list and go into the full-text index many at a time; texts are packed by lz4

A search reads the list as well, so it stays exact. The limit keeps that within some milliseconds: who makes the list
longer puts it into the index himself (`services.search_postgres.follow`).

lz4 takes a fraction of the time of PostgreSQL's own compression and about a third more room; a server built without it
goes on as before. What is stored already stays as it is packed.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BODIES = ("unique_text", "text", "html")


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("ALTER INDEX ix_activity_search_words SET (fastupdate = on, gin_pending_list_limit = 8192)")  # KiB
    if _has_lz4():
        _pack("lz4")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("ALTER INDEX ix_activity_search_words RESET (fastupdate, gin_pending_list_limit)")
    if _has_lz4():
        _pack("default")


def _pack(method: str) -> None:
    for column in BODIES:
        op.execute(f"ALTER TABLE message_bodies ALTER COLUMN {column} SET COMPRESSION {method}")


def _has_lz4() -> bool:
    """Whether the server was built with it; it is asked what it could be set to (PostgreSQL 14 and later)."""
    known = "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
    return bool(op.get_bind().exec_driver_sql(known).scalar())
