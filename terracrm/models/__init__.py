"""The tables, one module per noun."""

from terracrm.models.activities import (
    Activity,
    ActivityKind,
    ActivityMailbox,
    ActivityTopic,
    CompanyTimeline,
    ContactTimeline,
    Participant,
    Sharing,
)
from terracrm.models.alerts import Alert, AlertMessage, Heartbeat, Lease
from terracrm.models.audit import AuditEntry
from terracrm.models.base import Base, UTCDateTime, utcnow
from terracrm.models.companies import Company, CompanyDomain
from terracrm.models.contacts import Contact, ContactAddress, ContactPhone, ContactPostalAddress
from terracrm.models.field_changes import FieldChange
from terracrm.models.mailboxes import (
    CLAIMED,
    STOPPED,
    UNREAD,
    Link,
    Mailbox,
    MirrorFolder,
    QuarantinedItem,
    SkippedAddress,
    SkippedItem,
    Stream,
    StreamState,
)
from terracrm.models.matching import ContactSuggestion, Merge, MergeMove, SenderDecision
from terracrm.models.meetings import Meeting, MeetingCopy
from terracrm.models.messages import (
    AttachmentContent,
    Message,
    MessageAttachment,
    MessageBody,
    MessageCopy,
    Thread,
    ThreadKey,
)
from terracrm.models.notes import Note
from terracrm.models.safety import Plan, PlanStep, Reconciliation
from terracrm.models.sync_runs import SyncRun, SyncRunItem
from terracrm.models.tasks import Task
from terracrm.models.users import Region, Role, Team, User
from terracrm.models.watches import MailboxWatch
from terracrm.models.write_back import Conflict, OutboxItem, Segment

__all__ = [
    "CLAIMED",
    "STOPPED",
    "UNREAD",
    "Activity",
    "ActivityKind",
    "ActivityMailbox",
    "ActivityTopic",
    "Alert",
    "AlertMessage",
    "AttachmentContent",
    "AuditEntry",
    "Base",
    "Company",
    "CompanyDomain",
    "CompanyTimeline",
    "Conflict",
    "Contact",
    "ContactAddress",
    "ContactPhone",
    "ContactPostalAddress",
    "ContactSuggestion",
    "ContactTimeline",
    "FieldChange",
    "Heartbeat",
    "Lease",
    "Link",
    "Mailbox",
    "MailboxWatch",
    "Meeting",
    "MeetingCopy",
    "Merge",
    "MergeMove",
    "Message",
    "MessageAttachment",
    "MessageBody",
    "MessageCopy",
    "MirrorFolder",
    "Note",
    "OutboxItem",
    "Participant",
    "Plan",
    "PlanStep",
    "QuarantinedItem",
    "Reconciliation",
    "Region",
    "Role",
    "Segment",
    "SenderDecision",
    "Sharing",
    "SkippedAddress",
    "SkippedItem",
    "Stream",
    "StreamState",
    "SyncRun",
    "SyncRunItem",
    "Task",
    "Team",
    "Thread",
    "ThreadKey",
    "UTCDateTime",
    "User",
    "utcnow",
]  # fmt: skip
