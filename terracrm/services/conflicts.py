"""Conflicts: both sides changed the same field. Both values are kept, and a person may take the other one (W1)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol, cast

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, or_, select, update
from sqlalchemy.orm import Session

from terracrm.domain import conflicts as domain
from terracrm.domain import task_merge
from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.client_slots import Value
from terracrm.domain.contact_merge import LISTS
from terracrm.errors import Forbidden, NotFound, TerraCRMError
from terracrm.models import Activity, Conflict, Contact, Mailbox, Task, User, utcnow
from terracrm.services import access, audit, contact_data, merged, rows, tasks
from terracrm.services.access import Viewer
from terracrm.services.field_history import CONFLICT, Origin
from terracrm.services.listing import PAGE_SIZE, Listing
from terracrm.services.sources import Source, lock_directory

CONTACT: Final = "contact"
TASK: Final = "task"
OPEN, KEPT, TAKEN = "open", "kept", "taken"
Kind = Literal["open", "decided"]
_OPEN_ONES = select(Conflict.id).where(
    Conflict.entity == CONTACT, Conflict.entity_id.in_(bindparam("ids", expanding=True)), Conflict.state == OPEN
)


class ConflictChanged(TerraCRMError):
    """Somebody has changed the field, or decided, since the conflict was shown: look at it again."""


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """A conflict about the contact or task `entity_id`, which is called `name`.

    `winner` is "crm" or "outlook"; `won` and `other` are the values in words with their labels, `now` is what the field
    says at present. `has_changed`: not what won then. `seal` names the present value: `take` refuses to overwrite
    another one.
    """

    id: int
    entity: str
    entity_id: int
    name: str
    field: str
    winner: str
    rule: str
    won: str
    won_label: str
    other: str
    other_label: str
    now: str
    has_changed: bool
    seal: str
    found_at: datetime
    mailbox: str
    state: str
    who: str
    decided_at: datetime | None


class Lost(Protocol):
    """A field that both sides changed: what each says, who won and by which rule."""

    @property
    def field(self) -> str: ...
    @property
    def crm(self) -> Value: ...
    @property
    def outlook(self) -> Value: ...
    @property
    def winner(self) -> str: ...
    @property
    def rule(self) -> str: ...


def listing(session: Session, viewer: Viewer, kind: Kind = "open", page: int = 1) -> Listing[ConflictRow]:
    """One page of the conflicts about what the viewer sees, the newest first."""
    condition = _seen(viewer) & (Conflict.state == OPEN if kind == "open" else Conflict.state != OPEN)
    total = session.scalar(select(func.count()).select_from(Conflict).where(condition)) or 0
    newest = select(Conflict).where(condition).order_by(Conflict.found_at.desc(), Conflict.id.desc())
    found = session.scalars(newest.limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE)).all()
    return Listing(_rows(session, found), total, page)


def count(session: Session, viewer: Viewer) -> int:
    """How many conflicts wait for this viewer; none for who decides nothing."""
    if not viewer.decides:
        return 0
    open_ones = select(func.count()).select_from(Conflict).where(_seen(viewer), Conflict.state == OPEN)
    return session.scalar(open_ones) or 0


def of_contact(session: Session, viewer: Viewer, contact_id: int) -> list[ConflictRow]:
    """The open conflicts about a contact, and about those that were merged into it."""
    ids = [contact_id, *merged.absorbed(session, CONTACT, contact_id)]
    there = [id_ for (id_,) in rows.fetch(session, _OPEN_ONES, {"ids": ids})]
    if not there:
        return []
    mine = Conflict.id.in_(there)
    return _rows(session, session.scalars(select(Conflict).where(mine, _seen(viewer)).order_by(Conflict.id)).all())


def get(session: Session, viewer: Viewer, conflict_id: int) -> ConflictRow:
    """One conflict, decided or not; NotFound where the viewer does not see what it is about."""
    return _rows(session, [_get(session, viewer, conflict_id)])[0]


def take(
    session: Session, policy: DomainPolicy, viewer: Viewer, conflict_id: int, seal: str | None = None
) -> ConflictRow:
    """Take the value that lost: it is written to the contact or task, and from there into Outlook.

    With `seal` only while the field says what was shown under it. Raises ConflictChanged, Forbidden or NotFound.
    """
    lock_directory(session, for_writing=True)
    conflict = _decide(session, viewer, conflict_id, TAKEN)
    if seal is not None and seal != _rows(session, [conflict])[0].seal:
        raise ConflictChanged("The field has been changed since. Look at it again.")
    if conflict.entity == CONTACT:
        _take_for_contact(session, policy, viewer, conflict)
    else:
        _take_for_task(session, viewer, conflict)
    return _rows(session, [conflict])[0]


def keep(session: Session, viewer: Viewer, conflict_id: int) -> ConflictRow:
    """Agree with what won; nothing is changed. Raises ConflictChanged, Forbidden or NotFound."""
    return _rows(session, [_decide(session, viewer, conflict_id, KEPT)])[0]


def note(session: Session, source: Source, entity: str, entity_id: int, found: Collection[Lost]) -> None:
    """Keep both values of fields that both sides changed.

    What waits for a decision already is not kept twice: a program that sets a field back again and again fills no list.
    """
    if not found:
        return
    mine = Conflict.entity == entity, Conflict.entity_id == entity_id, Conflict.mailbox_id == source.mailbox_id
    waiting = session.scalars(select(Conflict).where(*mine, Conflict.state == OPEN)).all()
    for each in found:
        said = each.field, each.crm, each.outlook, each.winner, each.rule
        row = next((c for c in waiting if (c.field, c.crm_value, c.outlook_value, c.winner, c.rule) == said), None)
        if row is None:
            row = Conflict(entity=entity, entity_id=entity_id, mailbox_id=source.mailbox_id)
            row.field, row.crm_value, row.outlook_value, row.winner, row.rule = said
            session.add(row)
        row.run_id, row.found_at = source.run_id, utcnow()


def forget(
    session: Session,
    entity: str,
    entity_id: int,
    fields: Collection[str] | None = None,
    mailbox_id: int | None = None,
) -> None:
    """Forget the conflicts about these fields, or about all, and with one mailbox: they must leave no trace (S4)."""
    mine = [Conflict.entity == entity, Conflict.entity_id == entity_id]
    if fields is not None:
        mine.append(Conflict.field.in_(fields))
    if mailbox_id is not None:
        mine.append(Conflict.mailbox_id == mailbox_id)
    session.execute(delete(Conflict).where(*mine))


def _seen(viewer: Viewer) -> ColumnElement[bool]:
    """The conflicts about contacts that the viewer sees, whatever they were merged into, and about tasks it reads."""
    chain = (
        select(Conflict.id.label("conflict_id"), Conflict.entity_id.label("contact_id"))
        .where(Conflict.entity == CONTACT)
        .cte("conflict_chain", recursive=True)
    )
    into = select(chain.c.conflict_id, Contact.merged_into_id).join(Contact, Contact.id == chain.c.contact_id)
    chain = chain.union(into.where(Contact.merged_into_id.is_not(None)))
    contacts = select(chain.c.conflict_id).join(Contact, Contact.id == chain.c.contact_id)
    activities = select(Activity.id).where(access.readable_activities(viewer))
    return or_(
        Conflict.id.in_(contacts.where(access.contacts(viewer))),
        and_(Conflict.entity == TASK, Conflict.entity_id.in_(activities)),
    )


def _get(session: Session, viewer: Viewer, conflict_id: int) -> Conflict:
    conflict = session.scalar(select(Conflict).where(Conflict.id == conflict_id, _seen(viewer)))
    if conflict is None:
        raise NotFound("There is no such conflict.")
    return conflict


def _decide(session: Session, viewer: Viewer, conflict_id: int, state: str) -> Conflict:
    """Note the decision, unless somebody was faster."""
    if not viewer.decides:
        raise Forbidden("This role changes nothing.")
    conflict = _get(session, viewer, conflict_id)
    mine = update(Conflict).where(Conflict.id == conflict_id, Conflict.state == OPEN)
    decision = {"state": state, "user_id": viewer.signs_as, "decided_at": utcnow()}
    if not session.connection().execute(mine.values(decision)).rowcount:
        raise ConflictChanged("Somebody has decided about this conflict already.")
    session.refresh(conflict)
    told = json.dumps({"field": conflict.field, "conflict": conflict.id})
    action = "conflict.take" if state == TAKEN else "conflict.keep"
    audit.record(session, viewer.signs_as, action, conflict.entity, conflict.entity_id, told)
    return conflict


def _take_for_contact(session: Session, policy: DomainPolicy, viewer: Viewer, conflict: Conflict) -> None:
    contact = merged.survivor(session, session.get(Contact, conflict.entity_id))
    if contact is None:
        raise NotFound("There is no such contact.")
    wanted = domain.taken(conflict.field, _said_of_contact(contact, conflict.field), *_values(conflict))
    origin = Origin(CONFLICT, viewer.signs_as, viewer.team_id)
    contact_data.change(session, origin, policy, contact, {conflict.field: wanted})


def _take_for_task(session: Session, viewer: Viewer, conflict: Conflict) -> None:
    value = str(domain.taken(conflict.field, "", *_values(conflict)))
    if conflict.field == "done_on":
        step = tasks.done if value else tasks.reopen
        step(session, viewer, conflict.entity_id)
        return
    read = {"due_on": task_merge.day_of, "remind_at": task_merge.moment_of}.get(conflict.field, str)
    tasks.change(session, viewer, conflict.entity_id, {conflict.field: read(value)})


def _rows(session: Session, found: Sequence[Conflict]) -> list[ConflictRow]:
    mailboxes = dict(
        session.execute(
            select(Mailbox.id, Mailbox.address).where(Mailbox.id.in_({conflict.mailbox_id for conflict in found}))
        ).all()
    )
    users = {
        user.id: user.full_name or user.name
        for user in session.scalars(select(User).where(User.id.in_({conflict.user_id for conflict in found})))
    }
    return [
        _row(session, conflict, mailboxes.get(conflict.mailbox_id or 0, ""), users.get(conflict.user_id or 0, ""))
        for conflict in found
    ]


def _row(session: Session, conflict: Conflict, mailbox: str, who: str) -> ConflictRow:
    entity_id, name, said = _about(session, conflict)
    field, (crm, outlook, winner) = conflict.field, _values(conflict)
    won, other = (outlook, crm) if winner == domain.OUTLOOK else (crm, outlook)
    now = domain.present(field, said, crm, outlook, winner)
    return ConflictRow(
        id=conflict.id,
        entity=conflict.entity,
        entity_id=entity_id,
        name=name,
        field=field,
        winner=winner,
        rule=conflict.rule,
        won=domain.text_of(field, won),
        won_label=domain.shown_label(field, won),
        other=domain.text_of(field, other),
        other_label=domain.shown_label(field, other),
        now=domain.text_of(field, now),
        has_changed=domain.has_changed(field, now, crm, outlook, winner),
        seal=_seal(now),
        found_at=conflict.found_at,
        mailbox=mailbox,
        state=conflict.state,
        who=who,
        decided_at=conflict.decided_at,
    )


def _about(session: Session, conflict: Conflict) -> tuple[int, str, Any]:
    """What the conflict is about now: its number, what it is called, and what its field says."""
    if conflict.entity == CONTACT:
        contact = merged.survivor(session, session.get(Contact, conflict.entity_id))
        if contact is None:
            return conflict.entity_id, "", ""
        return contact.id, contact.display_name, _said_of_contact(contact, conflict.field)
    task = session.get(Task, conflict.entity_id)
    if task is None:
        return conflict.entity_id, "", ""
    return task.activity_id, task.activity.subject, _said_of_task(task).get(conflict.field, "")


def _said_of_contact(contact: Contact, field: str) -> Any:
    return contact_data.entries(contact, field) if field in LISTS else contact_data.texts(contact).get(field, "")


def _said_of_task(task: Task) -> task_merge.Values:
    done_on = task.done_at.date() if task.done_at else None
    subject = task.activity.subject
    return task_merge.values(subject, task.text, task.due_on, task.remind_at, task.importance, done_on)


def _values(conflict: Conflict) -> tuple[Value, Value, str]:
    return cast(Value, conflict.crm_value), cast(Value, conflict.outlook_value), conflict.winner


def _seal(now: Value) -> str:
    return hashlib.sha256(json.dumps(now, sort_keys=True).encode()).hexdigest()[:16]
