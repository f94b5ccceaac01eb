"""on PostgreSQL the words of many new mails wait to be made findable behind the mirror"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TABLE activity_search_waiting"
            " (id bigint PRIMARY KEY, occurred_at timestamptz NOT NULL, said text NOT NULL)"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TABLE activity_search_waiting")
