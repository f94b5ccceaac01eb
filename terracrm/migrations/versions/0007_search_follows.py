"""on PostgreSQL, new words wait in a list and go into the full-text index many at a time

A search reads the list as well, so it stays exact. The limit keeps that within some milliseconds: who makes the list
longer puts it into the index himself (`services.search_postgres.follow`).
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX ix_activity_search_words SET (fastupdate = on, gin_pending_list_limit = 8192)")  # KiB


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX ix_activity_search_words RESET (fastupdate, gin_pending_list_limit)")
