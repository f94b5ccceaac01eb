"""Fields of clients say again what they said before an undone run, where they still say what the run said (Y3).

The changes of the run are gone through backwards. A text is put back where it is as the run left it, a list entry by
entry. What was changed since stays and is told. Putting back is a change like any other: it is in the log (UNDO), and
owed to all cards in Outlook. Entries of people's own contacts folders are compared with what they said (`Link.base`),
so that they bring nothing back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import exists, select

from terracrm.domain.contact_merge import LISTS, SCALARS, identity
from terracrm.domain.names import company_key
from terracrm.models import Company, CompanyDomain, Contact, ContactAddress, FieldChange, Participant, Team, User
from terracrm.services import company_records, contact_data, field_history, history, merged
from terracrm.services.field_history import ASSIGNED, CREATED, UNDO, Origin, as_entries
from terracrm.services.undo_act import CHANGED, COMPANY, CONTACT, MERGED, PEOPLE, Act, PutBack, Thing, thing_of

Rows = Sequence[FieldChange]
Entry = Mapping[str, str]
DOMAINS: Final = "domains"
ASSIGNEES: Final[Mapping[str, type[Any]]] = {"owner": User, "team": Team, "company": Company}


def changes(act: Act, but: Collection[tuple[str, int]]) -> dict[tuple[str, int], list[FieldChange]]:
    """What the run changed of clients, the oldest change first, without those clients."""
    mine = FieldChange.run_id == act.run.id, FieldChange.mailbox_id == act.mailbox.id, FieldChange.source != UNDO
    since = FieldChange.changed_at >= act.run.started_at
    found: dict[tuple[str, int], list[FieldChange]] = defaultdict(list)
    for row in act.session.scalars(select(FieldChange).where(*mine, since).order_by(FieldChange.id)):
        if row.field != CREATED and (row.entity, row.entity_id) not in but:
            found[row.entity, row.entity_id].append(row)
    return found


def put_back(act: Act, found: Mapping[tuple[str, int], list[FieldChange]]) -> None:
    """Put all of these back: contacts first, because a domain is a company's by its people."""
    homeless: list[Contact] = []
    for (entity, id_), rows in sorted(found.items()):
        if entity == CONTACT:
            contact = _client(act, Contact, id_, rows)
            if contact is not None:
                _put_back_contact(act, contact, rows, homeless)
    for (entity, id_), rows in sorted(found.items()):
        if entity == COMPANY:
            company = _client(act, Company, id_, rows)
            if company is not None:
                _put_back_company(act, company, rows)
    for contact in homeless:
        _make_former_company(act, contact)


def _client(act: Act, model: type[Any], id_: int, rows: Rows) -> Any:
    """The client, unless it was forgotten or merged since."""
    client = act.session.get(model, id_, populate_existing=True)
    if client is not None and client.merged_into_id is not None:
        for row in rows:
            act.keep(thing_of(client), MERGED, row.field)
        return None
    return client


def _put_back_contact(act: Act, contact: Contact, rows: Rows, homeless: list[Contact]) -> None:
    session, thing = act.session, thing_of(contact)
    before, was_archived = {row.address for row in contact.addresses}, contact.archived_at is not None
    employer = contact.company_id
    with field_history.recording(session, act.origin, contact) as done:
        for row in reversed(rows):
            if row.field in LISTS:
                is_done = _put_back_list(act, contact, row)
            elif row.field == "company" and _is_gone(act, row.old):
                is_done = str(contact.company_id or "") == row.new
                if is_done:
                    contact.company_id = None
                    homeless.append(contact)
            else:
                is_done = _put_back_value(act, contact, row)
            if not is_done:
                act.keep(thing, CHANGED, row.field)
        contact_data.name(contact)
        session.flush()
    _tell(act, thing, done)
    now = {row.address for row in contact.addresses}
    gone = before - now
    history.rematch(session, act.policy, Participant.contact_id == contact.id, Participant.address.in_(gone))
    history.unlink_addresses(session, gone)
    history.link_addresses(session, now - before)
    if contact.company_id != employer:
        history.move_contact(session, contact.id, employer, contact.company_id)
    if was_archived and contact.archived_at is None:
        history.link_addresses(session, now)
    elif contact.archived_at is not None and not was_archived:
        history.unlink_addresses(session, now)
    contact_data.index(session, contact)


def _put_back_company(act: Act, company: Company, rows: Rows) -> None:
    session, thing = act.session, thing_of(company)
    lost, told = _given_way(rows), _told_by_who_stays(act, company)
    freed: set[str] = set()
    taken: set[str] = set()
    with field_history.recording(session, act.origin, company) as done:
        for row in reversed(rows):
            if row.changed_at in lost and row.field != DOMAINS:
                continue  # it says what another company was called that became this one
            if row.field == DOMAINS:
                _put_back_domains(act, company, row, freed, taken)
            elif row.new in told:
                act.keep(thing, PEOPLE, row.field)
            elif not _put_back_value(act, company, row):
                act.keep(thing, CHANGED, row.field)
        company.name_key = company_key(company.name)
        session.flush()
    _tell(act, thing, done)
    for domain in sorted(freed):
        history.unlink_domain(session, domain)
    for domain in sorted(taken):
        history.link_domain(session, domain)
    company_records.index(session, company)


def _told_by_who_stays(act: Act, company: Company) -> set[str]:
    """What contacts say of their company that the run made and that stay with all that it said of them."""
    stay = [each.thing.id for each in act.effect.kept if each.thing.entity == CONTACT and not each.field]
    people = select(Contact).where(Contact.company_id == company.id, Contact.id.in_(stay))
    told: set[str] = set()
    for person in act.session.scalars(people):
        told |= {person.company_name.strip(), person.website}
        told |= {entry.city for entry in person.postal_addresses} | {entry.number for entry in person.phones}
    return told - {""}


def _tell(act: Act, thing: Thing, done: Iterable[FieldChange]) -> None:
    act.effect.put_back += [
        PutBack(thing, row.field, _shown(act, row.field, row.old), _shown(act, row.field, row.new)) for row in done
    ]


def _shown(act: Act, field: str, value: str) -> str:
    """A value as it is told: people, teams and companies by their names."""
    row = act.session.get(ASSIGNEES[field], int(value)) if field in ASSIGNED and value else None
    return str(getattr(row, "full_name", "") or row.name) if row is not None else value


def _put_back_value(act: Act, client: Contact | Company, row: FieldChange) -> bool:
    """Give a field with one value its old one where it says what the run made of it; whether it says the old one."""
    now = field_history.said(client)[row.field]
    if now == row.old:
        return True
    if now != row.new:
        return False
    if row.field in ASSIGNED:
        if row.old and act.session.get(ASSIGNEES[row.field], int(row.old)) is None:
            return False
        id_ = merged.survivor_id(act.session, "company", int(row.old or 0)) if row.field == "company" else row.old
        setattr(client, ASSIGNED[row.field], int(id_) if id_ else None)
    elif row.field == "archived":
        client.archived_at = datetime.fromisoformat(row.old) if row.old else None
    elif row.field == "merged":
        return False  # what became another one is not there any more
    elif row.field in SCALARS and isinstance(client, Contact):
        contact_data.set_scalars(client, {row.field: row.old})
    else:
        setattr(client, row.field, row.old)
    act.session.flush()
    return True


def _put_back_list(act: Act, contact: Contact, row: FieldChange) -> bool:
    """Take out the entries that the run added, and add those that it took out; whether the list has them so."""
    old, new = as_entries(row.old), as_entries(row.new)
    now = contact_data.entries(contact, row.field)
    if old is None or new is None:
        return False
    if now == new:
        wanted, is_done = old, True
    else:
        wanted, is_done = _without(row.field, now, _by_identity(row.field, old), _by_identity(row.field, new))
    contact_data.set_list(act.policy, contact, row.field, wanted)
    act.session.flush()
    return is_done


def _without(
    field: str, now: Iterable[Entry], old: Mapping[str, Entry], new: Mapping[str, Entry]
) -> tuple[list[Any], bool]:
    """What a list that was changed since becomes, and whether nothing of what the run did is left in it."""
    left = _by_identity(field, now)
    is_done = True
    for found in dict.fromkeys([*old, *new]):
        before, after, there = old.get(found), new.get(found), left.get(found)
        if before == after or there == before:
            continue
        if there != after:
            is_done = False
        elif before is None:
            del left[found]
        else:
            left[found] = before
    return list(left.values()), is_done


def _by_identity(field: str, entries: Iterable[Entry]) -> dict[str, Entry]:
    return {identity(field, entry): entry for entry in entries}


def _is_gone(act: Act, company_id: str) -> bool:
    """Whether a company has become another one, which left no row."""
    return bool(company_id) and act.session.get(Company, int(company_id)) is None


def _given_way(rows: Rows) -> set[datetime]:
    """When the names of companies were noted that became this one: known by a domain that it got with them."""
    domains = {domain for row in rows if row.field == DOMAINS for domain in _domains(row.new) - _domains(row.old)}
    return {row.changed_at for row in rows if row.field == "name" and row.old in domains}


def _put_back_domains(act: Act, company: Company, row: FieldChange, freed: set[str], taken: set[str]) -> None:
    session, old, new = act.session, _domains(row.old), _domains(row.new)
    here = {owned.domain: owned for owned in company.domains}
    for domain in sorted(new - old):
        person = ContactAddress.contact_id == Contact.id, Contact.company_id == company.id
        if domain in here and session.scalar(select(exists().where(ContactAddress.domain == domain, *person))):
            act.keep(thing_of(company), PEOPLE, DOMAINS)
        elif domain in here:
            company.domains.remove(here[domain])
            freed.add(domain)
    for domain in sorted(old - new - here.keys()):
        if session.get(CompanyDomain, domain) is None:
            company.domains.append(CompanyDomain(domain=domain))
            taken.add(domain)
        else:
            act.keep(thing_of(company), CHANGED, DOMAINS)
    session.flush()


def _domains(value: str) -> set[str]:
    return {domain for domain in value.split("; ") if domain}


def _make_former_company(act: Act, contact: Contact) -> None:
    """The company that was known by its domain alone, and that the run had found to be another one, is made anew."""
    session = act.session
    if contact.company_id is not None:
        return  # it was of the same company as another one
    for domain in sorted({entry.domain for entry in contact.addresses if entry.domain}):
        if session.get(CompanyDomain, domain) is None:
            owner = replace(act.origin, user_id=contact.owner_id, team_id=contact.team_id)
            made = Origin(
                owner.source,
                owner.user_id,
                owner.team_id,
                contact.created_by_mailbox_id,
                contact.created_by_run_id,
            )
            company = company_records.company_by_domain(session, made, domain)
            break
    else:
        return
    if contact.company_id is None:
        with field_history.recording(session, act.origin, contact):
            contact.company_id = company.id
        history.move_contact(session, contact.id, None, company.id)
