"""Undoing a run: what it changed in the CRM is reverted as one act; what was worked with since is kept and told (Y3).

docs/architecture.md has the table of what becomes of each kind of thing. Nothing is written into a mailbox here, and
what a run wrote there stays; what is put back is owed to Outlook as any change of the CRM is. What became private is
never restored: nothing of it is known any more.

The streams of the mailbox are locked first, then the directory, as the pages of a run do: a page that is being written
is waited for, and the pages that come after see what was undone.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.db import begin_write
from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.records import StreamKind
from terracrm.errors import Forbidden, InvalidInput, NotFound
from terracrm.models import AuditEntry, Conflict, Stream, SyncRun, utcnow
from terracrm.services import (
    audit,
    conflicts,
    kept_out,
    search,
    undo_clients,
    undo_fields,
    undo_items,
    undo_tasks,
)
from terracrm.services.access import OPERATOR, Viewer
from terracrm.services.field_history import UNDO, Origin
from terracrm.services.sources import lock_directory
from terracrm.services.undo_act import COMPANY, CONTACT, Act, Effect

ACT, AGAIN = "run.undo", "run.undo.again"
ENTITY = "run"
KEPT_TOLD = 500
REFUSALS = {
    "undone": "This run was undone already.",
    "running": "This run is still at work. Wait until it is over.",
    "aged": "What this run did in detail is no longer kept (retention.runs_days), so it cannot be undone any more.",
    "nothing": "There is nothing to undo: the run changed nothing in the CRM that can be taken back.",
    "not_undone": "This run was not undone, so nothing of it is left out.",
}


class UndoRefused(InvalidInput):
    """This run cannot be undone: `reason` is a key of REFUSALS. Nothing was changed."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(REFUSALS[reason])


def may_undo(viewer: Viewer) -> bool:
    """Whether this role undoes runs."""
    return viewer.configures or viewer.role == OPERATOR


def require_right(viewer: Viewer) -> None:
    """Raise Forbidden for a role that undoes no runs."""
    if not may_undo(viewer):
        raise Forbidden("Only an administrator undoes runs.")


def preview(session: Session, settings: Settings, viewer: Viewer, run_id: int) -> Effect:
    """What undoing a run would do: it is done and rolled back, so that it is exact. Raises what `undo` raises, but
    where nothing can be taken back, which is told then."""
    try:
        return _undo(session, settings, viewer, run_id)
    finally:
        session.rollback()


def undo(session: Session, settings: Settings, viewer: Viewer, run_id: int) -> Effect:
    """Undo a run; what was done and what stays. Raises NotFound, Forbidden or UndoRefused: roll back then."""
    effect = _undo(session, settings, viewer, run_id)
    if effect.is_nothing:
        raise UndoRefused("nothing")
    return effect


def take_again(session: Session, viewer: Viewer, run_id: int) -> int:
    """Have what an undone run had brought taken in again by the next run; how many items that are.

    Raises NotFound, Forbidden or UndoRefused.
    """
    begin_write(session)
    run = get(session, viewer, run_id)
    if run.undone_at is None:
        raise UndoRefused("not_undone")
    count = kept_out.take_again(session, run.stream.mailbox_id, run.id)
    audit.record(session, viewer.signs_as, AGAIN, ENTITY, run.id, str(count))
    return count


def get(session: Session, viewer: Viewer, run_id: int) -> SyncRun:
    """A run; NotFound where there is none (any more), Forbidden for who undoes none."""
    require_right(viewer)
    run = session.get(SyncRun, run_id, populate_existing=True)
    if run is None:
        raise NotFound(f"There is no run {run_id}, or it was too long ago to be kept.")
    return run


def why_not(settings: Settings, run: SyncRun, now: datetime) -> str:
    """Why a run cannot be undone, as a key of REFUSALS; "" where nothing is known to speak against it."""
    days = settings.retention.runs_days
    stream = run.stream
    is_at_work = run.finished_at is None and stream.claim and stream.claimed_until and stream.claimed_until > now
    if run.undone_at is not None:
        return "undone"
    if is_at_work:
        return "running"
    return "aged" if days and run.started_at < now - timedelta(days=days) else ""


def done(session: Session, run_id: int) -> dict[str, Any] | None:
    """What undoing a run did, as the audit log keeps it: counts, and "kept" with "entity", "id", "field", "reason"."""
    mine = AuditEntry.action == ACT, AuditEntry.entity == ENTITY, AuditEntry.entity_id == run_id
    entry = session.scalar(select(AuditEntry).where(*mine).order_by(AuditEntry.id.desc()).limit(1))
    return json.loads(entry.detail[entry.detail.index("{") :]) if entry is not None else None


def _undo(session: Session, settings: Settings, viewer: Viewer, run_id: int) -> Effect:
    begin_write(session)
    run = get(session, viewer, run_id)
    mailbox = run.stream.mailbox
    streams = select(Stream).where(Stream.mailbox_id == mailbox.id).order_by(Stream.id)
    session.scalars(streams.with_for_update().execution_options(populate_existing=True)).all()
    lock_directory(session, for_writing=True)
    session.refresh(run)
    if reason := why_not(settings, run, utcnow()):
        raise UndoRefused(reason)
    _claim(session, run, viewer)
    act = Act(
        session=session,
        settings=settings,
        run=run,
        mailbox=mailbox,
        origin=Origin(UNDO, viewer.signs_as, run_id=run.id),
        policy=DomainPolicy.of(settings.mirror.internal_domains, settings.mirror.free_mail_domains),
        effect=Effect(run.id),
    )
    _revert(act)
    search.forget_words(session)
    _record(act)
    return act.effect


def _claim(session: Session, run: SyncRun, viewer: Viewer) -> None:
    """Mark the run; of two who undo it at once only one can."""
    mine = update(SyncRun).where(SyncRun.id == run.id, SyncRun.undone_at.is_(None))
    marked = session.connection().execute(mine.values(undone_at=utcnow(), undone_by=viewer.signs_as))
    if not marked.rowcount:
        raise UndoRefused("undone")
    session.refresh(run)


def _revert(act: Act) -> None:
    undo_items.take_out_mail(act)
    undo_items.take_out_meetings(act)
    contacts = undo_clients.take_out_contacts(act)
    companies = undo_clients.made_companies(act)
    but = {(CONTACT, id_) for id_ in contacts} | {(COMPANY, id_) for id_ in companies}
    undo_fields.put_back(act, undo_fields.changes(act, but))
    undo_clients.take_out_companies(act)
    undo_clients.let_go_of_entries(act, contacts)
    undo_clients.forget_what_was_told(act, act.effect.put_back)
    undo_tasks.put_back(act)
    _settle_conflicts(act)
    if act.run.stream.kind in (StreamKind.MAIL, StreamKind.CALENDAR):
        act.effect.followed = act.run.updated


def _settle_conflicts(act: Act) -> None:
    """Of a field that the run had let Outlook win and that says again what the CRM said, nothing is left to decide.

    Where the CRM won, the value of Outlook is kept nowhere else: that stays open.
    """
    back: Collection[tuple[str, int, str]] = {
        (each.thing.entity, each.thing.id, each.field) for each in act.effect.put_back
    }
    stays = {(each.thing.entity, each.thing.id, each.field) for each in act.effect.kept}
    mine = Conflict.run_id == act.run.id, Conflict.mailbox_id == act.mailbox.id, Conflict.state == conflicts.OPEN
    for row in act.session.scalars(select(Conflict).where(*mine, Conflict.winner == "outlook")).all():
        key = row.entity, row.entity_id, row.field
        if key in back and key not in stays:
            row.state, row.user_id, row.decided_at = conflicts.TAKEN, act.origin.user_id, utcnow()
            act.effect.conflicts += 1
    act.session.flush()


def _record(act: Act) -> None:
    """What was done goes into the audit log, in numbers: it says nothing of what was said (S4)."""
    effect = act.effect
    kept = [
        {"entity": each.thing.entity, "id": each.thing.id, "field": each.field, "reason": each.reason}
        for each in effect.kept[:KEPT_TOLD]
    ]
    told = {"run": act.run.id, "mailbox": act.mailbox.address, **counts(effect), "kept": kept}
    audit.record(act.session, act.origin.user_id, ACT, ENTITY, act.run.id, json.dumps(told, ensure_ascii=False))


def counts(effect: Effect) -> dict[str, int]:
    """What an undo does, in numbers: what goes by kind, fields that are put back, copies, conflicts."""
    found = {f"{entity}s": 0 for entity in ("contact", "company", "mail", "meeting")}
    for thing in effect.gone:
        found[f"{thing.entity}s"] += 1
    found["companies"] = found.pop("companys")
    return found | {
        "fields": len(effect.put_back),
        "copies": effect.copies,
        "conflicts": effect.conflicts,
        "followed": effect.followed,
    }
