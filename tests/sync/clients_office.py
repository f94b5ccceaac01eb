"""The office with its clients in Outlook: contacts that belong to Anna, and what her mailbox shows of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from sync.run import Summary
from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.names import name_key
from terracrm.domain.records import ContactRecord, Folder
from terracrm.models import Contact, ContactAddress, ContactPhone, Link, Mailbox, OutboxItem, Stream, Team, User, utcnow
from terracrm.services import contact_data, mailboxes, outbox
from terracrm.services.field_history import PORTAL, Origin

if TYPE_CHECKING:
    from tests.sync.conftest import Office  # which makes this office a fixture

CLIENTS = "Contacts/TerraCRM Clients"
CARDS = 8


class ClientsOffice:
    """Anna's mailbox with the clients' folder switched on; Boris is a colleague whose mailbox is only read."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.server = office.server
        with office.sessions.begin() as session:
            for name in ("anna", "boris"):
                user = User(name=name, role_code="manager", email=office.address(name), language="en")
                mailboxes.get(session, office.address(name)).user = user
            stream_of(session).direction = "both"

    @contextmanager
    def crm(self) -> Iterator[Session]:
        """A transaction of somebody who works in the CRM."""
        with self.office.sessions.begin() as session:
            yield session

    def client(self, name: str, owner: str | None = "anna", phone: str = "", **fields: object) -> int:
        """A new client with the address of its first name; returns its id."""
        with self.crm() as session:
            owner_id = session.scalars(select(User.id).where(User.name == owner)).one() if owner else None
            made = Contact(display_name=name, name_key=name_key(name), owner_id=owner_id, **fields)
            address = f"{name.split()[0].lower()}@client.test"
            made.addresses.append(ContactAddress(address=address, written=address, label="1"))
            if phone:
                made.phones.append(ContactPhone(number=phone, label="mobile"))
            session.add(made)
            session.flush()
            return made.id

    def change(self, contact_id: int, **fields: object) -> None:
        """Somebody changes a client in the CRM."""
        with self.crm() as session:
            contact = session.get_one(Contact, contact_id)
            for name, value in fields.items():
                setattr(contact, name, value)
            outbox.touch_contacts(session, [contact_id], "changed")

    def work_at(self, contact_id: int, **values: Any) -> None:
        """Somebody changes a client in the portal."""
        policy = self.office.settings.mirror
        domains = DomainPolicy.of(policy.internal_domains, policy.free_mail_domains)
        with self.crm() as session:
            contact_data.change(session, Origin(PORTAL), domains, session.get_one(Contact, contact_id), values)

    def choose(self, name: str = "anna", **values: Any) -> None:
        """The administrator changes the rules of a mailbox."""
        with self.crm() as session:
            for field, value in values.items():
                setattr(stream_of(session, name), field, value)

    def become_a_team(self) -> None:
        """Anna and Boris work in one team."""
        with self.crm() as session:
            team = Team(name="Sales")
            for user in session.scalars(select(User)):
                user.team = team

    def run(self, name: str = "anna") -> Summary:
        """Run the contacts of a mailbox."""
        return self.office.run(name, "contacts")

    def settled(self, name: str = "anna") -> Summary:
        """Run it, and once more, when nothing may be left to be written."""
        summary = self.run(name)
        self.later()
        before = self.server.writes
        again = self.run(name)
        assert (self.server.writes, again.counts.written, again.counts.updated) == (before, 0, 0)
        assert again.state == "ok"
        assert not self.owed()
        return summary

    def folder(self, path: str = CLIENTS, name: str = "anna") -> Folder:
        """A folder of a mailbox."""
        return self.office.folder(name, path)

    def cards(self, path: str = CLIENTS, name: str = "anna") -> dict[str, ContactRecord]:
        """What the clients' folder shows, by name; fails where two have the same name."""
        items = [item for item in self.server._box(self.folder(path, name)).items.values() if not item.is_deleted]
        found = {item.record.display_name: item.record for item in items if isinstance(item.record, ContactRecord)}
        assert len(found) == len(items), "a card is there twice"
        return found

    def item(self, name: str, path: str = CLIENTS) -> str:
        """The id of a card."""
        items = self.server._box(self.folder(path)).items.values()
        return next(i.remote_id for i in items if not i.is_deleted and i.record.display_name == name)  # type: ignore[union-attr]

    def edit(self, remote_id: str, **fields: object) -> None:
        """Anna changes a card in Outlook."""
        record = self.server._item(remote_id).record
        assert isinstance(record, ContactRecord)
        self.server.change(remote_id, replace(record, **fields))  # type: ignore[arg-type]

    def owed(self) -> list[OutboxItem]:
        """What is to be written or was given up, in the order of its things; not what only time may change."""
        with self.office.sessions() as session:
            found = select(OutboxItem).where(OutboxItem.reason != outbox.TIME)
            return list(session.scalars(found.order_by(OutboxItem.local_id)))

    def links(self) -> list[Link]:
        """The links of cards, those that are gone included."""
        with self.office.sessions() as session:
            return list(session.scalars(select(Link).where(Link.rule == outbox.CLIENTS).order_by(Link.id)))

    def later(self) -> None:
        """Time passes until every next try."""
        with self.crm() as session:
            for item in session.scalars(select(OutboxItem)):
                item.next_try_at = utcnow() - timedelta(seconds=1)


def stream_of(session: Session, name: str = "anna", kind: str = "contacts") -> Stream:
    """A stream of a mailbox."""
    mine = Mailbox.address.startswith(f"{name}@"), Stream.kind == kind
    return session.scalars(select(Stream).join(Stream.mailbox).where(*mine)).one()
