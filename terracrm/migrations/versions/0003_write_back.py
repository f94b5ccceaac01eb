"""two-way contacts, history and tasks in Outlook, the outbox, conflicts, segments"""

import sqlalchemy as sa
from alembic import op

import terracrm.models.base

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "segments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("created_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_segments_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segments")),
        sa.UniqueConstraint("name", name=op.f("uq_segments_name")),
    )
    op.create_table(
        "conflicts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entity", sa.String(length=10), nullable=False),
        sa.Column("entity_id", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("crm_value", sa.JSON(), nullable=False),
        sa.Column("outlook_value", sa.JSON(), nullable=False),
        sa.Column("winner", sa.String(length=8), nullable=False),
        sa.Column("rule", sa.String(length=10), nullable=False),
        sa.Column("found_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("decided_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_conflicts_mailbox_id_mailboxes")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_conflicts_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conflicts")),
    )
    op.create_index("ix_conflicts_entity", "conflicts", ["entity", "entity_id"], unique=False)
    op.create_index(op.f("ix_conflicts_mailbox_id"), "conflicts", ["mailbox_id"], unique=False)
    op.create_index("ix_conflicts_state", "conflicts", ["state", "id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("entity", sa.String(length=10), nullable=False),
        sa.Column("local_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("sent", sa.JSON(), nullable=True),
        sa.Column("owed_since", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_outbox_mailbox_id_mailboxes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("mailbox_id", "entity", "local_id", name=op.f("uq_outbox_mailbox_id_entity_local_id")),
    )
    op.create_index("ix_outbox_due", "outbox", ["state", "next_try_at"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("activity_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("remind_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("importance", sa.String(length=6), nullable=False),
        sa.Column("responsible_id", sa.Integer(), nullable=True),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("done_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("done_by_id", sa.Integer(), nullable=True),
        sa.Column("cancelled_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("changed_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"], ["activities.id"], name=op.f("fk_tasks_activity_id_activities"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_tasks_author_id_users")),
        sa.ForeignKeyConstraint(["done_by_id"], ["users.id"], name=op.f("fk_tasks_done_by_id_users")),
        sa.ForeignKeyConstraint(["responsible_id"], ["users.id"], name=op.f("fk_tasks_responsible_id_users")),
        sa.PrimaryKeyConstraint("activity_id", name=op.f("pk_tasks")),
    )
    op.create_index(op.f("ix_tasks_due_on"), "tasks", ["due_on"], unique=False)
    op.create_index(op.f("ix_tasks_responsible_id"), "tasks", ["responsible_id"], unique=False)
    op.add_column("contacts", sa.Column("stage", sa.String(), server_default="", nullable=False))
    op.add_column("folders", sa.Column("role", sa.String(length=10), server_default="", nullable=False))
    op.add_column("links", sa.Column("key", sa.String(length=64), server_default="", nullable=False))
    op.add_column("links", sa.Column("sent", sa.JSON(), nullable=True))
    op.add_column("links", sa.Column("told", sa.JSON(), nullable=True))
    op.add_column("links", sa.Column("written", sa.Text(), server_default="", nullable=False))
    op.add_column(
        "links", sa.Column("block_removed_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True)
    )
    op.add_column("links", sa.Column("card", sa.JSON(), nullable=True))
    op.create_index(
        "ix_links_key",
        "links",
        ["mailbox_id", "key"],
        unique=False,
        sqlite_where=sa.text("key <> ''"),
        postgresql_where=sa.text("key <> ''"),
    )
    op.add_column("streams", sa.Column("client_scope", sa.String(length=10), server_default="", nullable=False))
    op.add_column("streams", sa.Column("segment_id", sa.Integer(), nullable=True))
    op.add_column("streams", sa.Column("clients_folder", sa.String(), server_default="", nullable=False))
    op.add_column("streams", sa.Column("field_directions", sa.JSON(), server_default="{}", nullable=False))
    op.add_column("streams", sa.Column("conflict_rule", sa.String(length=8), server_default="", nullable=False))
    op.add_column("streams", sa.Column("on_delete", sa.String(length=8), server_default="", nullable=False))
    op.add_column("streams", sa.Column("history_entries", sa.Integer(), nullable=True))
    op.add_column("streams", sa.Column("posts_since", terracrm.models.base.UTCDateTime(timezone=True), nullable=True))
    op.add_column("sync_runs", sa.Column("written", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("sync_runs", "written")
    op.drop_column("streams", "posts_since")
    op.drop_column("streams", "history_entries")
    op.drop_column("streams", "on_delete")
    op.drop_column("streams", "conflict_rule")
    op.drop_column("streams", "field_directions")
    op.drop_column("streams", "clients_folder")
    op.drop_column("streams", "segment_id")
    op.drop_column("streams", "client_scope")
    op.drop_index(
        "ix_links_key", table_name="links", sqlite_where=sa.text("key <> ''"), postgresql_where=sa.text("key <> ''")
    )
    op.drop_column("links", "card")
    op.drop_column("links", "block_removed_at")
    op.drop_column("links", "written")
    op.drop_column("links", "told")
    op.drop_column("links", "sent")
    op.drop_column("links", "key")
    op.drop_column("folders", "role")
    op.drop_column("contacts", "stage")
    op.drop_index(op.f("ix_tasks_responsible_id"), table_name="tasks")
    op.drop_index(op.f("ix_tasks_due_on"), table_name="tasks")
    op.drop_table("tasks")
    op.drop_index("ix_outbox_due", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index("ix_conflicts_state", table_name="conflicts")
    op.drop_index(op.f("ix_conflicts_mailbox_id"), table_name="conflicts")
    op.drop_index("ix_conflicts_entity", table_name="conflicts")
    op.drop_table("conflicts")
    op.drop_table("segments")
