"""leases, what is on the queue"""

import sqlalchemy as sa
from alembic import op

import terracrm.models.base

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INDEXES = [
    ("ix_streams_claimed", "mailbox_id", "claim <> ''"),
    ("ix_streams_queued", "queued_until", "queued_until IS NOT NULL"),
]


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("until", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.add_column("streams", sa.Column("queued_until", terracrm.models.base.UTCDateTime(timezone=True), nullable=True))
    for name, column, where in INDEXES:
        op.create_index(name, "streams", [column], sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    for name, _, _ in INDEXES:
        op.drop_index(name, table_name="streams")
    op.drop_column("streams", "queued_until")
    op.drop_table("leases")
