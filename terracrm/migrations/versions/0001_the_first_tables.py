"""the first tables"""

import sqlalchemy as sa
from alembic import op

import terracrm.models.base

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INDEXES = ("activity_search", "contact_search", "company_search")


def full_text(dialect: str) -> list[str]:
    """The indexes of models/search.py."""
    if dialect == "sqlite":
        return [f"CREATE VIRTUAL TABLE {name} USING fts5(words, tokenize='unicode61')" for name in INDEXES]
    return [
        statement
        for name in INDEXES
        for statement in (
            f"CREATE TABLE {name} (id bigint PRIMARY KEY, occurred_at timestamptz, words tsvector NOT NULL)",
            f"CREATE INDEX ix_{name}_words ON {name} USING gin (words)",
            f"CREATE INDEX ix_{name}_newest ON {name} (occurred_at DESC)",
        )
    ]


def upgrade() -> None:
    op.create_table(
        "regions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_regions")),
        sa.UniqueConstraint("name", name=op.f("uq_regions_name")),
    )
    roles = op.create_table(
        "roles",
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_roles")),
    )
    op.create_table(
        "threads", sa.Column("id", sa.Integer(), nullable=False), sa.PrimaryKeyConstraint("id", name=op.f("pk_threads"))
    )
    op.create_table(
        "teams",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("region_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["region_id"], ["regions.id"], name=op.f("fk_teams_region_id_regions")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
        sa.UniqueConstraint("name", name=op.f("uq_teams_name")),
    )
    op.create_table(
        "thread_keys",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("thread_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["thread_id"], ["threads.id"], name=op.f("fk_thread_keys_thread_id_threads")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_thread_keys")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("thread_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_thread_keys_thread_id"), ["thread_id"], unique=False)

    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("full_name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("role_code", sa.String(length=20), nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=True),
        sa.Column("language", sa.String(length=5), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("failed_logins", sa.Integer(), nullable=False),
        sa.Column("locked_until", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("session_epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["role_code"], ["roles.code"], name=op.f("fk_users_role_code_roles")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_users_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_users_email"), ["email"], unique=False)
        batch_op.create_index(batch_op.f("ix_users_team_id"), ["team_id"], unique=False)

    op.create_table(
        "companies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("website", sa.String(), nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("team_id", sa.Integer(), nullable=True),
        sa.Column("archived_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("created_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_companies_owner_id_users")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_companies_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_companies")),
    )
    with op.batch_alter_table("companies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_companies_name_key"), ["name_key"], unique=False)
        batch_op.create_index(batch_op.f("ix_companies_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_companies_team_id"), ["team_id"], unique=False)

    op.create_table(
        "mailboxes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("server", sa.String(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("password_encrypted", sa.Text(), nullable=False),
        sa.Column("password_file", sa.String(), nullable=False),
        sa.Column("impersonate", sa.Boolean(), nullable=False),
        sa.Column("verify_tls", sa.Boolean(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("team_id", sa.Integer(), nullable=True),
        sa.Column("sharing", sa.Integer(), nullable=False),
        sa.Column("create_contacts", sa.String(length=5), nullable=False),
        sa.Column("created_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_mailboxes_team_id_teams")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mailboxes_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailboxes")),
        sa.UniqueConstraint("address", name=op.f("uq_mailboxes_address")),
    )
    with op.batch_alter_table("mailboxes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_mailboxes_team_id"), ["team_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_mailboxes_user_id"), ["user_id"], unique=False)

    op.create_table(
        "activities",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("occurred_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("sharing", sa.Integer(), nullable=False),
        sa.Column("is_matched", sa.Boolean(), nullable=False),
        sa.Column("has_attachments", sa.Boolean(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("created_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("snippet", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_activities_mailbox_id_mailboxes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activities")),
    )
    with op.batch_alter_table("activities", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_activities_is_matched"), ["is_matched"], unique=False)
        batch_op.create_index("ix_activities_newest", ["occurred_at", "id"], unique=False)

    op.create_table(
        "company_domains",
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["companies.id"], name=op.f("fk_company_domains_company_id_companies"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_company_domains")),
    )
    with op.batch_alter_table("company_domains", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_company_domains_company_id"), ["company_id"], unique=False)

    op.create_table(
        "contacts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("company_id", sa.Integer(), nullable=True),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("given_name", sa.String(), nullable=False),
        sa.Column("middle_name", sa.String(), nullable=False),
        sa.Column("surname", sa.String(), nullable=False),
        sa.Column("company_name", sa.String(), nullable=False),
        sa.Column("department", sa.String(), nullable=False),
        sa.Column("job_title", sa.String(), nullable=False),
        sa.Column("website", sa.String(), nullable=False),
        sa.Column("birthday", sa.Date(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("team_id", sa.Integer(), nullable=True),
        sa.Column("archived_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("created_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("created_by_mailbox_id", sa.Integer(), nullable=True),
        sa.Column("created_by_run_id", sa.Integer(), nullable=True),
        sa.Column("created_by_rule", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_contacts_company_id_companies")),
        sa.ForeignKeyConstraint(
            ["created_by_mailbox_id"], ["mailboxes.id"], name=op.f("fk_contacts_created_by_mailbox_id_mailboxes")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_contacts_owner_id_users")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_contacts_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
    )
    with op.batch_alter_table("contacts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_contacts_company_id"), ["company_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_contacts_name_key"), ["name_key"], unique=False)
        batch_op.create_index(batch_op.f("ix_contacts_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_contacts_team_id"), ["team_id"], unique=False)

    op.create_table(
        "field_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entity", sa.String(length=10), nullable=False),
        sa.Column("entity_id", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("old", sa.Text(), nullable=False),
        sa.Column("new", sa.Text(), nullable=False),
        sa.Column("changed_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("mailbox_id", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("source", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_field_changes_mailbox_id_mailboxes")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_field_changes_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_field_changes")),
    )
    with op.batch_alter_table("field_changes", schema=None) as batch_op:
        batch_op.create_index("ix_field_changes_entity", ["entity", "entity_id", "changed_at"], unique=False)

    op.create_table(
        "streams",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("direction", sa.String(length=5), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("interval_minutes", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("due_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("last_run_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("last_success_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("claim", sa.String(), nullable=False),
        sa.Column("claimed_until", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_streams_mailbox_id_mailboxes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_streams")),
        sa.UniqueConstraint("mailbox_id", "kind", name=op.f("uq_streams_mailbox_id_kind")),
    )
    with op.batch_alter_table("streams", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_streams_due_at"), ["due_at"], unique=False)

    op.create_table(
        "activity_mailboxes",
        sa.Column("activity_id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"],
            ["activities.id"],
            name=op.f("fk_activity_mailboxes_activity_id_activities"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_activity_mailboxes_mailbox_id_mailboxes")
        ),
        sa.PrimaryKeyConstraint("activity_id", "mailbox_id", name=op.f("pk_activity_mailboxes")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("activity_mailboxes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_activity_mailboxes_mailbox_id"), ["mailbox_id"], unique=False)

    op.create_table(
        "company_timeline",
        sa.Column("company_id", sa.Integer(), nullable=False),
        sa.Column("occurred_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("activity_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"],
            ["activities.id"],
            name=op.f("fk_company_timeline_activity_id_activities"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["company_id"], ["companies.id"], name=op.f("fk_company_timeline_company_id_companies"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("company_id", "occurred_at", "activity_id", name=op.f("pk_company_timeline")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("company_timeline", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_company_timeline_activity_id"), ["activity_id"], unique=False)

    op.create_table(
        "contact_addresses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("written", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_contact_addresses_contact_id_contacts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_addresses")),
    )
    with op.batch_alter_table("contact_addresses", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_contact_addresses_address"), ["address"], unique=False)
        batch_op.create_index(batch_op.f("ix_contact_addresses_contact_id"), ["contact_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_contact_addresses_domain"), ["domain"], unique=False)

    op.create_table(
        "contact_phones",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("e164", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_contact_phones_contact_id_contacts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_phones")),
    )
    with op.batch_alter_table("contact_phones", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_contact_phones_contact_id"), ["contact_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_contact_phones_e164"), ["e164"], unique=False)

    op.create_table(
        "contact_postal_addresses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("street", sa.String(), nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("postal_code", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"],
            ["contacts.id"],
            name=op.f("fk_contact_postal_addresses_contact_id_contacts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_postal_addresses")),
    )
    with op.batch_alter_table("contact_postal_addresses", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_contact_postal_addresses_contact_id"), ["contact_id"], unique=False)

    op.create_table(
        "contact_timeline",
        sa.Column("contact_id", sa.Integer(), nullable=False),
        sa.Column("occurred_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("activity_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"],
            ["activities.id"],
            name=op.f("fk_contact_timeline_activity_id_activities"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_contact_timeline_contact_id_contacts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("contact_id", "occurred_at", "activity_id", name=op.f("pk_contact_timeline")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("contact_timeline", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_contact_timeline_activity_id"), ["activity_id"], unique=False)

    op.create_table(
        "folders",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("stream_id", sa.Integer(), nullable=False),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("well_known", sa.String(), nullable=False),
        sa.Column("is_excluded", sa.Boolean(), nullable=False),
        sa.Column("gone_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name=op.f("fk_folders_stream_id_streams"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folders")),
        sa.UniqueConstraint("stream_id", "remote_id", name=op.f("uq_folders_stream_id_remote_id")),
    )
    op.create_table(
        "meetings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("meeting_key", sa.String(), nullable=False),
        sa.Column("uid", sa.String(), nullable=False),
        sa.Column("occurrence", sa.String(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("activity_id", sa.Integer(), nullable=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("start_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("end_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("is_all_day", sa.Boolean(), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("is_cancelled", sa.Boolean(), nullable=False),
        sa.Column("recurrence", sa.String(), nullable=False),
        sa.Column("from_organizer", sa.Boolean(), nullable=False),
        sa.Column("source_mailbox_id", sa.Integer(), nullable=True),
        sa.Column("updated_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("body_text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"], ["activities.id"], name=op.f("fk_meetings_activity_id_activities"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["source_mailbox_id"], ["mailboxes.id"], name=op.f("fk_meetings_source_mailbox_id_mailboxes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meetings")),
        sa.UniqueConstraint("activity_id", name=op.f("uq_meetings_activity_id")),
        sa.UniqueConstraint("meeting_key", name=op.f("uq_meetings_meeting_key")),
    )
    with op.batch_alter_table("meetings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_meetings_start_at"), ["start_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_meetings_uid"), ["uid"], unique=False)

    op.create_table(
        "messages",
        sa.Column("activity_id", sa.Integer(), nullable=False),
        sa.Column("message_key", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("in_reply_to", sa.String(), nullable=False),
        sa.Column("thread_id", sa.Integer(), nullable=False),
        sa.Column("sent_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("importance", sa.String(length=10), nullable=False),
        sa.Column("item_class", sa.String(), nullable=False),
        sa.Column("is_bulk", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"], ["activities.id"], name=op.f("fk_messages_activity_id_activities"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["thread_id"], ["threads.id"], name=op.f("fk_messages_thread_id_threads")),
        sa.PrimaryKeyConstraint("activity_id", name=op.f("pk_messages")),
        sa.UniqueConstraint("message_key", name=op.f("uq_messages_message_key")),
    )
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_messages_thread_id"), ["thread_id"], unique=False)

    op.create_table(
        "notes",
        sa.Column("activity_id", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"], ["activities.id"], name=op.f("fk_notes_activity_id_activities"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name=op.f("fk_notes_author_id_users")),
        sa.PrimaryKeyConstraint("activity_id", name=op.f("pk_notes")),
    )
    op.create_table(
        "participants",
        sa.Column("activity_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("response", sa.String(length=10), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=True),
        sa.Column("company_id", sa.Integer(), nullable=True),
        sa.Column("match_method", sa.String(length=10), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"], ["activities.id"], name=op.f("fk_participants_activity_id_activities"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_participants_company_id_companies")),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_participants_contact_id_contacts")),
        sa.PrimaryKeyConstraint("activity_id", "position", name=op.f("pk_participants")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("participants", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_participants_address"), ["address"], unique=False)
        batch_op.create_index(batch_op.f("ix_participants_company_id"), ["company_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_participants_contact_id"), ["contact_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_participants_domain"), ["domain"], unique=False)

    op.create_table(
        "sync_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("stream_id", sa.Integer(), nullable=False),
        sa.Column("started_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("finished_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("deleted", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("quarantined", sa.Integer(), nullable=False),
        sa.Column("unmatched", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["stream_id"], ["streams.id"], name=op.f("fk_sync_runs_stream_id_streams"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_runs")),
    )
    with op.batch_alter_table("sync_runs", schema=None) as batch_op:
        batch_op.create_index("ix_sync_runs_stream_started", ["stream_id", "started_at"], unique=False)

    op.create_table(
        "links",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("folder_id", sa.Integer(), nullable=False),
        sa.Column("entity", sa.String(length=10), nullable=False),
        sa.Column("local_id", sa.Integer(), nullable=False),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("content_hash", sa.String(length=40), nullable=False),
        sa.Column("base", sa.JSON(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("rule", sa.String(length=30), nullable=False),
        sa.Column("match_method", sa.String(length=12), nullable=False),
        sa.Column("gone_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["folder_id"], ["folders.id"], name=op.f("fk_links_folder_id_folders"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_links_mailbox_id_mailboxes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
        sa.UniqueConstraint("mailbox_id", "remote_id", name=op.f("uq_links_mailbox_id_remote_id")),
    )
    with op.batch_alter_table("links", schema=None) as batch_op:
        batch_op.create_index("ix_links_entity", ["entity", "local_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_links_folder_id"), ["folder_id"], unique=False)

    op.create_table(
        "message_attachments",
        sa.Column("activity_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("is_inline", sa.Boolean(), nullable=False),
        sa.Column("content_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"],
            ["messages.activity_id"],
            name=op.f("fk_message_attachments_activity_id_messages"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("activity_id", "position", name=op.f("pk_message_attachments")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "message_bodies",
        sa.Column("activity_id", sa.Integer(), nullable=False),
        sa.Column("unique_text", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["activity_id"],
            ["messages.activity_id"],
            name=op.f("fk_message_bodies_activity_id_messages"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("activity_id", name=op.f("pk_message_bodies")),
    )
    op.create_table(
        "quarantined_items",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("folder_id", sa.Integer(), nullable=False),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_seen_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["folder_id"], ["folders.id"], name=op.f("fk_quarantined_items_folder_id_folders"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantined_items")),
        sa.UniqueConstraint("folder_id", "remote_id", name=op.f("uq_quarantined_items_folder_id_remote_id")),
    )
    with op.batch_alter_table("quarantined_items", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_quarantined_items_next_try_at"), ["next_try_at"], unique=False)

    op.create_table(
        "sync_run_items",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("folder_id", sa.Integer(), nullable=True),
        sa.Column("remote_id", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["folder_id"], ["folders.id"], name=op.f("fk_sync_run_items_folder_id_folders"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["sync_runs.id"], name=op.f("fk_sync_run_items_run_id_sync_runs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_run_items")),
    )
    with op.batch_alter_table("sync_run_items", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sync_run_items_folder_id"), ["folder_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_sync_run_items_remote_id"), ["remote_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_sync_run_items_run_id"), ["run_id"], unique=False)

    op.create_table(
        "meeting_copies",
        sa.Column("link_id", sa.Integer(), nullable=False),
        sa.Column("meeting_id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("response", sa.String(length=10), nullable=False),
        sa.Column("categories", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["link_id"], ["links.id"], name=op.f("fk_meeting_copies_link_id_links"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_meeting_copies_mailbox_id_mailboxes")),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_meeting_copies_meeting_id_meetings"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("link_id", name=op.f("pk_meeting_copies")),
    )
    with op.batch_alter_table("meeting_copies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_meeting_copies_mailbox_id"), ["mailbox_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_meeting_copies_meeting_id"), ["meeting_id"], unique=False)

    op.create_table(
        "message_copies",
        sa.Column("link_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("mailbox_id", sa.Integer(), nullable=False),
        sa.Column("is_read", sa.Boolean(), nullable=False),
        sa.Column("categories", sa.Text(), nullable=False),
        sa.Column("received_at", terracrm.models.base.UTCDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["link_id"], ["links.id"], name=op.f("fk_message_copies_link_id_links"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_message_copies_mailbox_id_mailboxes")),
        sa.ForeignKeyConstraint(
            ["message_id"],
            ["messages.activity_id"],
            name=op.f("fk_message_copies_message_id_messages"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("link_id", name=op.f("pk_message_copies")),
    )
    with op.batch_alter_table("message_copies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_message_copies_mailbox_id"), ["mailbox_id"], unique=False)
        batch_op.create_index("ix_message_copies_message_mailbox", ["message_id", "mailbox_id"], unique=False)

    op.bulk_insert(roles, [{"code": code} for code in ("manager", "controller", "admin")])
    for statement in full_text(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_table(name)
    with op.batch_alter_table("message_copies", schema=None) as batch_op:
        batch_op.drop_index("ix_message_copies_message_mailbox")
        batch_op.drop_index(batch_op.f("ix_message_copies_mailbox_id"))

    op.drop_table("message_copies")
    with op.batch_alter_table("meeting_copies", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_meeting_copies_meeting_id"))
        batch_op.drop_index(batch_op.f("ix_meeting_copies_mailbox_id"))

    op.drop_table("meeting_copies")
    with op.batch_alter_table("sync_run_items", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sync_run_items_run_id"))
        batch_op.drop_index(batch_op.f("ix_sync_run_items_remote_id"))
        batch_op.drop_index(batch_op.f("ix_sync_run_items_folder_id"))

    op.drop_table("sync_run_items")
    with op.batch_alter_table("quarantined_items", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_quarantined_items_next_try_at"))

    op.drop_table("quarantined_items")
    op.drop_table("message_bodies")
    op.drop_table("message_attachments")
    with op.batch_alter_table("links", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_links_folder_id"))
        batch_op.drop_index("ix_links_entity")

    op.drop_table("links")
    with op.batch_alter_table("sync_runs", schema=None) as batch_op:
        batch_op.drop_index("ix_sync_runs_stream_started")

    op.drop_table("sync_runs")
    with op.batch_alter_table("participants", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_participants_domain"))
        batch_op.drop_index(batch_op.f("ix_participants_contact_id"))
        batch_op.drop_index(batch_op.f("ix_participants_company_id"))
        batch_op.drop_index(batch_op.f("ix_participants_address"))

    op.drop_table("participants")
    op.drop_table("notes")
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_messages_thread_id"))

    op.drop_table("messages")
    with op.batch_alter_table("meetings", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_meetings_uid"))
        batch_op.drop_index(batch_op.f("ix_meetings_start_at"))

    op.drop_table("meetings")
    op.drop_table("folders")
    with op.batch_alter_table("contact_timeline", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contact_timeline_activity_id"))

    op.drop_table("contact_timeline")
    with op.batch_alter_table("contact_postal_addresses", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contact_postal_addresses_contact_id"))

    op.drop_table("contact_postal_addresses")
    with op.batch_alter_table("contact_phones", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contact_phones_e164"))
        batch_op.drop_index(batch_op.f("ix_contact_phones_contact_id"))

    op.drop_table("contact_phones")
    with op.batch_alter_table("contact_addresses", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contact_addresses_domain"))
        batch_op.drop_index(batch_op.f("ix_contact_addresses_contact_id"))
        batch_op.drop_index(batch_op.f("ix_contact_addresses_address"))

    op.drop_table("contact_addresses")
    with op.batch_alter_table("company_timeline", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_company_timeline_activity_id"))

    op.drop_table("company_timeline")
    with op.batch_alter_table("activity_mailboxes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_activity_mailboxes_mailbox_id"))

    op.drop_table("activity_mailboxes")
    with op.batch_alter_table("streams", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_streams_due_at"))

    op.drop_table("streams")
    with op.batch_alter_table("field_changes", schema=None) as batch_op:
        batch_op.drop_index("ix_field_changes_entity")

    op.drop_table("field_changes")
    with op.batch_alter_table("contacts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contacts_team_id"))
        batch_op.drop_index(batch_op.f("ix_contacts_owner_id"))
        batch_op.drop_index(batch_op.f("ix_contacts_name_key"))
        batch_op.drop_index(batch_op.f("ix_contacts_company_id"))

    op.drop_table("contacts")
    with op.batch_alter_table("company_domains", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_company_domains_company_id"))

    op.drop_table("company_domains")
    with op.batch_alter_table("activities", schema=None) as batch_op:
        batch_op.drop_index("ix_activities_newest")
        batch_op.drop_index(batch_op.f("ix_activities_is_matched"))

    op.drop_table("activities")
    with op.batch_alter_table("mailboxes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_mailboxes_user_id"))
        batch_op.drop_index(batch_op.f("ix_mailboxes_team_id"))

    op.drop_table("mailboxes")
    with op.batch_alter_table("companies", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_companies_team_id"))
        batch_op.drop_index(batch_op.f("ix_companies_owner_id"))
        batch_op.drop_index(batch_op.f("ix_companies_name_key"))

    op.drop_table("companies")
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_users_team_id"))
        batch_op.drop_index(batch_op.f("ix_users_email"))

    op.drop_table("users")
    with op.batch_alter_table("thread_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_thread_keys_thread_id"))

    op.drop_table("thread_keys")
    op.drop_table("teams")
    op.drop_table("threads")
    op.drop_table("roles")
    op.drop_table("regions")
