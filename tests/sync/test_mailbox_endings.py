"""Disconnect, reconnect, purge: what goes, what stays, and that nothing is doubled (S15, S13)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from sync import claims
from terracrm.domain.records import AttachmentInfo, LabelledAddress, Phone
from terracrm.errors import InvalidInput
from terracrm.models import (
    Activity,
    ActivityMailbox,
    AttachmentContent,
    AuditEntry,
    Base,
    Company,
    Contact,
    FieldChange,
    Mailbox,
    Meeting,
    OutboxItem,
    Stream,
    SyncRun,
    utcnow,
)
from terracrm.services import mailbox_endings, mailboxes, purges
from terracrm.services.purges import Purged
from tests.sync.clients_office import ClientsOffice
from tests.sync.conftest import DOMAIN, Office
from tests.sync.items import contact, mail, meeting

SQLITE_FIRST = True

HOUR = timedelta(hours=1)
KINDS = ("contacts", "calendar", "mail")


def everything(office: Office, *names: str) -> None:
    """Run all streams of these mailboxes."""
    for name in names or ("anna", "boris"):
        for kind in KINDS:
            assert office.run(name, kind).state == "ok"


def mailbox_id(office: Office, name: str = "anna") -> int:
    with office.sessions() as session:
        return mailboxes.get(session, f"{name}@{DOMAIN}").id


def purge(office: Office, name: str = "anna") -> Purged:
    """Purge a mailbox, and check that what is done is what was told, and that telling changes nothing."""
    before = dump(office)
    told = purges.preview(office.settings, office.sessions, mailbox_id(office, name))
    assert dump(office) == before
    done = purges.purge(office.settings, office.sessions, mailbox_id(office, name), None, claims.is_free)
    assert done == told
    after = dump(office)
    assert len(before["contacts"]) - len(after["contacts"]) == done.contacts
    assert len(before["companies"]) - len(after["companies"]) == done.companies
    assert len(before["messages"]) - len(after["messages"]) == done.mails
    assert len(before["attachment_contents"]) - len(after["attachment_contents"]) == done.attachments
    return done


def disconnect(office: Office, name: str = "anna") -> mailbox_endings.Disconnection:
    with office.sessions.begin() as session:
        return mailbox_endings.disconnect(session, mailboxes.get(session, f"{name}@{DOMAIN}"), None, claims.is_free)


def reconnect(office: Office, name: str = "anna") -> list[mailbox_endings.Resumption]:
    with office.sessions.begin() as session:
        mailbox = mailboxes.get(session, f"{name}@{DOMAIN}")
        return mailbox_endings.reconnect(session, mailbox, None, password_file=office.password_file)


def dump(office: Office) -> dict[str, list[str]]:
    """All that is stored."""
    with office.sessions() as session:
        return {
            table.name: sorted(map(repr, session.execute(select(table)).all())) for table in Base.metadata.sorted_tables
        }


def story(office: Office) -> dict[str, list[object]]:
    """What is told, without ids: people, companies, history with whom it is about and who holds it."""
    with office.sessions() as session:
        boxes = {row.id: row.address for row in session.scalars(select(Mailbox))}
        held: dict[int, set[str]] = {}
        for activity_id, box in session.execute(select(ActivityMailbox.activity_id, ActivityMailbox.mailbox_id)):
            held.setdefault(activity_id, set()).add(boxes[box])
        people = {row.id: row for row in session.scalars(select(Contact))}
        firms = {row.id: row for row in session.scalars(select(Company))}
        return {
            "people": sorted(
                repr(
                    (
                        row.display_name,
                        row.job_title,
                        row.notes,
                        row.company_name,
                        row.company.name if row.company else "",
                        sorted(entry.address for entry in row.addresses),
                        sorted(entry.number for entry in row.phones),
                        boxes.get(row.created_by_mailbox_id or 0),
                    )
                )
                for row in people.values()
            ),
            "companies": sorted(repr((row.name, sorted(d.domain for d in row.domains))) for row in firms.values()),
            "history": sorted(
                repr(
                    (
                        row.kind,
                        row.subject,
                        row.occurred_at,
                        row.direction,
                        row.is_matched,
                        boxes.get(row.mailbox_id or 0),
                        sorted(held.get(row.id, set())),
                        sorted(
                            (
                                str(p.role),
                                p.address,
                                people[p.contact_id].display_name if p.contact_id else "",
                                firms[p.company_id].name if p.company_id else "",
                                p.match_method,
                            )
                            for p in row.participants
                        ),
                    )
                )
                for row in session.scalars(select(Activity))
            ),
            "meetings": sorted(
                repr((row.uid, row.occurrence, row.location)) for row in session.scalars(select(Meeting))
            ),
        }  # fmt: skip


Fill = Callable[[Office], None]


def shared_mail(office: Office) -> None:
    both = mail("Обоим", "olga@lavka.example", "anna@office.test,boris@office.test")
    for name in ("boris", "anna"):
        office.server.put(office.folder(name, "Inbox"), both)
    office.server.put(office.folder("anna", "Inbox"), mail("Анне", "petr@opt.example"))


def whom_both_wrote_to(office: Office) -> None:
    for name in ("anna", "boris"):
        sent = mail(f"От {name}", f"{name}@office.test", "olga@lavka.example")
        office.server.put(office.folder(name, "Sent Items"), sent)
    office.server.put(office.folder("anna", "Sent Items"), mail("Своему", "anna@office.test", "petr@opt.example"))


def both_have_a_card(office: Office) -> None:
    mine = contact(
        job_title="Директор",
        notes="любит чай",
        emails=(LabelledAddress("1", "olga@lavka.example"), LabelledAddress("2", "olga@mail.ru")),
        phones=(Phone("home", "+7 916 555-03-04"),),
    )
    office.server.put(office.folder("anna", "Contacts"), mine)
    office.server.put(office.folder("boris", "Contacts"), contact())
    office.server.put(office.folder("boris", "Inbox"), mail("Домашний", "olga@mail.ru", "boris@office.test"))


def anna_has_a_card_and_boris_wrote(office: Office) -> None:
    office.server.put(office.folder("anna", "Contacts"), contact("Olga", notes="тайна"))
    sent = mail("Заказ", "boris@office.test", "olga@lavka.example")
    office.server.put(office.folder("boris", "Sent Items"), sent)


def anna_knows_who_wrote_to_boris(office: Office) -> None:
    office.server.put(office.folder("anna", "Contacts"), contact())
    office.server.put(office.folder("boris", "Inbox"), mail("Вопрос", to="boris@office.test"))


def colleagues_of_one_company(office: Office) -> None:
    office.server.put(office.folder("anna", "Contacts"), contact("Пётр", "petr@opt.example"))
    office.server.put(office.folder("boris", "Contacts"), contact("Ольга", "olga@lavka.example"))
    office.server.put(office.folder("boris", "Inbox"), mail("Опт", "x@opt.example", "boris@office.test"))


def meetings(office: Office) -> None:
    ours = meeting("Общая", location="Офис")
    office.server.put(office.folder("anna", "Calendar"), ours)
    office.server.put(office.folder("boris", "Calendar"), meeting("Общая", location="Склад", is_organizer=False))
    office.server.put(office.folder("anna", "Calendar"), meeting("Своя"))


def strands(office: Office) -> None:
    first = mail("Цены", "olga@lavka.example", "anna@office.test")
    answer = mail("Re: Цены", "olga@lavka.example", "boris@office.test", in_reply_to="<Цены@test>")
    office.server.put(office.folder("anna", "Inbox"), first)
    office.server.put(office.folder("boris", "Inbox"), answer)


FILLS: dict[str, Fill] = {
    fill.__name__: fill
    for fill in (
        shared_mail,
        whom_both_wrote_to,
        both_have_a_card,
        anna_has_a_card_and_boris_wrote,
        anna_knows_who_wrote_to_boris,
        colleagues_of_one_company,
        meetings,
        strands,
    )
}


@pytest.mark.parametrize("name", list(FILLS))
@pytest.mark.parametrize("order", [("anna", "boris"), ("boris", "anna")], ids=" ".join)
def test_what_is_left_is_what_the_other_mailbox_alone_would_have_told(
    office: Office, name: str, order: tuple[str, ...]
) -> None:
    FILLS[name](office)
    everything(office, "boris")
    alone = story(office)
    purge(office, "boris")
    assert not any(story(office).values())
    reconnect(office, "boris")
    everything(office, *order)
    purge(office)
    assert story(office) == alone


def test_of_three_mailboxes_two_go_on_telling_what_they_share(office: Office) -> None:
    office.add("vera")
    names = ("anna", "boris", "vera")
    everyone = mail("Всем", "olga@lavka.example", ",".join(f"{name}@{DOMAIN}" for name in names))
    for name in names:
        office.server.put(office.folder(name, "Inbox"), everyone)
        office.server.put(office.folder(name, "Calendar"), meeting("Общая", is_organizer=name == "anna"))
    office.server.put(office.folder("vera", "Contacts"), contact())
    office.server.put(office.folder("anna", "Contacts"), contact(job_title="Директор"))
    everything(office, "boris", "vera")
    without_anna = story(office)
    everything(office, "anna")
    assert story(office) != without_anna
    done = purge(office)
    assert story(office) == without_anna
    assert (done.mails, done.mails_stay, done.meetings, done.meetings_stay) == (0, 1, 0, 1)
    assert (done.contacts, done.contacts_stay) == (0, 1)
    purge(office, "vera")
    purge(office, "boris")
    assert not any(story(office).values())


def test_whom_somebody_changed_stays_without_what_only_the_card_said(office: Office, session: Session) -> None:
    office.server.put(office.folder("anna", "Contacts"), contact(notes="любит чай"))
    office.server.put(office.folder("anna", "Contacts"), contact("Пётр", "petr@opt.example", company_name="Опт"))
    everything(office)
    person = session.scalars(select(Contact).where(Contact.display_name == "Ольга Лаврова")).one()
    change = FieldChange(entity="contact", entity_id=person.id, field="stage", new="горячий", source="portal")
    person.stage = "горячий"
    session.add(change)
    session.commit()
    done = purge(office)
    assert (done.contacts, done.contacts_stay, done.companies) == (1, 1, 2)
    session.expire_all()
    left = session.scalars(select(Contact)).one()
    assert (left.id, left.stage, left.notes, left.phones) == (person.id, "горячий", "", [])
    assert left.created_by_mailbox_id is None
    assert purge(office).contacts_stay == 0


def test_a_fetched_attachment_goes_unless_another_mail_has_it(office: Office) -> None:
    office.settings.mirror.attachments = "all"
    for name, subject, content in (("anna", "Своё", b"one"), ("anna", "Моё", b"both"), ("boris", "Его", b"both")):
        item = office.server.put(office.folder(name, "Inbox"), mail(subject, to=f"{name}@office.test"))
        office.server.attach(item, AttachmentInfo("", "price.txt", "text/plain", len(content)), content)
    everything(office)
    assert purge(office).attachments == 1
    with office.sessions() as session:
        assert session.scalars(select(AttachmentContent.data)).all() == [b"both"]


def test_a_purged_mailbox_leaves_no_row_and_can_be_read_again(office: Office) -> None:
    for fill in FILLS.values():
        fill(office)
    everything(office, "anna")
    full = story(office)
    purge(office)
    left = {name for name, rows in dump(office).items() if rows}
    assert left <= {"roles", "mailboxes", "streams", "audit_log"}
    reconnect(office)
    everything(office, "anna")
    assert story(office) == full


class Killed(Exception):
    """The process ends here."""


def _is_killed(office: Office, after: int) -> bool:
    """Purge, and kill that after so many commits, if there are so many."""
    left = after

    def kill(session: Session) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1

    event.listen(Session, "before_commit", kill)
    try:
        purges.purge(office.settings, office.sessions, mailbox_id(office), None, claims.is_free)
    except Killed:
        return True
    finally:
        event.remove(Session, "before_commit", kill)
    return False


def test_a_purge_that_is_killed_at_any_commit_is_finished_by_the_next(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purges, "ITEMS_AT_ONCE", 2)
    monkeypatch.setattr(purges, "CLIENTS_AT_ONCE", 1)
    for fill in FILLS.values():
        fill(office)
    everything(office, "boris")
    alone = story(office)
    everything(office, "anna")
    kills = 0
    while _is_killed(office, after=kills):
        kills += 1
    assert kills > 5
    assert story(office) == alone


def test_nothing_begins_while_the_mailbox_is_read(office: Office) -> None:
    shared_mail(office)
    everything(office)
    with office.sessions.begin() as session:
        mine = Stream.mailbox_id == mailbox_id(office), Stream.kind == "mail"
        session.execute(update(Stream).where(*mine).values(claim=claims.new_claim(), claimed_until=utcnow() + HOUR))
    before = dump(office)
    with pytest.raises(InvalidInput, match="just now"):
        disconnect(office)
    with pytest.raises(InvalidInput, match="just now"):
        purges.purge(office.settings, office.sessions, mailbox_id(office), None, claims.is_free)
    assert dump(office) == before


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_a_mailbox_that_is_connected_again_goes_on_and_doubles_nothing(office: Office, is_forgotten: bool) -> None:
    for fill in FILLS.values():
        fill(office)
    everything(office)
    before = story(office)
    told = disconnect(office)
    assert told.entries
    assert story(office) == before
    with office.sessions() as session:
        mailbox = mailboxes.get(session, f"anna@{DOMAIN}")
        assert (mailbox.is_enabled, mailbox.password_file, mailbox.password_encrypted) == (False, "", "")
        with pytest.raises(InvalidInput, match="reconnect"):
            mailboxes.enable(session, mailbox)
    with pytest.raises(InvalidInput, match="already"):
        disconnect(office)
    office.server.put(office.folder("anna", "Inbox"), mail("Новое"))
    if is_forgotten:
        office.server.expire_cursors()
    assert all(each.since and each.folders for each in reconnect(office))
    everything(office)
    after = story(office)
    assert len(after["history"]) == len(before["history"]) + 1
    assert after["people"] == before["people"]
    with pytest.raises(InvalidInput, match="not disconnected"):
        reconnect(office)


def test_what_was_owed_is_dropped_and_written_when_it_is_connected_again(office: Office) -> None:
    clients = ClientsOffice(office)
    olga = clients.client("Olga Petrova")
    clients.settled()
    clients.change(olga, job_title="Director")
    told = disconnect(office)
    assert (told.owed, told.unknown, told.cards) == (1, 0, 1)
    assert not clients.owed()
    reconnect(office)
    clients.later()
    clients.settled()
    assert clients.cards()["Olga Petrova"].job_title == "Director"
    assert len(clients.links()) == 1


def test_a_creation_that_may_have_got_through_is_remembered(office: Office, session: Session) -> None:
    box = mailbox_id(office)
    begun = OutboxItem(mailbox_id=box, entity="task", local_id=1, key="abc", sent={"subject": "x"})
    removing = OutboxItem(mailbox_id=box, entity="contact", local_id=2, sent={"removing": "id"})
    session.add_all([begun, removing, OutboxItem(mailbox_id=box, entity="contact", local_id=3)])
    session.commit()
    told = disconnect(office)
    assert (told.owed, told.unknown) == (1, 2)
    assert sorted(session.scalars(select(OutboxItem.local_id))) == [1, 2]


def test_a_purge_leaves_cards_in_outlook_and_they_are_taken_up_again(office: Office) -> None:
    clients = ClientsOffice(office)
    clients.client("Olga Petrova")
    clients.settled()
    done = purge(office)
    assert (done.cards, done.contacts) == (1, 0)
    assert list(clients.cards()) == ["Olga Petrova"]
    assert not clients.links()
    reconnect(office)
    with office.sessions.begin() as session:
        session.execute(update(Stream).where(Stream.kind == "contacts").values(direction="both"))
    clients.settled()
    assert list(clients.cards()) == ["Olga Petrova"]


def test_each_end_is_in_the_audit_log(office: Office, session: Session) -> None:
    disconnect(office)
    reconnect(office)
    purge(office)
    acts = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert acts == ["mailbox.disconnect", "mailbox.reconnect", "mailbox.purge", "mailbox.purge.done"]
    assert not session.scalars(select(SyncRun)).all()
