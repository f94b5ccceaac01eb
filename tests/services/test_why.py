"""Why something is here, and why something is not (Y4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from terracrm.domain.capture import message_hash
from terracrm.domain.records import Participant, Role
from terracrm.errors import NotFound
from terracrm.models import (
    Activity,
    Company,
    CompanyDomain,
    Contact,
    ContactAddress,
    Link,
    MirrorFolder,
    QuarantinedItem,
    SkippedItem,
    Stream,
    SyncRun,
)
from terracrm.services import topics, why
from terracrm.services.access import Viewer, operator
from terracrm.services.why import ActivityWhy, MissingWhy
from tests.office import Office
from tests.services.conftest import Viewers
from tests.services.postbox import START, Postbox, letter


@pytest.fixture
def postbox(session: Session) -> Postbox:
    made = Postbox(session)
    company = Company(name="Лавка", name_key="лавка", created_by_rule="mail_domain")
    company.domains = [CompanyDomain(domain="lavka.example")]
    contact = Contact(display_name="Ольга", name_key="ольга", company=company)
    contact.addresses = [ContactAddress(address="olga@lavka.example", written="", domain="lavka.example")]
    session.add(contact)
    session.flush()
    return made


def test_a_mail_tells_mailbox_folder_run_rule_and_how_each_person_was_matched(postbox: Postbox) -> None:
    postbox.arrive(letter("1", to="anna@office.test,ivan@lavka.example,who@nowhere.example"))
    postbox.arrive(letter("1"), mailbox="boris", folder="sentitems")
    found = why.mail(postbox.session, operator(), "<1@x>")
    assert isinstance(found, ActivityWhy)
    source = postbox.source("anna")
    assert (found.origin.mailbox, found.origin.run_id, found.origin.rule) == ("anna@office.test", source.run_id, "mail")
    assert found.origin.run_at is not None
    assert [(one.address, one.match_method) for one in found.people] == [
        ("olga@lavka.example", "address"), ("anna@office.test", "internal"),
        ("ivan@lavka.example", "domain"), ("who@nowhere.example", ""),
    ]  # fmt: skip
    assert [(copy.origin.mailbox, copy.folder, copy.match_method) for copy in found.copies] == [
        ("anna@office.test", "Inbox", "message_id"), ("boris@office.test", "sentitems", "message_id"),
    ]  # fmt: skip
    assert why.activity(postbox.session, operator(), found.id) == found
    link = why.link(postbox.session, operator(), found.copies[0].link_id)
    assert (link.entity, link.local_id, link.folder) == ("message", found.id, "Inbox")


@pytest.mark.parametrize("asked", ["1@x", "<1@x>", " < 1@x > "])
def test_a_message_id_is_asked_for_as_it_is_at_hand(postbox: Postbox, asked: str) -> None:
    postbox.arrive(letter("1"))
    assert isinstance(why.mail(postbox.session, operator(), asked), ActivityWhy)


def test_a_mail_tells_its_topics_and_how_it_came_by_them(postbox: Postbox) -> None:
    postbox.arrive(letter("1", sender="a@b.example"), letter("2", sender="a@b.example", answers="1"))
    contact = postbox.session.scalars(select(Contact.id)).one()
    topics.set_topic(postbox.session, operator(), postbox.id_of("1"), "contact", contact)
    found = why.mail(postbox.session, operator(), "2@x")
    assert isinstance(found, ActivityWhy)
    assert [(row.name, row.method, row.giver_id) for row in found.topics] == [("Ольга", "reply", postbox.id_of("1"))]


def skip(postbox: Postbox, name: str, mailbox: str, rule: str) -> None:
    source = postbox.source(mailbox)
    postbox.session.add(
        SkippedItem(
            folder_id=source.folder_id,
            remote_id=f"skipped-{name}-{mailbox}",
            run_id=source.run_id,
            rule=rule,
            message_hash=message_hash(f"<{name}@x>"),
            skipped_at=START,
        )
    )
    postbox.session.flush()


def test_a_mail_that_was_left_out_tells_by_which_rule_and_where(postbox: Postbox) -> None:
    skip(postbox, "1", "anna", "unknown_people")
    skip(postbox, "1", "boris", "private")
    found = why.mail(postbox.session, operator(), "<1@x>")
    assert isinstance(found, MissingWhy)
    assert [(s.origin.mailbox, s.folder, s.origin.rule, s.since) for s in found.skips] == [
        ("anna@office.test", "Inbox", "unknown_people", START), ("boris@office.test", "Inbox", "private", START),
    ]  # fmt: skip
    assert {s.origin.run_id for s in found.skips} == {postbox.source("anna").run_id, postbox.source("boris").run_id}


def test_a_mail_that_is_here_tells_which_mailboxes_left_it_out(postbox: Postbox) -> None:
    postbox.arrive(letter("1"))
    skip(postbox, "1", "boris", "unknown_people")
    found = why.mail(postbox.session, operator(), "1@x")
    assert isinstance(found, ActivityWhy)
    assert [one.origin.mailbox for one in found.skips] == ["boris@office.test"]
    of_anna = Viewer(5, "manager", None, frozenset({postbox.source("anna").mailbox_id}))
    assert why.activity(postbox.session, of_anna, found.id).skips == []


def test_a_mail_without_a_message_id_was_left_out_by_nobody(postbox: Postbox) -> None:
    skip(postbox, "1", "anna", "draft")
    postbox.session.execute(update(SkippedItem).values(message_hash=""))
    postbox.arrive(letter("2", message_id=""))
    found = postbox.session.scalars(select(Activity.id)).one()
    shown = why.activity(postbox.session, operator(), found)
    assert (shown.skips, shown.copies[0].match_method) == ([], "hash")


def test_an_unknown_mail_tells_what_was_read_and_what_could_not_be(postbox: Postbox) -> None:
    session, source = postbox.session, postbox.source("anna")
    stream = session.scalars(select(Stream).where(Stream.mailbox_id == source.mailbox_id)).one()
    stream.last_success_at, stream.state, stream.mailbox.is_enabled = START, "ok", True
    stream.folders.append(MirrorFolder(remote_id="junk", path="Junk", is_excluded=True))
    postbox.source("boris")
    session.add(
        QuarantinedItem(
            folder_id=source.folder_id, remote_id="sick", error="cannot be read", next_try_at=START + timedelta(days=1)
        )
    )
    session.flush()
    found = why.mail(session, operator(), "<never@seen>")
    assert isinstance(found, MissingWhy)
    assert [(r.mailbox, r.is_read, r.until, r.folders, r.unread_folders) for r in found.readings] == [
        ("anna@office.test", True, START, 1, 1), ("boris@office.test", False, None, 1, 0),
    ]  # fmt: skip
    assert [(s.mailbox, s.error) for s in found.sick] == [("anna@office.test", "cannot be read")]


def test_a_client_tells_what_made_it_known_and_its_cards(postbox: Postbox) -> None:
    session, source = postbox.session, postbox.source("anna")
    contact = session.scalars(select(Contact)).one()
    contact.created_by_mailbox_id, contact.created_by_run_id = source.mailbox_id, source.run_id
    contact.created_by_rule = "contacts_folder"
    session.add(
        Link(
            mailbox_id=source.mailbox_id, folder_id=source.folder_id, entity="contact", local_id=contact.id,
            remote_id="card", run_id=source.run_id, rule="contacts_folder", match_method="address",
        )
    )  # fmt: skip
    session.flush()
    found = why.client(session, operator(), "contact", contact.id)
    assert (found.origin.mailbox, found.origin.run_id, found.origin.rule) == (
        "anna@office.test", source.run_id, "contacts_folder",
    )  # fmt: skip
    assert [(card.entity, card.match_method) for card in found.cards] == [("contact", "address")]
    company = why.client(session, operator(), "company", contact.company_id or 0)
    assert (company.domains, company.origin.rule, len(company.cards)) == (["lavka.example"], "mail_domain", 1)


def test_a_run_that_is_no_longer_kept_leaves_its_number(postbox: Postbox) -> None:
    postbox.arrive(letter("1"))
    session = postbox.session
    session.delete(session.scalars(select(SyncRun)).one())
    session.flush()
    found = why.activity(session, operator(), postbox.id_of("1"))
    assert found.origin.run_id is not None
    assert found.origin.run_at is None


def test_why_is_told_to_those_who_may_see_the_thing(office: Office, viewer: Viewers) -> None:
    session = office.session
    question = office.activities["question"].id
    maria = office.contacts["maria@market.example"].id
    assert why.activity(session, viewer("anna"), question).people
    with pytest.raises(NotFound):
        why.activity(session, viewer("boris"), question)
    told = why.activity(session, viewer("admin"), question)
    assert (told.people, told.topics) == ([], [])
    assert told.copies
    assert why.client(session, viewer("anna"), "contact", maria).name == "Мария Иванова"
    for entity in ("contact", "company"):
        with pytest.raises(NotFound):
            why.client(session, viewer("boris"), entity, maria)
    with pytest.raises(NotFound):
        why.client(session, viewer("anna"), "user", 1)


def test_a_blind_copy_is_not_given_away(postbox: Postbox) -> None:
    sent = letter("1", sender="anna@office.test", to="olga@lavka.example")
    blind = Participant(Role.BCC, "boris@office.test")
    postbox.arrive(replace(sent, participants=(*sent.participants, blind)), folder="sentitems")
    postbox.arrive(sent, mailbox="boris")

    def mailboxes(viewer: Viewer) -> list[str]:
        found = why.activity(postbox.session, viewer, postbox.id_of("1"))
        return [copy.origin.mailbox for copy in found.copies]

    assert mailboxes(operator()) == ["anna@office.test", "boris@office.test"]
    assert mailboxes(Viewer(99, "manager")) == ["anna@office.test"]
