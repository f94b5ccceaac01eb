"""What a client's card in Outlook tells: in whose language, of what, and to whom (W2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session

from terracrm.config import Settings
from terracrm.domain.history_block import Block, render
from terracrm.languages import Language
from terracrm.models import Activity, ActivityMailbox, ActivityTopic, Note, Participant, Sharing, Stream, Task, User
from terracrm.services import access, client_history, history, timeline
from terracrm.services.client_history import Facts
from terracrm.services.timeline import Filters
from tests.office import OURS, Office

SQLITE_FIRST = True

NOW = datetime(2026, 3, 12, 9, tzinfo=UTC)
MARIA, PETER, IGOR = "maria@market.example", "peter@vesna.example", "igor@harbour.example"
ANNA, BORIS, GALINA = f"anna@{OURS}", f"boris@{OURS}", f"galina@{OURS}"
SETTINGS = Settings(web={"base_url": "https://crm.romashka.example"})  # type: ignore[arg-type]


def day(month: int, number: int, hour: float = 9) -> datetime:
    """An hour of a day of 2026 by Moscow's clocks."""
    return datetime(2026, month, number, 0, tzinfo=UTC) + timedelta(hours=hour - 3)


@pytest.fixture
def office(session: Session) -> Office:
    """Two teams, a client of each, and one that is nobody's."""
    made = Office(session)
    made.user("anna", "manager", "North", "Anna Sokolova")
    made.user("galina", "manager", "North", "Galina Smirnova")
    made.user("boris", "manager", "South", "Boris Orlov")
    made.user("viktor", "controller", full_name="Viktor Lebedev")
    made.user("admin", "admin", full_name="Olga Administrator")
    made.mailbox("viktor", user=made.users["viktor"])
    made.mailbox("admin", user=made.users["admin"])
    made.mailbox("orders", team=made.teams["North"])
    made.mailbox("nobody")
    made.company("Market", "market.example", "anna")
    made.company("Vesna", "vesna.example", "boris")
    made.company("Harbour", "harbour.example")
    made.contact("Maria Ivanova", MARIA, stage="Contract signed")
    made.contact("Peter Volkov", PETER)
    made.contact("Igor Lapin", IGOR)
    for name in made.mailboxes:
        made.add(Stream(kind="contacts", direction="both", mailbox=made.mailboxes[name]))
    return made


def told(office: Office, reader: str, client: str = MARIA, now: datetime = NOW, **settings: Any) -> Facts:
    """What stands on the card of a client in somebody's Outlook."""
    contact = office.contacts[client]
    chosen = SETTINGS.model_copy(update={name: getattr(Settings(**settings), name) for name in settings})
    return client_history.facts(office.session, chosen, stream(office, reader), [contact.id], now)[contact.id]


def stream(office: Office, reader: str) -> Stream:
    box = office.mailboxes[reader]
    return office.session.scalars(select(Stream).where(Stream.mailbox_id == box.id, Stream.kind == "contacts")).one()


def block(facts: Facts) -> Block:
    assert facts.block is not None
    return facts.block


def entries(office: Office, reader: str, client: str = MARIA) -> tuple[str, ...]:
    return block(told(office, reader, client)).entries


def note(office: Office, author: str, client: str, at: datetime, text: str) -> Activity:
    row = office.activity("note", "note", [], [], occurred_at=at, snippet=text)
    office.add(Note(activity_id=row.id, author_id=office.users[author].id, text=text))
    return about(office, row, client)


def task(office: Office, client: str, subject: str, due: date | None = None, **values: Any) -> Activity:
    row = office.activity(subject, "task", [], [], occurred_at=values.pop("at", day(3, 1)), subject=subject)
    office.add(Task(activity_id=row.id, due_on=due, responsible=office.users["anna"], **values))
    return about(office, row, client)


def about(office: Office, row: Activity, client: str) -> Activity:
    topic = {"activity_id": row.id, "entity": "contact", "entity_id": office.contacts[client].id, "method": "manual"}
    office.add(ActivityTopic(**topic))
    history.refresh(office.session, [row.id])
    return row


def fill(office: Office) -> None:
    office.mail("ask", MARIA, [ANNA, GALINA, BORIS], subject="Sour cream", text="Please send\nthe contract.",
                occurred_at=day(3, 2))  # fmt: skip
    office.mail("send", ANNA, [MARIA], subject="RE: Sour cream", text="Here it is.", bcc=(BORIS,),
                occurred_at=day(3, 3))  # fmt: skip
    office.meeting("taste", day(3, 4, 14), [("organizer", ANNA), ("required", MARIA)], ["anna"],
                   subject="Tasting", body_text="Join the call")  # fmt: skip
    office.meeting("late", day(3, 5, 10), [("organizer", ANNA), ("required", MARIA)], ["anna"], subject="Storage",
                   is_cancelled=True)  # fmt: skip
    office.mail("bare", MARIA, [ANNA], occurred_at=day(3, 6))
    note(office, "anna", MARIA, day(3, 7, 0.5), "Called: wants it by Friday")
    office.meeting("fair", day(3, 20, 15), [("organizer", ANNA), ("required", MARIA)], ["anna"], subject="Fair",
                   is_all_day=True, start_date=date(2026, 3, 20), end_date=date(2026, 3, 21))  # fmt: skip


def test_a_card_says_who_looks_after_the_client_where_it_stands_and_what_happened_last(office: Office) -> None:
    fill(office)

    facts = told(office, "anna")

    maria = office.contacts[MARIA]
    assert render(block(facts)).split("\n")[:-1] == [
        "[TerraCRM:history] Relationship history",
        "Owner: Anna Sokolova",
        "Stage: Contract signed",
        "Last contact: 7 Mar 2026",
        "Next step: 20 Mar 2026, meeting: Fair",
        "7 Mar 2026, note: Called: wants it by Friday",
        "6 Mar 2026, mail received → Anna",
        "5 Mar 2026, 10:00, cancelled meeting, Anna: Storage",
        "4 Mar 2026, 14:00, meeting, Anna: Tasting",
        "3 Mar 2026, mail sent, Anna: RE: Sour cream — Here it is.",
        f"https://crm.romashka.example/contacts/{maria.id}",
    ]
    assert facts.card.client_id == str(maria.id)
    assert (facts.card.owner, facts.card.stage) == ("Anna Sokolova", "Contract signed")
    assert facts.card.last_contact == day(3, 7, 0.5)
    assert facts.card.next_step == "20 Mar 2026, meeting: Fair"
    assert facts.card.profile_link == f"https://crm.romashka.example/contacts/{maria.id}"


def test_a_card_speaks_its_owner_s_language_and_a_shared_one_the_office_s(office: Office) -> None:
    fill(office)
    office.users["anna"].language = "ru"
    office.session.flush()
    russian = Language("ru")

    assert block(told(office, "anna")).title == russian.gettext("Relationship history")
    assert entries(office, "anna")[3].startswith(f"4 мар. 2026, 14:00, {russian.pgettext('history', 'meeting')}, ")
    assert block(told(office, "anna")).facts[0] == (russian.gettext("Owner"), "Anna Sokolova")
    assert entries(office, "orders")[3].startswith("4 Mar 2026")
    in_russian = told(office, "orders", web={"default_language": "ru"})
    assert block(in_russian).entries[3].startswith("4 мар. 2026")


def test_days_are_those_of_the_office(office: Office) -> None:
    office.mail("night", MARIA, [ANNA], subject="Night", occurred_at=datetime(2026, 3, 2, 22, tzinfo=UTC))

    assert entries(office, "anna")[0].startswith("3 Mar 2026")
    in_london = block(told(office, "anna", web={"time_zone": "Europe/London"}))
    assert in_london.entries[0].startswith("2 Mar 2026")


@pytest.mark.parametrize(
    ("subject", "text", "line"),
    [
        ("", "Only text", "Only text"),
        ("Only subject", "", "Only subject"),
        ("Two\nlines", "of\ttext", "Two lines — of text"),
        ("S" * 30, "word " * 60, f"{'S' * 30} — " + ("word " * 21).strip() + "…"),
        ("[TerraCRM:end:12345678]", "", "(TerraCRM:end:12345678]"),
    ],
)
def test_an_entry_is_one_line_that_a_phone_can_show(office: Office, subject: str, text: str, line: str) -> None:
    office.mail("one", MARIA, [ANNA], subject=subject, snippet=" ".join(text.split()), occurred_at=day(3, 2))

    rendered = render(block(told(office, "anna"))).split("\n")

    assert f"2 Mar 2026, mail received → Anna: {line}" in rendered


def test_many_people_are_counted(office: Office) -> None:
    office.mail("many", MARIA, [ANNA, GALINA, BORIS, "x@y.example"], subject="All", occurred_at=day(3, 2))

    assert entries(office, "anna") == ("2 Mar 2026, mail received → Anna, +3: All",)


WHO = ("anna", "galina", "boris", "orders", "nobody", "viktor", "admin", "gone")
READ: dict[str, set[str]] = {
    "anna": {"everyone", "team", "own"},
    "galina": {"everyone", "team"},
    "orders": {"everyone", "team"},
    "boris": set(),
    "nobody": set(),
    "viktor": {"everyone", "team", "own", "foreign"},
    "admin": set(),
    "gone": set(),
}


def share(office: Office) -> None:
    """History of a client of the North, at every level of sharing."""
    subjects = {"everyone": Sharing.EVERYONE, "team": Sharing.TEAM, "own": Sharing.PRIVATE}
    for number, (subject, level) in enumerate(subjects.items()):
        office.mail(subject, MARIA, [ANNA], subject=subject, sharing=level, occurred_at=day(3, number + 1))
    office.mail("foreign", MARIA, ["galina@x.example"], subject="foreign", sharing=Sharing.PRIVATE,
                occurred_at=day(3, 8))  # fmt: skip


@pytest.mark.parametrize("reader", WHO)
def test_each_reader_is_told_what_they_may_read_in_the_portal(office: Office, reader: str) -> None:
    share(office)
    if reader == "gone":
        office.users["anna"].is_active = False
        office.session.flush()
    owner = "anna" if reader == "gone" else reader

    lines = entries(office, owner)

    assert {line.rpartition(" ")[2] for line in lines} == READ[reader]
    if reader in office.users:
        viewer = access.viewer_of(office.session, office.users[reader])
        page = timeline.of_client(office.session, viewer, "contact", office.contacts[MARIA].id, Filters())
        assert READ[reader] <= {entry.subject for entry in page.entries if entry.is_readable}


def test_what_only_one_s_own_mailbox_holds_stands_on_a_foreign_client_s_card(office: Office) -> None:
    office.mail("own", MARIA, [BORIS], subject="own", sharing=Sharing.PRIVATE, occurred_at=day(3, 2))

    assert len(entries(office, "boris")) == 1
    assert entries(office, "anna") == ()


def test_who_reads_no_content_learns_when_and_nothing_else(office: Office) -> None:
    fill(office)

    facts = told(office, "admin")

    assert (facts.card.last_contact, facts.card.next_step) == (day(3, 7, 0.5), "")
    assert (block(facts).entries, facts.card.owner) == ((), "Anna Sokolova")


def test_who_left_learns_nothing_of_the_history(office: Office) -> None:
    fill(office)
    office.users["anna"].is_active = False
    office.session.flush()

    facts = told(office, "anna")

    assert (facts.card.last_contact, facts.card.next_step, facts.until) == (None, "", None)
    assert block(facts).entries == ()


@pytest.mark.parametrize("reader", ["anna", "galina", "viktor", "orders"])
def test_a_blind_copy_is_named_to_nobody(office: Office, reader: str) -> None:
    office.mail("blind", ANNA, [MARIA], subject="Prices", bcc=(PETER, BORIS), occurred_at=day(3, 2))

    assert entries(office, reader) == ("2 Mar 2026, mail sent, Anna: Prices",)


def test_what_is_withdrawn_vanishes(office: Office) -> None:
    row = office.mail("secret", MARIA, [ANNA], subject="Secret", occurred_at=day(3, 2))
    assert len(entries(office, "anna")) == 1

    office.session.delete(row)
    office.session.flush()

    assert (entries(office, "anna"), told(office, "anna").card.last_contact) == ((), None)


def test_of_several_people_of_a_mail_the_client_of_the_card_is_named(office: Office) -> None:
    office.mail("both", ANNA, [PETER, IGOR, MARIA], subject="All", occurred_at=day(3, 2))

    assert entries(office, "anna", MARIA) == ("2 Mar 2026, mail sent, Anna → Maria Ivanova, +2: All",)


def test_others_go_by_the_name_of_the_item_so_that_a_card_changes_with_its_own_client_only(office: Office) -> None:
    office.mail("both", ANNA, [MARIA, IGOR], subject="All", occurred_at=day(3, 2))
    before = entries(office, "anna", MARIA)

    office.contacts[IGOR].display_name = "Igor the Second"
    office.session.flush()

    assert entries(office, "anna", MARIA) == before
    assert "Igor the Second" in entries(office, "anna", IGOR)[0]


def past_meeting(office: Office, **values: Any) -> None:
    office.meeting("m", day(3, 11), [("organizer", ANNA), ("required", MARIA)], ["anna"], subject="M", **values)


@pytest.mark.parametrize(
    ("happened", "last"),
    [
        (lambda office: None, None),
        (lambda office: office.mail("m", MARIA, [ANNA], subject="M", occurred_at=day(3, 11)), day(3, 11)),
        (past_meeting, day(3, 11)),
        (lambda office: past_meeting(office, is_cancelled=True), None),
        (lambda office: note(office, "anna", MARIA, day(3, 11), "Called"), day(3, 11)),
        (lambda office: task(office, MARIA, "Call", done_at=day(3, 11)), None),
        (lambda office: office.mail("m", MARIA, [ANNA], subject="M", occurred_at=NOW + timedelta(seconds=1)), None),
    ],
    ids=["nothing", "mail", "meeting", "cancelled", "note", "task", "to come"],
)
def test_the_last_contact_is_the_newest_thing_that_happened(
    office: Office, happened: Callable[[Office], object], last: datetime | None
) -> None:
    happened(office)

    assert told(office, "anna").card.last_contact == last


def ahead(office: Office, number: int, **values: Any) -> Activity:
    people = [("organizer", ANNA), ("required", MARIA)]
    return office.meeting(
        f"meeting {number}", day(3, number, 14), people, ["anna"], subject=f"Meeting {number}", **values
    )


NEXT: dict[str, tuple[Callable[[Office], object], str]] = {
    "nothing": (lambda office: None, ""),
    "a meeting": (lambda office: ahead(office, 20), "20 Mar 2026, 14:00, meeting: Meeting 20"),
    "the nearer meeting": (
        lambda office: (ahead(office, 20), ahead(office, 15)),
        "15 Mar 2026, 14:00, meeting: Meeting 15",
    ),
    "a cancelled meeting": (lambda office: ahead(office, 20, is_cancelled=True), ""),
    "a task": (
        lambda office: task(office, MARIA, "Call", date(2026, 3, 18)),
        "18 Mar 2026, task, Anna Sokolova: Call",
    ),
    "a task without a day": (lambda office: task(office, MARIA, "Call"), "task, Anna Sokolova: Call"),
    "a task before a meeting": (
        lambda office: (ahead(office, 20), task(office, MARIA, "Call", date(2026, 3, 18))),
        "18 Mar 2026, task, Anna Sokolova: Call",
    ),
    "a meeting before a task": (
        lambda office: (ahead(office, 16), task(office, MARIA, "Call", date(2026, 3, 18))),
        "16 Mar 2026, 14:00, meeting: Meeting 16",
    ),
    "a meeting before a task without a day": (
        lambda office: (ahead(office, 16), task(office, MARIA, "Call")),
        "16 Mar 2026, 14:00, meeting: Meeting 16",
    ),
    "a task that is late": (
        lambda office: (ahead(office, 16), task(office, MARIA, "Call", date(2026, 3, 2))),
        "2 Mar 2026, task, Anna Sokolova: Call",
    ),
    "a task that is done": (lambda office: task(office, MARIA, "Call", done_at=day(3, 11)), ""),
    "a task that is cancelled": (lambda office: task(office, MARIA, "Call", cancelled_at=day(3, 11)), ""),
    "a task for another client": (lambda office: task(office, IGOR, "Call"), ""),
}


@pytest.mark.parametrize("case", NEXT)
def test_the_next_step_is_the_nearest_open_task_or_meeting(office: Office, case: str) -> None:
    make, expected = NEXT[case]
    make(office)

    assert told(office, "anna").card.next_step == expected


def test_a_task_stands_in_the_history_once_it_is_done(office: Office) -> None:
    task(office, MARIA, "Open")
    task(office, MARIA, "Given up", cancelled_at=day(3, 11))
    task(office, MARIA, "Call", at=day(3, 11), done_at=day(3, 11))

    assert entries(office, "anna") == ("11 Mar 2026, task done, Anna Sokolova: Call",)


def test_a_card_changes_by_time_alone_at_the_moments_that_it_names(office: Office) -> None:
    fill(office)
    for number in (13, 15, 18):
        ahead(office, number, is_cancelled=number == 15)
    task(office, MARIA, "Call", date(2026, 3, 14))
    now, texts, moments = NOW, [], []

    while (facts := told(office, "anna", now=now)).until is not None:
        just_before = told(office, "anna", now=facts.until - timedelta(microseconds=1))
        assert replace(just_before) == facts
        texts.append(facts.block)
        moments.append(facts.until)
        now = facts.until

    assert moments == [day(3, 13, 14), day(3, 15, 14), day(3, 18, 14), day(3, 20, 15)]
    assert len(set(texts)) == len(texts)
    assert replace(told(office, "anna", now=now + timedelta(days=4000))) == replace(told(office, "anna", now=now))


def test_the_same_data_gives_the_same_text_in_whatever_company_it_is_asked_for(office: Office) -> None:
    fill(office)
    ids = [contact.id for contact in office.contacts.values()]
    mailbox = stream(office, "anna")

    together = client_history.facts(office.session, SETTINGS, mailbox, ids, NOW)
    alone = {id_: client_history.facts(office.session, SETTINGS, mailbox, [id_], NOW)[id_] for id_ in ids}

    assert together == alone
    assert client_history.facts(office.session, SETTINGS, mailbox, reversed([*ids, 999]), NOW) == together  # type: ignore[arg-type]


@pytest.mark.parametrize(("of_office", "of_stream", "expected"), [(5, None, 5), (2, None, 2), (5, 3, 3), (1, 50, 8)])
def test_as_many_entries_stand_there_as_are_asked_for(
    office: Office, of_office: int, of_stream: int | None, expected: int
) -> None:
    for number in range(8):
        office.mail(f"m{number}", MARIA, [ANNA], subject=f"Mail {number}", occurred_at=day(3, 2))
    stream(office, "anna").history_entries = of_stream
    office.session.flush()

    lines = block(told(office, "anna", outlook={"history_entries": of_office})).entries

    assert [line.rpartition(" ")[2] for line in lines] == [str(7 - number) for number in range(expected)]


def test_without_entries_the_notes_are_left_alone(office: Office) -> None:
    fill(office)
    stream(office, "anna").history_entries = 0
    office.session.flush()

    facts = told(office, "anna")

    assert facts.block is None
    assert (facts.card.last_contact, facts.card.next_step) == (day(3, 7, 0.5), "20 Mar 2026, meeting: Fair")


def test_a_client_that_is_not_there_has_no_card(office: Office) -> None:
    assert client_history.facts(office.session, SETTINGS, stream(office, "anna"), [999], NOW) == {}


def test_a_batch_takes_no_more_queries_than_one_client(office: Office, engine: Engine) -> None:
    fill(office)
    for number in range(40):
        address = f"p{number}@market.example"
        office.contact(f"Person {number}", address)
        office.mail(f"to {number}", address, [ANNA], subject="One", occurred_at=day(3, 2))
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))

    told(office, "anna")
    of_one = len(asked)
    ids = [contact.id for contact in office.contacts.values()]
    client_history.facts(office.session, SETTINGS, stream(office, "anna"), ids, NOW)

    assert len(asked) - of_one <= of_one <= 8


def test_people_without_a_name_go_by_their_address(office: Office) -> None:
    office.mail("m", "somebody@market.example", [ANNA], subject="M", cc=(MARIA,), occurred_at=day(3, 2))
    nameless = office.session.scalars(select(Participant).where(Participant.role == "from")).one()
    assert nameless.name == ""

    assert entries(office, "anna") == ("2 Mar 2026, mail received, somebody@market.example → Maria Ivanova, Anna: M",)


def test_a_client_of_a_team_is_looked_after_by_the_team(office: Office) -> None:
    contact = office.contacts[IGOR]
    assert told(office, "anna", IGOR).card.owner == ""

    contact.team = office.teams["North"]
    office.session.flush()

    assert told(office, "anna", IGOR).card.owner == "North"


def test_a_mailbox_that_is_nobody_s_is_told_of_nobody_s_clients_what_everybody_may_read(office: Office) -> None:
    office.mail("open", IGOR, [ANNA], subject="open", occurred_at=day(3, 2))
    office.mail("team", IGOR, [ANNA], subject="team", sharing=Sharing.TEAM, occurred_at=day(3, 3))
    own = office.mail("own", IGOR, [ANNA], subject="own", sharing=Sharing.PRIVATE, occurred_at=day(3, 4))
    office.add(ActivityMailbox(activity_id=own.id, mailbox_id=office.mailboxes["nobody"].id))

    assert [line.rpartition(" ")[2] for line in entries(office, "nobody", IGOR)] == ["open"]


def test_whoever_the_owner_is_now_decides_what_is_told(office: Office) -> None:
    share(office)
    before = entries(office, "anna")

    office.users["anna"].team = office.teams["South"]
    office.contacts[MARIA].owner = office.contacts[MARIA].team = None
    office.companies["market.example"].owner = office.users["galina"]
    office.companies["market.example"].team = office.teams["North"]
    office.session.flush()

    assert office.session.get_one(User, office.users["anna"].id).team is office.teams["South"]
    # What her own mailbox holds she reads wherever she works.
    assert entries(office, "anna") == before
    office.session.query(ActivityMailbox).delete()
    assert entries(office, "anna") == ()
