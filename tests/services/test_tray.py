"""The tray: who is in it for whom, what leaves it, and what a decision writes down."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, sessionmaker

from terracrm.domain.addresses import DomainPolicy
from terracrm.errors import Forbidden, InvalidInput, NotFound
from terracrm.models import (
    Activity,
    AuditEntry,
    Contact,
    ContactAddress,
    ContactTimeline,
    FieldChange,
    Message,
    Participant,
    SenderDecision,
    Sharing,
    utcnow,
)
from terracrm.services import access, sender_decisions, tray
from terracrm.services.field_history import as_text
from terracrm.services.sender_decisions import AlreadyDecided, Ignore, NewContact, ToCompany, ToContact
from tests.office import NOW, OURS, Office, make_office
from tests.services.conftest import Viewers

WHO = "who@nowhere.example"
ANNA = f"anna@{OURS}"
POLICY = DomainPolicy.of([OURS], ["mail.ru", "gmail.com"])


def addresses(office: Office, viewer: access.Viewer, **options: object) -> list[str]:
    since = options.pop("since", None)
    found = tray.listing(office.session, viewer, since, **options)
    assert found.total == len(found.rows)
    return [entry.sender.address for entry in found.rows]


def letter(office: Office, sender: str, name: str = "", key: str = "", **values: object) -> Activity:
    values.setdefault("subject", f"From {sender}")
    to = values.pop("to", [ANNA])
    row = office.mail(key or f"key-{sender}", sender, to, **values)
    office.session.get_one(Participant, (row.id, 0)).name = name
    office.session.flush()
    return row


def test_an_entry_tells_names_counts_times_and_the_newest_subjects(office: Office, viewer: Viewers) -> None:
    for number, name in enumerate(["Вася", "Вася", "Василий", "Пётр", "petr@new.example"]):
        letter(office, "petr@new.example", name, key=f"k{number}", subject=f"№ {number}",
               occurred_at=NOW - timedelta(days=9 - number))  # fmt: skip
    [entry] = [e for e in tray.listing(office.session, viewer("anna"), None).rows if e.sender.domain == "new.example"]
    assert entry.names == ["Вася", "Василий", "Пётр"]
    assert [item.subject for item in entry.newest] == ["№ 4", "№ 3", "№ 2"]
    sender = entry.sender
    assert (sender.items, sender.first_at, sender.last_at) == (5, NOW - timedelta(days=9), NOW - timedelta(days=5))
    assert (sender.is_ambiguous, sender.is_bulk) == (False, False)


def test_only_mail_that_the_viewer_may_read_counts(office: Office, viewer: Viewers) -> None:
    letter(office, WHO, key="boris", to=[f"boris@{OURS}"], subject="To Boris", sharing=Sharing.EVERYONE)
    assert [addresses(office, viewer(name)) for name in ("anna", "boris", "galina", "viktor")] == [
        [WHO], [WHO], [], [WHO]
    ]  # fmt: skip
    counts = {name: tray.count(office.session, viewer(name), None) for name in office.users}
    assert counts == {"anna": 1, "boris": 1, "galina": 0, "viktor": 1, "admin": 0}
    [seen] = tray.listing(office.session, viewer("anna"), None).rows
    assert ([item.subject for item in seen.newest], seen.sender.items) == (["Unknown sender"], 1)
    assert tray.listing(office.session, viewer("viktor"), None).rows[0].sender.items == 2
    assert {e.subject for e in tray.show(office.session, POLICY, viewer("boris"), WHO).history.entries} == {"To Boris"}
    for name, error in (("galina", NotFound), ("admin", Forbidden)):
        with pytest.raises(error):
            tray.show(office.session, POLICY, viewer(name), WHO)


def test_candidates_are_only_clients_whom_the_viewer_sees(office: Office, viewer: Viewers) -> None:
    letter(office, "p.volkov@gmail.com", "Пётр Волков")
    for name, seen in (("anna", []), ("viktor", ["Peter Volkov"])):
        page = tray.show(office.session, POLICY, viewer(name), "p.volkov@gmail.com")
        assert page.entry
        assert [found.name for found in page.entry.suggestions] == seen


def test_a_phone_in_the_letter_a_website_and_a_name_make_candidates(office: Office, viewer: Viewers) -> None:
    text = "Добрый день!\n\n--\nОтдел закупок\nтел. 8 (495) 123-45-67"
    letter(office, "zakupki@market2.example", text=text)
    page = tray.show(office.session, POLICY, viewer("anna"), "zakupki@market2.example")
    assert page.entry
    assert [(f.entity, f.name, f.reasons) for f in page.entry.suggestions] == [
        ("contact", "Мария Иванова", ("same_phone",))
    ]
    letter(office, "kto@romashka-market.example")
    page = tray.show(office.session, POLICY, viewer("anna"), "kto@romashka-market.example")
    assert page.entry
    assert [(f.entity, f.name, f.reasons) for f in page.entry.suggestions] == [
        ("company", "ООО «Ромашка-Маркет»", ("similar_name",))
    ]


def test_our_own_mailboxes_users_rooms_and_what_is_no_address_never_appear(office: Office, viewer: Viewers) -> None:
    office.users["boris"].email = "boris.private@mail.ru"
    for key, address, role in (
        ("own", "orders@other.example", "from"), ("user", "boris.private@mail.ru", "from"), ("text", "Отдел", "from"),
        ("room", "room@hotel.example", "resource"), ("odd", "not an@address", "from"),
    ):  # fmt: skip
        row = office.activity(key, "mail", [(role, address), ("to", ANNA)], ["anna"], subject=key)
        assert row.id
    office.mailboxes["orders"].address = "orders@other.example"
    office.session.flush()
    assert addresses(office, viewer("anna")) == [WHO]


def test_blind_copies_are_shown_to_the_sender_and_the_controller_only(office: Office, viewer: Viewers) -> None:
    office.mail("blind", ANNA, [f"boris@{OURS}"], bcc=("hidden@secret.example",), subject="Blind")
    assert "hidden@secret.example" in addresses(office, viewer("anna"))
    assert "hidden@secret.example" in addresses(office, viewer("viktor"))
    assert addresses(office, viewer("boris")) == []


def test_mailings_are_listed_apart(office: Office, viewer: Viewers) -> None:
    for sender, flags in (("news@shop.example", [True, True]), ("person@shop2.example", [True, False]),
                          ("no-reply@bank.example", [False])):  # fmt: skip
        for number, is_bulk in enumerate(flags):
            row = letter(office, sender, key=f"{sender}{number}")
            office.session.get_one(Message, row.id).is_bulk = is_bulk
    office.session.flush()
    assert set(addresses(office, viewer("anna"))) == {WHO, "person@shop2.example"}
    assert set(addresses(office, viewer("anna"), kind="bulk")) == {"news@shop.example", "no-reply@bank.example"}
    assert tray.count(office.session, viewer("anna"), None) == 2


def test_the_tray_is_searched_by_name_and_address_in_any_case(office: Office, viewer: Viewers) -> None:
    letter(office, "sem@new.example", "Семён Ёлкин")
    for text in ("ёлкин", "ЕЛКИН", "Семен е", "SEM@", "new.ex"):
        assert addresses(office, viewer("anna"), text=text) == ["sem@new.example"], text
    assert addresses(office, viewer("anna"), text="—") == []


def test_entries_expire_and_come_back_with_new_mail(office: Office, viewer: Viewers) -> None:
    since = tray.oldest_arrival(30, utcnow())
    old = letter(office, "old@gmail.com", key="old")
    old.created_at = utcnow() - timedelta(days=31)
    office.session.flush()
    assert addresses(office, viewer("anna"), since=since) == [WHO]
    assert set(addresses(office, viewer("anna"), since=tray.oldest_arrival(0, utcnow()))) == {WHO, "old@gmail.com"}
    assert tray.count(office.session, viewer("anna"), since) == 1
    # The mail is still there, and whoever looks at it may still decide.
    assert tray.show(office.session, POLICY, viewer("anna"), "old@gmail.com").entry
    letter(office, "old@gmail.com", key="again")
    assert set(addresses(office, viewer("anna"), since=since)) == {WHO, "old@gmail.com"}
    [entry] = [e for e in tray.listing(office.session, viewer("anna"), since).rows if e.sender.address != WHO]
    assert entry.sender.items == 2


def test_a_decision_writes_down_who_added_which_address(office: Office, viewer: Viewers) -> None:
    maria = office.contacts["maria@market.example"]
    decided = sender_decisions.decide(office.session, POLICY, viewer("anna"), f" {WHO.upper()} ", ToContact(maria.id))
    assert (decided.address, decided.name, decided.who) == (WHO, "Мария Иванова", "Anna Sokolova")
    change = office.session.scalars(select(FieldChange).order_by(FieldChange.id.desc())).first()
    assert change
    own, added = {"label": "1", "address": "maria@market.example"}, {"label": "other", "address": WHO}
    assert (change.field, change.old, change.new, change.source, change.user_id) == (
        "emails", as_text([own]), as_text([own, added]), "portal", office.users["anna"].id
    )  # fmt: skip
    acts = [(a.action, a.user_id) for a in office.session.scalars(select(AuditEntry).order_by(AuditEntry.id))]
    assert acts == [("sender.decide", office.users["anna"].id)]
    stranger = office.activities["stranger"]
    assert office.session.get(ContactTimeline, (maria.id, stranger.occurred_at, stranger.id))
    assert stranger.is_matched
    sender_decisions.undo(office.session, POLICY, viewer("anna"), WHO)
    office.session.expire_all()
    assert [a.address for a in maria.addresses] == ["maria@market.example"]
    assert not stranger.is_matched
    acts = [a.action for a in office.session.scalars(select(AuditEntry).order_by(AuditEntry.id))]
    assert acts == ["sender.decide", "sender.undo"]


def test_who_may_decide(office: Office, viewer: Viewers) -> None:
    maria, peter = office.contacts["maria@market.example"].id, office.contacts["peter@vesna.example"].id
    for name, choice, error in (
        ("viktor", Ignore(), Forbidden), ("admin", Ignore(), Forbidden),
        ("boris", Ignore(), NotFound),  # he reads no mail of the sender
        ("anna", ToContact(peter), NotFound), ("anna", ToContact(987654), NotFound),
        ("anna", ToCompany(office.companies["vesna.example"].id), NotFound),
        ("anna", NewContact("Кто-то", office.companies["vesna.example"].id), NotFound),
        ("anna", NewContact(" — "), InvalidInput),
    ):  # fmt: skip
        with pytest.raises(error), office.session.begin_nested():
            sender_decisions.decide(office.session, POLICY, viewer(name), WHO, choice)
    with pytest.raises(NotFound):
        sender_decisions.decide(office.session, POLICY, viewer("anna"), ANNA, Ignore())
    assert office.session.scalar(select(func.count()).select_from(SenderDecision)) == 0
    sender_decisions.decide(office.session, POLICY, viewer("anna"), WHO, ToContact(maria))
    for name, error in (("viktor", Forbidden), ("boris", NotFound)):
        with pytest.raises(error):
            sender_decisions.undo(office.session, POLICY, viewer(name), WHO)


def test_decisions_are_listed_for_who_made_them_or_sees_the_client(office: Office, viewer: Viewers) -> None:
    maria = office.contacts["maria@market.example"].id
    sender_decisions.decide(office.session, POLICY, viewer("anna"), WHO, ToContact(maria))
    seen = {name: [d.address for d in sender_decisions.newest(office.session, viewer(name))]
            for name in ("anna", "galina", "boris", "viktor")}  # fmt: skip
    assert seen == {"anna": [WHO], "galina": [WHO], "boris": [], "viktor": [WHO]}


def test_what_came_to_a_new_contact_meanwhile_is_kept_when_the_decision_is_taken_back(
    office: Office, viewer: Viewers
) -> None:
    anna = viewer("anna")
    decided = sender_decisions.decide(office.session, POLICY, anna, WHO, NewContact("  Новый   Человек "))
    made = office.session.get_one(Contact, decided.contact_id)
    assert (made.display_name, made.company and made.company.name) == ("Новый Человек", "nowhere.example")
    assert (made.owner_id, made.created_by_rule) == (anna.user_id, "tray")
    made.addresses.append(ContactAddress(address="other@gmail.com", written="other@gmail.com"))
    office.session.flush()
    sender_decisions.undo(office.session, POLICY, anna, WHO)
    office.session.expire_all()
    assert [a.address for a in made.addresses] == ["other@gmail.com"]


def test_the_second_of_two_who_decide_is_told(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        office = make_office(session)
        viewer = access.viewer_of(session, office.users["anna"])
        maria = office.contacts["maria@market.example"].id
    with sessions.begin() as session:
        sender_decisions.decide(session, POLICY, viewer, WHO, Ignore())
    with sessions() as session, pytest.raises(AlreadyDecided, match="already"):
        sender_decisions.decide(session, POLICY, viewer, WHO, ToContact(maria))
    with sessions() as session:
        sender_decisions.undo(session, POLICY, viewer, WHO)
        session.add(ContactAddress(contact_id=maria, address=WHO))
        session.flush()
        with pytest.raises(AlreadyDecided, match="known meanwhile"):
            sender_decisions.decide(session, POLICY, viewer, WHO, Ignore())
    with sessions() as session, pytest.raises(NotFound, match="taken it back"):
        sender_decisions.undo(session, POLICY, viewer, "igor@harbour.example")


def test_of_two_who_decide_at_once_one_does(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        office = make_office(session)
        viewer = access.viewer_of(session, office.users["anna"])
    together = Barrier(2)

    def decide(_: int) -> str:
        with sessions() as session:
            session.scalars(select(SenderDecision)).all()
            together.wait(10)
            try:
                sender_decisions.decide(session, POLICY, viewer, WHO, Ignore())
            except AlreadyDecided:
                return "too late"
            session.commit()
            return "decided"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(decide, range(2))) == ["decided", "too late"]


def test_aliases_of_one_account_and_all_who_have_an_address_are_offered(office: Office, viewer: Viewers) -> None:
    for name, address in (("Один", "o.d.in@gmail.com"), ("Два", "dva+work@mail.ru"), ("Три", "tri.t@ya.ru")):
        office.contact(name, address)
    for name in ("Мария Иванова", "Один"):
        person = office.session.scalars(select(Contact).where(Contact.display_name == name)).one()
        person.addresses.append(ContactAddress(address="both@mail.ru"))
    senders = {"odin@googlemail.com": ["Один"], "dva@mail.ru": ["Два"], "dva+home@mail.ru": ["Два"],
               "tri-t@yandex.com": ["Три"], "o.din@mail.ru": [], "both@mail.ru": ["Мария Иванова", "Один"]}  # fmt: skip
    for address in senders:
        letter(office, address)
    office.session.execute(
        update(Participant).where(Participant.address == "both@mail.ru").values(match_method="ambiguous")
    )
    found = {e.sender.address: e for e in tray.listing(office.session, viewer("anna"), None).rows}
    offered = {address: [s.name for s in found[address].suggestions] for address in senders}
    assert offered == senders
    assert found["odin@googlemail.com"].suggestions[0].reasons[0] == "same_account"
    assert found["both@mail.ru"].sender.is_ambiguous
    assert {s.reasons for s in found["both@mail.ru"].suggestions} == {("same_address",)}
