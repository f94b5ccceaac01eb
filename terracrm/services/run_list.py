"""The last runs as an administrator looks for one to undo: what each did, and whether it can be undone (Y3, Y4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from terracrm.config import Settings
from terracrm.models import Activity, Company, Contact, Mailbox, Meeting, Stream, SyncRun, User
from terracrm.services import access, undo
from terracrm.services.access import Viewer
from terracrm.services.undo_act import COMPANY, CONTACT, MEETING, Kept, Thing

MOST_AT_ONCE = 300
"""Items that a page may wait for; more take a command."""
COUNTS = ("created", "updated", "deleted", "skipped", "quarantined", "unmatched", "written")


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. `counts` by the names of COUNTS; `why_not`: a key of `undo.REFUSALS`, or "" if it can be undone."""

    id: int
    mailbox: str
    stream: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    error: str
    counts: dict[str, int]
    undone_at: datetime | None
    undone_by: str
    why_not: str

    @property
    def changed_something(self) -> bool:
        """Whether it changed anything in the CRM."""
        return any(self.counts[name] for name in ("created", "updated", "deleted"))


def last(
    session: Session,
    settings: Settings,
    viewer: Viewer,
    now: datetime,
    mailbox_id: int | None = None,
    limit: int = 20,
    *,
    with_idle: bool = False,
) -> list[RunRow]:
    """The newest runs of the mailboxes that the viewer sees, or of one; those that did nothing only when asked for."""
    query = select(SyncRun).join(SyncRun.stream).join(Stream.mailbox).options(joinedload(SyncRun.stream))
    query = query.where(access.mailboxes(viewer))
    if mailbox_id is not None:
        query = query.where(Stream.mailbox_id == mailbox_id)
    if not with_idle:
        did = sum((getattr(SyncRun, name) for name in COUNTS[1:]), SyncRun.created)
        query = query.where((did > 0) | (SyncRun.outcome != "ok"))
    runs = session.scalars(query.order_by(SyncRun.id.desc()).limit(limit)).all()
    return [row(session, settings, run, now) for run in runs]


def that_changed(
    session: Session, settings: Settings, viewer: Viewer, now: datetime, mailbox_id: int, limit: int = 20
) -> list[RunRow]:
    """The newest runs of a mailbox that changed something in the CRM, for who may undo them; none for others."""
    if not undo.may_undo(viewer):
        return []
    changed = SyncRun.created + SyncRun.updated + SyncRun.deleted > 0
    query = select(SyncRun).join(SyncRun.stream).options(joinedload(SyncRun.stream))
    query = query.where(Stream.mailbox_id == mailbox_id, changed).order_by(SyncRun.id.desc())
    return [row(session, settings, run, now) for run in session.scalars(query.limit(limit))]


def row(session: Session, settings: Settings, run: SyncRun, now: datetime) -> RunRow:
    """A run as it is shown."""
    user = session.get(User, run.undone_by) if run.undone_by else None
    mailbox: Mailbox = run.stream.mailbox
    return RunRow(
        id=run.id,
        mailbox=mailbox.address,
        stream=run.stream.kind,
        started_at=run.started_at,
        finished_at=run.finished_at,
        outcome=run.outcome,
        error=run.error,
        counts={name: getattr(run, name) for name in COUNTS},
        undone_at=run.undone_at,
        undone_by=(user.full_name or user.name) if user else "",
        why_not=undo.why_not(settings, run, now),
    )


def is_large(run: SyncRun) -> bool:
    """Whether undoing a run takes longer than somebody waits for a page."""
    return run.created + run.updated + run.deleted > MOST_AT_ONCE


def kept(session: Session, viewer: Viewer, run_id: int, limit: int) -> list[Kept]:
    """What stayed when a run was undone, as it is called now: clients by name, entries of the history by their time."""
    rows = (undo.done(session, run_id) or {}).get("kept", [])[:limit]
    return [Kept(_thing(session, viewer, row["entity"], row["id"]), row["field"], row["reason"]) for row in rows]


def _thing(session: Session, viewer: Viewer, entity: str, id_: int) -> Thing:
    if entity == CONTACT:
        name = session.scalar(select(Contact.display_name).where(Contact.id == id_, access.contacts(viewer)))
        return Thing(entity, id_, name or "")
    if entity == COMPANY:
        name = session.scalar(select(Company.name).where(Company.id == id_, access.companies(viewer)))
        return Thing(entity, id_, name or "")
    if entity == MEETING:
        return Thing(entity, id_, at=session.scalar(select(Meeting.start_at).where(Meeting.id == id_)))
    return Thing(entity, id_, at=session.scalar(select(Activity.occurred_at).where(Activity.id == id_)))
