"""capture rules, occurrences, threads by subject, attachments, decisions of people, merges, the audit log"""

import sqlalchemy as sa
from alembic import op

import terracrm.models.base

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attachment_contents",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("stored_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_attachment_contents")),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.String(length=30), nullable=False),
        sa.Column("entity", sa.String(length=20), nullable=False),
        sa.Column("entity_id", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_audit_log_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index(op.f("ix_audit_log_at"), "audit_log", ["at"], unique=False)
    op.create_index("ix_audit_log_entity", "audit_log", ["entity", "entity_id"], unique=False)
    op.create_index(op.f("ix_audit_log_user_id"), "audit_log", ["user_id"], unique=False)
    op.create_table(
        "merges",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entity", sa.String(length=10), nullable=False),
        sa.Column("winner_id", sa.Integer(), nullable=False),
        sa.Column("loser_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("merged_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("undone_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Integer(), nullable=True),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["undone_by"], ["users.id"], name=op.f("fk_merges_undone_by_users")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_merges_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merges")),
    )
    op.create_index("ix_merges_entity", "merges", ["entity", "winner_id"], unique=False)
    op.create_index(op.f("ix_merges_loser_id"), "merges", ["loser_id"], unique=False)
    op.create_table(
        "merge_moves",
        sa.Column("merge_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("row_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["merge_id"], ["merges.id"], name=op.f("fk_merge_moves_merge_id_merges"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("merge_id", "kind", "row_id", "position", name=op.f("pk_merge_moves")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "activity_topics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("activity_id", sa.Integer(), nullable=False),
        sa.Column("entity", sa.String(length=10), nullable=False),
        sa.Column("entity_id", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(length=12), nullable=False),
        sa.Column("from_activity_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("mailbox_id", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("created_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"],
            ["activities.id"],
            name=op.f("fk_activity_topics_activity_id_activities"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_activity_topics_mailbox_id_mailboxes")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_activity_topics_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity_topics")),
        sa.UniqueConstraint(
            "activity_id", "entity", "entity_id", name=op.f("uq_activity_topics_activity_id_entity_entity_id")
        ),
    )
    op.create_index("ix_activity_topics_entity", "activity_topics", ["entity", "entity_id"], unique=False)
    op.create_index(op.f("ix_activity_topics_from_activity_id"), "activity_topics", ["from_activity_id"], unique=False)
    op.create_table(
        "contact_suggestions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("value_key", sa.String(length=200), nullable=False),
        sa.Column("label", sa.String(length=20), nullable=False),
        sa.Column("activity_id", sa.Integer(), nullable=True),
        sa.Column("mailbox_id", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("found_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("decided_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["activity_id"],
            ["activities.id"],
            name=op.f("fk_contact_suggestions_activity_id_activities"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_contact_suggestions_contact_id_contacts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_contact_suggestions_mailbox_id_mailboxes")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_contact_suggestions_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_suggestions")),
        sa.UniqueConstraint(
            "contact_id", "field", "value_key", name=op.f("uq_contact_suggestions_contact_id_field_value_key")
        ),
    )
    op.create_index(op.f("ix_contact_suggestions_activity_id"), "contact_suggestions", ["activity_id"], unique=False)
    op.create_table(
        "sender_decisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("decision", sa.String(length=10), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=True),
        sa.Column("company_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("decided_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["companies.id"], name=op.f("fk_sender_decisions_company_id_companies"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_sender_decisions_contact_id_contacts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sender_decisions_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sender_decisions")),
        sa.UniqueConstraint("address", name=op.f("uq_sender_decisions_address")),
    )
    op.create_index(op.f("ix_sender_decisions_company_id"), "sender_decisions", ["company_id"], unique=False)
    op.create_index(op.f("ix_sender_decisions_contact_id"), "sender_decisions", ["contact_id"], unique=False)
    op.create_table(
        "skipped_items",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("folder_id", sa.Integer(), nullable=False),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("message_hash", sa.String(length=64), nullable=False),
        sa.Column("is_due", sa.Boolean(), nullable=False),
        sa.Column("skipped_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["folder_id"], ["folders.id"], name=op.f("fk_skipped_items_folder_id_folders"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_skipped_items")),
        sa.UniqueConstraint("folder_id", "remote_id", name=op.f("uq_skipped_items_folder_id_remote_id")),
    )
    op.create_index(op.f("ix_skipped_items_message_hash"), "skipped_items", ["message_hash"], unique=False)
    op.create_index(op.f("ix_skipped_items_remote_id"), "skipped_items", ["remote_id"], unique=False)
    op.create_index(op.f("ix_skipped_items_rule"), "skipped_items", ["rule"], unique=False)
    op.create_table(
        "skipped_addresses",
        sa.Column("skipped_id", sa.Integer(), nullable=False),
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["skipped_id"],
            ["skipped_items.id"],
            name=op.f("fk_skipped_addresses_skipped_id_skipped_items"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("skipped_id", "address_hash", name=op.f("pk_skipped_addresses")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_skipped_addresses_address_hash"), "skipped_addresses", ["address_hash"], unique=False)
    op.add_column("companies", sa.Column("merged_into_id", sa.Integer(), nullable=True))
    op.add_column("companies", sa.Column("created_by_mailbox_id", sa.Integer(), nullable=True))
    op.add_column("companies", sa.Column("created_by_run_id", sa.Integer(), nullable=True))
    op.add_column("companies", sa.Column("created_by_rule", sa.String(), nullable=False, server_default=""))
    op.create_index(op.f("ix_companies_merged_into_id"), "companies", ["merged_into_id"], unique=False)
    op.add_column("contacts", sa.Column("merged_into_id", sa.Integer(), nullable=True))
    op.create_index(op.f("ix_contacts_merged_into_id"), "contacts", ["merged_into_id"], unique=False)
    op.add_column("links", sa.Column("untracked_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True))
    op.add_column("mailboxes", sa.Column("capture", sa.String(length=10), nullable=False, server_default=""))
    op.add_column("mailboxes", sa.Column("detail", sa.String(length=10), nullable=False, server_default=""))
    op.add_column("mailboxes", sa.Column("tracking_category", sa.String(), nullable=False, server_default=""))
    op.add_column("mailboxes", sa.Column("attachments", sa.String(length=10), nullable=False, server_default=""))
    op.add_column("meetings", sa.Column("series_id", sa.Integer(), nullable=True))
    op.add_column("meetings", sa.Column("deleted_occurrences", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column(
        "meetings", sa.Column("expanded_until", terracrm.models.base.UTCDateTime(timezone=True), nullable=True)
    )
    op.create_index(op.f("ix_meetings_series_id"), "meetings", ["series_id"], unique=False)
    op.add_column("message_attachments", sa.Column("state", sa.String(length=10), nullable=False, server_default=""))
    op.add_column(
        "message_attachments", sa.Column("content_hash", sa.String(length=64), nullable=False, server_default="")
    )
    op.add_column("message_attachments", sa.Column("danger", sa.String(length=12), nullable=False, server_default=""))
    op.add_column("message_attachments", sa.Column("error", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "message_attachments", sa.Column("requested_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True)
    )
    op.create_index(op.f("ix_message_attachments_content_hash"), "message_attachments", ["content_hash"], unique=False)
    op.create_index(op.f("ix_message_attachments_state"), "message_attachments", ["state"], unique=False)
    op.add_column("messages", sa.Column("subject_key", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("messages", sa.Column("is_reply", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("messages", sa.Column("detail", sa.String(length=10), nullable=False, server_default="full"))
    op.create_index(op.f("ix_messages_subject_key"), "messages", ["subject_key"], unique=False)
    op.create_index(
        "ix_participants_unknown",
        "participants",
        ["address"],
        unique=False,
        sqlite_where=sa.text("match_method IN ('', 'ambiguous')"),
        postgresql_where=sa.text("match_method IN ('', 'ambiguous')"),
    )
    op.add_column("streams", sa.Column("include_folders", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("streams", sa.Column("exclude_folders", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("streams", sa.Column("only_category", sa.String(), nullable=False, server_default=""))
    # What each copy of a meeting says is kept with its link from now on: the calendars are read from the start, as
    # after a lost cursor, and what is met again is taken in again.
    calendars = "SELECT id FROM streams WHERE kind = 'calendar'"
    op.execute("UPDATE links SET gone_at = CURRENT_TIMESTAMP WHERE entity = 'meeting' AND gone_at IS NULL")
    op.execute(f"UPDATE folders SET cursor = NULL WHERE stream_id IN ({calendars})")  # noqa: S608


def downgrade() -> None:
    op.drop_column("streams", "only_category")
    op.drop_column("streams", "exclude_folders")
    op.drop_column("streams", "include_folders")
    op.drop_index(
        "ix_participants_unknown",
        table_name="participants",
        sqlite_where=sa.text("match_method IN ('', 'ambiguous')"),
        postgresql_where=sa.text("match_method IN ('', 'ambiguous')"),
    )
    op.drop_index(op.f("ix_messages_subject_key"), table_name="messages")
    op.drop_column("messages", "detail")
    op.drop_column("messages", "is_reply")
    op.drop_column("messages", "subject_key")
    op.drop_index(op.f("ix_message_attachments_state"), table_name="message_attachments")
    op.drop_index(op.f("ix_message_attachments_content_hash"), table_name="message_attachments")
    op.drop_column("message_attachments", "requested_at")
    op.drop_column("message_attachments", "error")
    op.drop_column("message_attachments", "danger")
    op.drop_column("message_attachments", "content_hash")
    op.drop_column("message_attachments", "state")
    op.drop_index(op.f("ix_meetings_series_id"), table_name="meetings")
    op.drop_column("meetings", "expanded_until")
    op.drop_column("meetings", "deleted_occurrences")
    op.drop_column("meetings", "series_id")
    op.drop_column("mailboxes", "attachments")
    op.drop_column("mailboxes", "tracking_category")
    op.drop_column("mailboxes", "detail")
    op.drop_column("mailboxes", "capture")
    op.drop_column("links", "untracked_at")
    op.drop_index(op.f("ix_contacts_merged_into_id"), table_name="contacts")
    op.drop_column("contacts", "merged_into_id")
    op.drop_index(op.f("ix_companies_merged_into_id"), table_name="companies")
    op.drop_column("companies", "created_by_rule")
    op.drop_column("companies", "created_by_run_id")
    op.drop_column("companies", "created_by_mailbox_id")
    op.drop_column("companies", "merged_into_id")
    op.drop_index(op.f("ix_skipped_addresses_address_hash"), table_name="skipped_addresses")
    op.drop_table("skipped_addresses")
    op.drop_index(op.f("ix_skipped_items_rule"), table_name="skipped_items")
    op.drop_index(op.f("ix_skipped_items_remote_id"), table_name="skipped_items")
    op.drop_index(op.f("ix_skipped_items_message_hash"), table_name="skipped_items")
    op.drop_table("skipped_items")
    op.drop_index(op.f("ix_sender_decisions_contact_id"), table_name="sender_decisions")
    op.drop_index(op.f("ix_sender_decisions_company_id"), table_name="sender_decisions")
    op.drop_table("sender_decisions")
    op.drop_index(op.f("ix_contact_suggestions_activity_id"), table_name="contact_suggestions")
    op.drop_table("contact_suggestions")
    op.drop_index(op.f("ix_activity_topics_from_activity_id"), table_name="activity_topics")
    op.drop_index("ix_activity_topics_entity", table_name="activity_topics")
    op.drop_table("activity_topics")
    op.drop_table("merge_moves")
    op.drop_index(op.f("ix_merges_loser_id"), table_name="merges")
    op.drop_index("ix_merges_entity", table_name="merges")
    op.drop_table("merges")
    op.drop_index(op.f("ix_audit_log_user_id"), table_name="audit_log")
    op.drop_index("ix_audit_log_entity", table_name="audit_log")
    op.drop_index(op.f("ix_audit_log_at"), table_name="audit_log")
    op.drop_table("audit_log")
    op.drop_table("attachment_contents")
