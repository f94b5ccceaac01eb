"""What must not be told, or not be kept: blind copies, clients of others, and mail that became private (S4, A2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.records import MessageRecord, Participant, Role
from terracrm.errors import NotFound
from terracrm.models import Contact, ContactAddress, Mailbox, MergeMove, Message, User
from terracrm.services import access, mail_detail, merge_list, merges, messages, sender_decisions, tray, why
from terracrm.services.access import Viewer, operator
from terracrm.services.sender_decisions import NewContact
from tests.services.postbox import OURS, Postbox, letter

SETTINGS = Settings(mirror={"internal_domains": [OURS]})  # type: ignore[arg-type]
NAMES = ("anna", "boris")
POLICY = DomainPolicy.of([OURS], [])


@pytest.fixture
def postbox(session: Session) -> Postbox:
    return Postbox(session)


def manager(session: Session, name: str) -> Viewer:
    made = User(name=name, full_name=name, email=f"{name}@{OURS}", role_code="manager", password_hash="")
    session.add(made)
    session.flush()
    if mailbox := session.scalar(select(Mailbox).where(Mailbox.address == made.email)):
        mailbox.user_id = made.id
        session.flush()
    return access.viewer_of(session, made)


def client(session: Session, name: str, owner: Viewer) -> Contact:
    made = Contact(display_name=name, name_key=name.casefold(), owner_id=owner.user_id)
    session.add(made)
    session.flush()
    return made


@pytest.mark.parametrize("is_named", [True, False])
def test_why_does_not_name_the_mailbox_of_a_blind_copy_that_brought_a_mail_first(
    postbox: Postbox, is_named: bool
) -> None:
    seen = (Participant(Role.FROM, "olga@lavka.example"), Participant(Role.TO, f"anna@{OURS}"))
    blind = (*seen, Participant(Role.BCC, f"boris@{OURS}"))
    postbox.arrive(letter("1", participants=blind if is_named else seen), mailbox="boris")
    postbox.arrive(letter("1", participants=seen), mailbox="anna")
    told = {}
    for name in ("anna", "boris"):
        found = why.activity(postbox.session, manager(postbox.session, name), postbox.id_of("1"))
        told[name] = (found.origin.mailbox, [copy.origin.mailbox for copy in found.copies])
    assert told["anna"] == (f"anna@{OURS}", [f"anna@{OURS}"])
    assert told["boris"] == (f"boris@{OURS}", [f"anna@{OURS}", f"boris@{OURS}"])


def test_a_page_tells_how_a_mailbox_files_a_mail_to_its_owner_only(postbox: Postbox) -> None:
    seen = (Participant(Role.FROM, "olga@lavka.example"), *(Participant(Role.TO, f"{n}@{OURS}") for n in NAMES))
    for name in NAMES:
        postbox.arrive(letter("1", participants=seen, categories=(f"Личное {name}",)), mailbox=name)
    page = messages.page(postbox.session, manager(postbox.session, "anna"), postbox.id_of("1"))
    theirs = {copy.mailbox: (bool(copy.folder), copy.categories) for copy in page.copies}
    assert theirs == {f"anna@{OURS}": (True, ["Личное anna"]), f"boris@{OURS}": (False, [""])}


def signed(name: str, sender: str) -> MessageRecord:
    text = "Добрый день!\n\nС уважением,\nОльга Петрова\nглавный бухгалтер\n+7 495 111-22-33\n"
    return letter(name, sender=sender, body_text=text)


def withdraw(postbox: Postbox) -> None:
    postbox.withdraw("secret")


def keep_headers_only(postbox: Postbox) -> None:
    mail_detail.cut(postbox.session, [postbox.id_of("secret")])


@pytest.mark.parametrize("withdrawn", [withdraw, keep_headers_only])
def test_a_merge_remembers_nothing_that_a_withdrawn_mail_said(
    postbox: Postbox, withdrawn: Callable[[Postbox], None]
) -> None:
    session = postbox.session
    ids = []
    for name, sender in (("secret", "olga@lavka.example"), ("other", "olga@home.example")):
        postbox.arrive(signed(name, sender))
        sender_decisions.decide(session, POLICY, operator(), sender, NewContact("Ольга Петрова"))
        ids += session.scalars(select(ContactAddress.contact_id).where(ContactAddress.address == sender))
    made = merges.merge(session, operator(), "contact", ids[1], ids[0])
    secret, kept = postbox.id_of("secret"), "бухгалтер"
    assert any(kept in str(move.before) for move in session.scalars(select(MergeMove)))
    withdrawn(postbox)
    session.expire_all()
    moves = session.scalars(select(MergeMove)).all()
    assert not any(kept in str(move.before) for move in moves)
    is_here = session.get(Message, secret) is not None
    assert any(move.kind == "participant" and move.row_id == secret for move in moves) == is_here
    merges.undo(session, SETTINGS, operator(), made.id)


def test_an_undone_merge_does_not_tell_what_a_client_of_others_is_called_now(session: Session) -> None:
    anna, boris = manager(session, "anna"), manager(session, "boris")
    mine, other = client(session, "Моя", anna), client(session, "Другая", anna)
    made = merges.merge(session, anna, "contact", mine.id, other.id)
    assert merge_list.page(session, anna, made.id).loser == "Другая"
    merges.undo(session, SETTINGS, anna, made.id)
    assert merge_list.page(session, anna, made.id).loser == "Другая"
    other.owner_id, other.display_name = boris.user_id, "Тайна"
    session.flush()
    shown = merge_list.page(session, anna, made.id)
    assert (shown.winner, shown.loser) == ("Моя", "")


@pytest.mark.parametrize("address", ["a{b@lavka.example", "{}@lavka.example"])
def test_a_decision_about_an_address_with_braces_can_be_taken_back(postbox: Postbox, address: str) -> None:
    postbox.arrive(letter("1", sender=address))
    sender_decisions.decide(postbox.session, POLICY, operator(), address, NewContact("Ольга"))
    sender_decisions.undo(postbox.session, POLICY, operator(), address)
    assert postbox.session.scalar(select(ContactAddress).where(ContactAddress.address == address)) is None


@pytest.mark.parametrize(
    "address", ["a\x00b@lavka.example", "\ud800@lavka.example", "", "@", "a" * 5000 + "@b.example"]
)
def test_an_address_that_no_database_holds_is_nobody_s(session: Session, address: str) -> None:
    with pytest.raises(NotFound):
        tray.show(session, POLICY, operator(), address)
    with pytest.raises(NotFound):
        sender_decisions.undo(session, POLICY, operator(), address)
    assert sender_decisions.of_address(session, operator(), address) is None
