"""A shared mailbox belongs to a team and is nobody's in particular (S16)."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.domain.records import LabelledAddress
from terracrm.models import Activity, Company, Contact, Mailbox, Participant, User
from terracrm.services import access, mailboxes, teams
from tests.sync.conftest import Office
from tests.sync.items import contact, mail

# One database is enough for these.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ORDERS = "orders@office.test"


@pytest.fixture
def shared(office: Office) -> Office:
    """Anna of the North, Boris of the South, and the mailbox of the North's orders."""
    office.add("orders", team="North")
    with office.sessions.begin() as session:
        for name, team in (("anna", "North"), ("boris", "South")):
            user = User(name=name, full_name=name, email=f"{name}@office.test", role_code="manager", password_hash="x")
            user.team = teams.named(session, team)
            session.add(user)
            session.flush()
            mailboxes.give(session, mailboxes.get(session, f"{name}@office.test"), user=name)
    return office


def owners(session: Session, client: type[Contact] | type[Company]) -> set[tuple[str | None, str | None]]:
    """Whose the clients are: person and team."""
    session.expire_all()
    rows = session.scalars(select(client)).all()
    return {(row.owner.name if row.owner else None, row.team.name if row.team else None) for row in rows}


def sees(session: Session, name: str) -> set[str]:
    """The subjects that a user may read."""
    viewer = access.viewer_of(session, session.scalars(select(User).where(User.name == name)).one())
    return set(session.scalars(select(Activity.subject).where(access.readable_activities(viewer))))


def test_clients_found_through_it_are_the_teams(shared: Office, session: Session) -> None:
    shared.server.put(shared.folder("orders", "Sent Items"), mail("Счёт", ORDERS, "petr@opt.example"))
    shared.server.put(shared.folder("orders", "Contacts"), contact())
    for kind in ("contacts", "mail"):
        shared.run("orders", kind)
    assert owners(session, Contact) == {(None, "North")}
    assert owners(session, Company) == {(None, "North")}


def test_what_it_holds_is_read_by_the_team_and_by_nobody_else_when_it_is_kept_private(
    shared: Office, session: Session
) -> None:
    mailboxes.get(session, ORDERS).sharing = 0
    session.commit()
    shared.server.put(shared.folder("orders", "Inbox"), mail("Заказ", to=ORDERS))
    shared.run("orders", "mail")
    assert (sees(session, "anna"), sees(session, "boris")) == ({"Заказ"}, set())


@pytest.mark.parametrize("order", [("anna", "orders", "boris"), ("boris", "orders", "anna")])
def test_several_people_answer_as_it_and_all_that_is_what_we_said(
    shared: Office, session: Session, order: tuple[str, ...]
) -> None:
    for name in ("anna", "boris"):
        answer = mail(f"Ответ {name}", ORDERS, "petr@opt.example")
        shared.server.put(shared.folder(name, "Sent Items"), answer)
        shared.server.put(shared.folder("orders", "Inbox"), answer)
    shared.server.put(shared.folder("orders", "Inbox"), mail("Вопрос", "petr@opt.example", ORDERS))
    for name in order:
        shared.run(name, "mail")
    directions = dict(session.execute(select(Activity.subject, Activity.direction)).all())
    assert directions == {"Ответ anna": "out", "Ответ boris": "out", "Вопрос": "in"}
    from_us = session.scalars(select(Participant.match_method).where(Participant.address == ORDERS))
    assert set(from_us) == {"internal"}


def test_who_answers_as_it_answers_for_us_even_when_no_domain_is_ours(shared: Office, session: Session) -> None:
    shared.settings.mirror.internal_domains = []
    shared.settings.mirror.create_contacts = "off"
    shared.server.put(shared.folder("anna", "Sent Items"), mail("Ответ", ORDERS, "petr@opt.example"))
    shared.run("anna", "mail")
    assert session.scalars(select(Activity.direction)).all() == ["out"]


def test_an_answer_to_what_a_colleague_wrote_as_it_is_a_reply_to_us(shared: Office, session: Session) -> None:
    mailboxes.get(session, ORDERS).capture = "replies"
    session.commit()
    answer = mail("Спасибо", "petr@opt.example", ORDERS, in_reply_to="<Счёт@test>")
    shared.server.put(shared.folder("orders", "Inbox"), answer)
    shared.run("orders", "mail")
    shared.server.put(shared.folder("boris", "Sent Items"), mail("Счёт", ORDERS, "petr@opt.example"))
    shared.run("boris", "mail")
    shared.run("orders", "mail")
    assert set(session.scalars(select(Activity.subject))) == {"Счёт", "Спасибо"}


def test_given_to_another_team_it_is_read_by_that_one_and_finds_clients_for_it(
    shared: Office, session: Session
) -> None:
    shared.server.put(shared.folder("orders", "Sent Items"), mail("Счёт", ORDERS, "petr@opt.example"))
    shared.run("orders", "mail")
    mailboxes.give(session, mailboxes.get(session, ORDERS), team="South")
    session.commit()
    person = contact("Новая", "new@else.example", company_name="", emails=(LabelledAddress("1", "new@else.example"),))
    shared.server.put(shared.folder("orders", "Contacts"), person)
    shared.run("orders", "contacts")
    assert owners(session, Contact) == {(None, "North"), (None, "South")}
    assert sees(session, "boris") == {"Счёт"}


def test_a_mailbox_of_nobody_finds_clients_that_belong_to_nobody(shared: Office, session: Session) -> None:
    mailboxes.give(session, mailboxes.get(session, ORDERS))
    session.commit()
    shared.server.put(shared.folder("orders", "Contacts"), contact())
    shared.run("orders", "contacts")
    assert owners(session, Contact) == {(None, None)}
    box = session.scalars(select(Mailbox).where(Mailbox.address == ORDERS)).one()
    assert (box.user, box.team) == (None, None)
