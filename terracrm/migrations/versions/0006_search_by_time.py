"""the full-text index of the history in the order of time"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# `services.search_sqlite.place_of`, in SQL.
PLACE = (
    "max(-4294967296, min(4294967295, CAST(strftime('%s', substr(a.occurred_at, 1, 19)) AS INTEGER))) * 2147483648"
    " + a.id"
)


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    if op.get_bind().dialect.name == "postgresql":
        run("DROP INDEX ix_activity_search_newest")
        run("CREATE INDEX ix_activity_search_newest ON activity_search (occurred_at DESC, id DESC)")
        return
    run("DROP TABLE IF EXISTS activity_search_rows")  # of an upgrade that was interrupted: SQLite had made it already
    run(
        "CREATE TABLE activity_search_rows"
        " (place INTEGER PRIMARY KEY, activity_id INTEGER NOT NULL UNIQUE, words TEXT NOT NULL)"
    )
    run(
        f"INSERT INTO activity_search_rows SELECT {PLACE}, a.id, s.words"  # noqa: S608
        " FROM activities a JOIN activity_search s ON s.rowid = a.id ORDER BY 1"
    )
    run("DROP TABLE activity_search")
    run(
        "CREATE VIRTUAL TABLE activity_search USING fts5("
        "words, content='activity_search_rows', content_rowid='place', tokenize='unicode61')"
    )
    run("INSERT INTO activity_search (activity_search) VALUES ('rebuild')")
    run("CREATE VIRTUAL TABLE activity_search_terms USING fts5vocab(activity_search, instance)")


def downgrade() -> None:
    run = op.get_bind().exec_driver_sql
    if op.get_bind().dialect.name == "postgresql":
        run("DROP INDEX ix_activity_search_newest")
        run("CREATE INDEX ix_activity_search_newest ON activity_search (occurred_at DESC)")
        return
    run("DROP TABLE activity_search_terms")
    run("DROP TABLE activity_search")
    run("CREATE VIRTUAL TABLE activity_search USING fts5(words, tokenize='unicode61')")
    run(
        "INSERT INTO activity_search (rowid, words)"
        " SELECT activity_id, words FROM activity_search_rows ORDER BY activity_id"
    )
    run("DROP TABLE activity_search_rows")
