"""What signatures say of contacts, for a person to confirm (S11): collected from mail, accepted or dismissed.

Nothing changes a contact silently. What was dismissed does not come back, and what is withdrawn with its mail goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased, selectinload

from terracrm.config import Settings
from terracrm.domain import signatures
from terracrm.domain.addresses import DomainPolicy, is_no_reply
from terracrm.domain.contact_merge import snapshot
from terracrm.domain.names import company_key, e164, is_same_company, name_key
from terracrm.domain.records import ContactRecord, Phone, Role
from terracrm.domain.replies import split
from terracrm.domain.signatures import Facts
from terracrm.errors import Forbidden, NotFound
from terracrm.models import (
    Activity,
    Contact,
    ContactSuggestion,
    Link,
    Mailbox,
    Message,
    MessageBody,
    MirrorFolder,
    Participant,
    utcnow,
)
from terracrm.services import access, audit, mirror_contacts, rows
from terracrm.services.access import Viewer
from terracrm.services.field_history import SUGGESTION, of_mailbox
from terracrm.services.matching import is_live
from terracrm.services.sources import Source, lock_directory, source_of

OPEN, ACCEPTED, DISMISSED = "open", "accepted", "dismissed"
PHONES = "phones"
SINGLE = ("job_title", "company_name", "website")
MAX_KEY = 200
PAST_MAILS = 30
Sender = aliased(Participant, name="sender")
_ANY_OPEN = (
    select(ContactSuggestion.id)
    .where(ContactSuggestion.contact_id == bindparam("contact_id"), ContactSuggestion.state == OPEN)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Shown:
    """An open suggestion, and the mail that it was read in."""

    id: int
    field: str
    value: str
    label: str
    message_id: int
    subject: str
    occurred_at: datetime


def collect(session: Session, policy: DomainPolicy, said: Mapping[int, str]) -> None:
    """Note what these signatures, by the messages that they stand below, say of the contacts that sent them.

    Only what the contact does not have is noted. Bulk mail says nothing of a person, and a signature that names
    another person says nothing of the sender.
    """
    signed = {message_id: signature for message_id, signature in said.items() if signature}
    if not signed:
        return
    senders = session.execute(
        select(Activity, Sender.name, Sender.address, Contact)
        .join(Message, Message.activity_id == Activity.id)
        .join(Sender, (Sender.activity_id == Activity.id) & (Sender.role == Role.FROM))
        .join(Contact, Contact.id == Sender.contact_id)
        .where(Activity.id.in_(signed), Message.is_bulk.is_(False), is_live())
        .options(selectinload(Contact.phones), selectinload(Contact.company))
        .order_by(Activity.occurred_at, Activity.id)
    ).all()
    found: dict[tuple[int, str, str], ContactSuggestion] = {}
    read: dict[tuple[int, str, str], Facts] = {}
    for activity, name, address, contact in senders:
        key = (contact.id, address, signed[activity.id])
        if key not in read:
            read[key] = _facts(policy, signed[activity.id], contact, name, address)
        for new in _news(contact, read[key]):
            new.activity_id, new.mailbox_id, new.run_id = activity.id, activity.mailbox_id, activity.run_id
            found[contact.id, new.field, new.value_key] = new
    if found:
        _add(session, list(found.values()))


def collect_past(session: Session, policy: DomainPolicy, address: str) -> None:
    """Note what the latest mail of an address says, once it was found whose address that is (M2)."""
    rows = session.execute(
        select(Activity.id, Sender.name, MessageBody.text, MessageBody.html)
        .join(Sender, (Sender.activity_id == Activity.id) & (Sender.role == Role.FROM))
        .join(MessageBody, MessageBody.activity_id == Activity.id)
        .where(Sender.address == address)
        .order_by(Activity.occurred_at.desc(), Activity.id.desc())
        .limit(PAST_MAILS)
    )
    collect(session, policy, {row.id: split(row.text, row.html, (row.name, address)).signature for row in rows})


def of_contact(session: Session, viewer: Viewer, contact_id: int) -> list[Shown]:
    """The open suggestions for a contact, from the mail that the viewer may read."""
    if rows.first(session, _ANY_OPEN, {"contact_id": contact_id}) is None:
        return []
    found = session.execute(
        select(ContactSuggestion, Activity, Contact)
        .join(Activity, Activity.id == ContactSuggestion.activity_id)
        .join(Contact, Contact.id == ContactSuggestion.contact_id)
        .where(
            ContactSuggestion.contact_id == contact_id,
            ContactSuggestion.state == OPEN,
            *_visible(viewer),
        )
        .order_by(ContactSuggestion.field.desc(), ContactSuggestion.id)
    ).all()
    return [
        Shown(each.id, each.field, each.value, each.label, activity.id, activity.subject, activity.occurred_at)
        for each, activity, contact in found
        if not _is_known(contact, each)
    ]


def accept(session: Session, settings: Settings, viewer: Viewer, suggestion_id: int) -> int:
    """Put what is suggested into the contact, in the name of the viewer; the contact's id.

    Raises NotFound where the viewer sees no such open suggestion, Forbidden for a role that changes nothing.
    """
    lock_directory(session, for_writing=True)
    suggestion = _decide(session, viewer, suggestion_id, ACCEPTED)
    contact = session.get_one(Contact, suggestion.contact_id)
    source = _source(session, settings, viewer, suggestion)
    # As if the entry of an address book had got this one value.
    said = snapshot(_as_record(suggestion))
    mirror_contacts.apply(session, source, contact, snapshot(ContactRecord()), said, of_mailbox(source, SUGGESTION))
    return contact.id


def dismiss(session: Session, viewer: Viewer, suggestion_id: int) -> int:
    """Say that it is not so, or not wanted: it does not come back; the contact's id. Raises as `accept` does."""
    return _decide(session, viewer, suggestion_id, DISMISSED).contact_id


def _visible(viewer: Viewer) -> tuple[ColumnElement[bool], ...]:
    """Whose contact and whose mail the viewer sees; and the mail is still that contact's own."""
    own = select(Sender.activity_id).where(
        Sender.activity_id == ContactSuggestion.activity_id,
        Sender.contact_id == ContactSuggestion.contact_id,
        Sender.role == Role.FROM,
    )
    return is_live(), access.contacts(viewer), access.readable_activities(viewer), own.exists()


def _facts(policy: DomainPolicy, signature: str, contact: Contact, name: str, address: str) -> Facts:
    if is_no_reply(address):
        return Facts()
    # A contact that was made of an address is called so: then the mail says the name.
    named = contact.display_name and "@" not in contact.display_name
    names = [contact.display_name] if named else [name, address]
    return signatures.read(signature, names, policy.company_domain(address))


def _news(contact: Contact, facts: Facts) -> Iterable[ContactSuggestion]:
    """What the contact does not have yet."""
    said = [(PHONES, phone.number, phone.e164, phone.label) for phone in facts.phones]
    said += [
        ("job_title", facts.job_title, name_key(facts.job_title), ""),
        ("company_name", facts.company_name, company_key(facts.company_name), ""),
        ("website", facts.website, signatures.host_key(facts.website), ""),
    ]
    for field, value, key, label in said:
        new = ContactSuggestion(contact_id=contact.id, field=field, value=value, value_key=key[:MAX_KEY], label=label)
        if key and not _is_known(contact, new):
            yield new


def _is_known(contact: Contact, suggestion: ContactSuggestion) -> bool:
    """Whether the contact says so already, perhaps in more or fewer words."""
    match suggestion.field:
        case "phones":
            return suggestion.value_key in {phone.e164 or e164(phone.number) for phone in contact.phones}
        case "website":
            known = [contact.website, contact.company.website if contact.company else ""]
            return suggestion.value_key in map(signatures.host_key, known)
        case "company_name":
            known = [contact.company_name, contact.company.name if contact.company else ""]
            return any(is_same_company(suggestion.value, name) for name in known)
        case _:
            ours, theirs = set(name_key(contact.job_title).split()), set(suggestion.value_key.split())
            return bool(ours) and (ours <= theirs or theirs <= ours)


def _add(session: Session, found: list[ContactSuggestion]) -> None:
    """Add those that nobody saw yet; of a field with one value only the newest is open."""
    rows = session.scalars(
        select(ContactSuggestion).where(ContactSuggestion.contact_id.in_({each.contact_id for each in found}))
    ).all()
    seen = {(each.contact_id, each.field, each.value_key) for each in rows}
    said_at = _times(session, [*found, *rows])
    new = [each for each in found if (each.contact_id, each.field, each.value_key) not in seen]
    for field in SINGLE:
        latest = {each.contact_id: each for each in sorted(new, key=said_at) if each.field == field}
        for each in rows:
            if each.field == field and each.state != DISMISSED and each.contact_id in latest:
                if said_at(each) > said_at(latest[each.contact_id]):
                    del latest[each.contact_id]
                elif each.state == OPEN:
                    session.delete(each)
        new = [each for each in new if each.field != field or latest.get(each.contact_id) is each]
    session.flush()
    _write(session, new)


def _times(session: Session, suggestions: list[ContactSuggestion]) -> Callable[[ContactSuggestion], datetime]:
    """When the mail was sent that said it."""
    ids = {each.activity_id for each in suggestions}
    times = dict(session.execute(select(Activity.id, Activity.occurred_at).where(Activity.id.in_(ids))).all())
    return lambda each: times[each.activity_id] if each.activity_id else each.found_at


def _write(session: Session, new: list[ContactSuggestion]) -> None:
    columns = ("contact_id", "field", "value_key", "value", "label", "activity_id", "mailbox_id", "run_id")
    # In one order, so that two mailboxes that say the same at once wait for each other and both go on.
    rows = sorted(
        ({name: getattr(each, name) for name in columns} for each in new), key=lambda row: list(row.values())[:3]
    )
    if rows:
        insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        session.execute(insert(ContactSuggestion).on_conflict_do_nothing(), rows)


def _decide(session: Session, viewer: Viewer, suggestion_id: int, state: str) -> ContactSuggestion:
    if not viewer.decides:
        raise Forbidden("This role changes nothing: ask the client's manager.")
    suggestion = session.scalar(
        select(ContactSuggestion)
        .join(Contact, Contact.id == ContactSuggestion.contact_id)
        .join(Activity, Activity.id == ContactSuggestion.activity_id)
        .where(
            ContactSuggestion.id == suggestion_id,
            ContactSuggestion.state == OPEN,
            *_visible(viewer),
        )
    )
    decided = (
        update(ContactSuggestion)
        .where(ContactSuggestion.id == suggestion_id, ContactSuggestion.state == OPEN)
        .values(state=state, user_id=viewer.user_id or None, decided_at=utcnow())
        .returning(ContactSuggestion.id)
    )
    if suggestion is None or session.scalar(decided) is None:
        raise NotFound("There is no such suggestion, or somebody decided about it already.")
    audit.record(session, viewer.user_id or None, f"suggestion.{state}", "contact", suggestion.contact_id)
    return suggestion


def _source(session: Session, settings: Settings, viewer: Viewer, suggestion: ContactSuggestion) -> Source:
    """The mail that said it, in the name of who confirms it."""
    held = session.execute(
        select(Mailbox, MirrorFolder)
        .join(Link, Link.mailbox_id == Mailbox.id)
        .join(MirrorFolder, MirrorFolder.id == Link.folder_id)
        .where(Link.entity == "message", Link.local_id == suggestion.activity_id)
        .order_by(Mailbox.id != suggestion.mailbox_id, Link.id)
    ).first()
    if held is None:
        raise NotFound("The mail that this was read in is no longer here.")
    source = source_of(settings, *held, suggestion.run_id or 0)
    return replace(source, owner_id=viewer.user_id or None, team_id=viewer.team_id)


def _as_record(suggestion: ContactSuggestion) -> ContactRecord:
    value = suggestion.value
    match suggestion.field:
        case "phones":
            return ContactRecord(phones=(Phone(suggestion.label, value),))
        case "job_title":
            return ContactRecord(job_title=value)
        case "company_name":
            return ContactRecord(company_name=value)
        case _:
            return ContactRecord(website=value)
