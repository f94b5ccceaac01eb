"""plans, reconciliations, alerts, wake-ups, undone runs"""

import sqlalchemy as sa
from alembic import op

import terracrm.models.base

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(length=20), nullable=False),
        sa.Column("about", sa.String(length=255), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=True),
        sa.Column("stream_id", sa.Integer(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("since", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("raised_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("told_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("over_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("cleared_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_alerts_mailbox_id_mailboxes"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name=op.f("fk_alerts_stream_id_streams"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_cleared", "alerts", ["cleared_at"], unique=False)
    op.create_index(op.f("ix_alerts_mailbox_id"), "alerts", ["mailbox_id"], unique=False)
    op.create_index(op.f("ix_alerts_stream_id"), "alerts", ["stream_id"], unique=False)
    op.create_table(
        "alert_messages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("made_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("claimed_until", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("sent_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("given_up_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_messages")),
    )
    op.create_index("ix_alert_messages_channel", "alert_messages", ["channel", "id"], unique=False)
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "mailbox_watches",
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("claim", sa.String(), nullable=False),
        sa.Column("claimed_until", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("since", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_mailbox_watches_mailbox_id_mailboxes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("mailbox_id", name=op.f("pk_mailbox_watches")),
    )
    op.create_table(
        "plans",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("stream_id", sa.Integer(), nullable=True),
        sa.Column("cause", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("made_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("creations", sa.Integer(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("removals", sa.Integer(), nullable=False),
        sa.Column("decided_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_plans_mailbox_id_mailboxes"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name=op.f("fk_plans_stream_id_streams"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_plans_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
    )
    op.create_index(op.f("ix_plans_mailbox_id"), "plans", ["mailbox_id"], unique=False)
    op.create_index("ix_plans_state", "plans", ["state", "mailbox_id"], unique=False)
    op.create_index(op.f("ix_plans_stream_id"), "plans", ["stream_id"], unique=False)
    op.create_table(
        "reconciliations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("stream_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("checked_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("here", sa.Integer(), nullable=False),
        sa.Column("there", sa.Integer(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("extra", sa.Integer(), nullable=False),
        sa.Column("stale", sa.Integer(), nullable=False),
        sa.Column("quarantined", sa.Integer(), nullable=False),
        sa.Column("repaired", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.JSON(), nullable=False),
        sa.Column("gaps", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name=op.f("fk_reconciliations_stream_id_streams"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliations")),
    )
    op.create_index("ix_reconciliations_stream", "reconciliations", ["stream_id", "checked_at"], unique=False)
    op.create_table(
        "plan_steps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("plan_id", sa.Integer(), nullable=False),
        sa.Column("stream_id", sa.Integer(), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("act", sa.String(length=6), nullable=False),
        sa.Column("entity", sa.String(length=10), nullable=False),
        sa.Column("local_id", sa.Integer(), nullable=True),
        sa.Column("folder_id", sa.Integer(), nullable=True),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["folder_id"], ["folders.id"], name=op.f("fk_plan_steps_folder_id_folders"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plans.id"], name=op.f("fk_plan_steps_plan_id_plans"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name=op.f("fk_plan_steps_stream_id_streams"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_steps")),
    )
    op.create_index("ix_plan_steps_entity", "plan_steps", ["entity", "local_id"], unique=False)
    op.create_index(op.f("ix_plan_steps_plan_id"), "plan_steps", ["plan_id"], unique=False)
    op.create_index("ix_plan_steps_remote", "plan_steps", ["remote_id"], unique=False)
    op.add_column("links", sa.Column("is_unmet", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(
        "ix_links_unmet",
        "links",
        ["folder_id"],
        unique=False,
        sqlite_where=sa.text("is_unmet"),
        postgresql_where=sa.text("is_unmet"),
    )
    op.add_column("message_copies", sa.Column("flag_version", sa.String(), server_default="", nullable=False))
    op.add_column("streams", sa.Column("woken_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True))
    op.add_column("streams", sa.Column("reconciled_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True))
    op.add_column("mailboxes", sa.Column("let_in_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True))
    op.add_column("streams", sa.Column("is_refused", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("streams", sa.Column("gaps", sa.Integer(), server_default="0", nullable=False))
    op.add_column("streams", sa.Column("moved_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True))
    op.add_column("streams", sa.Column("clock_skew", sa.Integer(), nullable=True))
    op.add_column("sync_runs", sa.Column("undone_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True))
    op.add_column("sync_runs", sa.Column("undone_by", sa.Integer(), nullable=True))
    op.create_index(
        "ix_skipped_items_due",
        "skipped_items",
        ["folder_id"],
        unique=False,
        sqlite_where=sa.text("is_due"),
        postgresql_where=sa.text("is_due"),
    )


def downgrade() -> None:
    # What waits for a decision would be run by a version that knows of none.
    op.execute("UPDATE streams SET state = 'paused' WHERE state = 'approval'")
    op.drop_index(
        "ix_skipped_items_due",
        table_name="skipped_items",
        sqlite_where=sa.text("is_due"),
        postgresql_where=sa.text("is_due"),
    )
    op.drop_index(
        "ix_links_unmet",
        table_name="links",
        sqlite_where=sa.text("is_unmet"),
        postgresql_where=sa.text("is_unmet"),
    )
    op.drop_column("links", "is_unmet")
    op.drop_column("sync_runs", "undone_by")
    op.drop_column("sync_runs", "undone_at")
    op.drop_column("streams", "clock_skew")
    op.drop_column("streams", "moved_at")
    op.drop_column("mailboxes", "let_in_at")
    op.drop_column("streams", "is_refused")
    op.drop_column("streams", "gaps")
    op.drop_column("streams", "reconciled_at")
    op.drop_column("streams", "woken_at")
    op.drop_column("message_copies", "flag_version")
    op.drop_index("ix_plan_steps_remote", table_name="plan_steps")
    op.drop_index(op.f("ix_plan_steps_plan_id"), table_name="plan_steps")
    op.drop_index("ix_plan_steps_entity", table_name="plan_steps")
    op.drop_table("plan_steps")
    op.drop_index("ix_reconciliations_stream", table_name="reconciliations")
    op.drop_table("reconciliations")
    op.drop_index(op.f("ix_plans_stream_id"), table_name="plans")
    op.drop_index("ix_plans_state", table_name="plans")
    op.drop_index(op.f("ix_plans_mailbox_id"), table_name="plans")
    op.drop_table("plans")
    op.drop_table("mailbox_watches")
    op.drop_table("heartbeats")
    op.drop_index("ix_alert_messages_channel", table_name="alert_messages")
    op.drop_table("alert_messages")
    op.drop_index(op.f("ix_alerts_stream_id"), table_name="alerts")
    op.drop_index(op.f("ix_alerts_mailbox_id"), table_name="alerts")
    op.drop_index("ix_alerts_cleared", table_name="alerts")
    op.drop_table("alerts")
