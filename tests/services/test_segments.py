"""Segments: which clients a saved condition holds, on both databases (K1)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from terracrm.domain.segments import read
from terracrm.errors import InvalidInput, NotFound
from terracrm.models import AuditEntry, Contact, ContactPostalAddress, Region, Stream
from terracrm.services import access, segments
from tests.office import NOW, OURS, Office
from tests.services.conftest import Viewers

MARIA, PETER, IGOR, LENA = "Мария Иванова", "Peter Volkov", "Igor Lapin", "Лена Ёлкина"


@pytest.fixture
def clients(office: Office) -> Office:
    """The office with a lonely client besides: no company, no owner, an address of a free-mail service."""
    office.teams["North"].region = Region(name="Волга")
    lena = office.contact(LENA, "lena@mail.example")
    lena.stage, lena.department, lena.created_by_rule = "Актёр", "Закупка", "tray"
    lena.postal_addresses = [ContactPostalAddress(label="home", city="Орёл")]
    office.contacts["maria@market.example"].stage = "active"
    office.contacts["peter@vesna.example"].postal_addresses = []
    office.mail("old", "lena@mail.example", [f"anna@{OURS}"], occurred_at=NOW - timedelta(days=40))
    office.session.flush()
    return office


def held(office: Office, *written: str) -> set[str]:
    found = segments.holds([read(text) for text in written])
    return set(office.session.scalars(select(Contact.display_name).where(found)))


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (["stage = ACTIVE"], {MARIA}),
        (["stage is актер"], {LENA}),
        (["stage is"], {PETER, IGOR}),
        (["stage is not active"], {PETER, IGOR, LENA}),
        (["stage in active, АКТЕР"], {MARIA, LENA}),
        (["city is МОСКВА"], {MARIA}),
        (["city is moscow"], {MARIA, IGOR}),
        (["city is орел"], {LENA}),
        (["city is TULA"], {PETER}),
        (["city is not Tula"], {MARIA, IGOR, LENA}),
        (["city contains осКв"], {MARIA}),
        (["company is ромашка-маркет"], {MARIA}),
        (["company is ООО «Ромашка-Маркет»"], {MARIA}),
        (["company contains ромашка"], {MARIA}),
        (["company is"], {LENA}),
        (["company is not vesna stores"], {MARIA, IGOR, LENA}),
        (["job title contains ЗАКУП"], {MARIA}),
        (["department is закупка"], {LENA}),
        (["mail domain is vesna.example"], {PETER}),
        (["mail domain is @VESNA.example"], {PETER}),
        (["mail domain contains a.ex"], {PETER}),
        (["mail domain contains peter"], set()),
        (["mail domain in vesna.example, mail.example"], {PETER, LENA}),
        (["owner is anna"], {MARIA}),
        (["owner is Boris ORLOV"], {PETER}),
        (["owner is"], {IGOR, LENA}),
        (["owner is not anna"], {PETER, IGOR, LENA}),
        (["team is north"], {MARIA}),
        (["region is волга"], {MARIA}),
        (["region is"], {PETER, IGOR, LENA}),
        (["source is tray"], {LENA}),
        (["mail since 30 days"], {MARIA, PETER, IGOR}),
        (["mail since 60 days"], {MARIA, PETER, IGOR, LENA}),
        (["mail not since 30 days"], {LENA}),
        (["mail since 30 days", "city is Moscow"], {MARIA, IGOR}),
        (["city contains %"], set()),
        (["city contains _"], set()),
        (["mail domain contains .*"], set()),
        (["city is '; DROP TABLE contacts; --"], set()),
    ],
)
def test_a_condition_holds_the_clients_it_names(clients: Office, written: list[str], names: set[str]) -> None:
    assert held(clients, *written) == names


def test_a_team_is_also_that_of_the_owner(clients: Office) -> None:
    clients.contacts["maria@market.example"].team = None
    clients.session.flush()
    assert held(clients, "team is North") == {MARIA}
    assert held(clients, "region is Волга") == {MARIA}


def test_a_condition_stands_in_any_query_of_contacts(clients: Office) -> None:
    """Also in one that joins what the condition asks about."""
    segment = segments.add(clients.session, "Tula", [read("city is Tula"), read("mail domain is vesna.example")], None)
    mine = segments.condition(clients.session, segment.id)
    query = select(Contact.display_name).join(Contact.addresses).outerjoin(Contact.company).outerjoin(Contact.owner)
    assert set(clients.session.scalars(query.where(mine))) == {PETER}
    assert set(clients.session.scalars(select(Contact.display_name).where(~mine))) == {MARIA, IGOR, LENA}
    with pytest.raises(NotFound):
        segments.condition(clients.session, segment.id + 1)


def test_a_segment_counts_what_the_viewer_sees_and_no_archived_client(clients: Office, viewer: Viewers) -> None:
    segment = segments.add(clients.session, "All", [read("mail since 3000 days")], None)
    everybody = access.operator()
    assert segments.row(clients.session, everybody, segment).members == 4
    assert segments.row(clients.session, viewer("boris"), segment).members == 3
    clients.contacts["igor@harbour.example"].archived_at = NOW
    clients.session.flush()
    row = segments.row(clients.session, everybody, segment)
    assert (row.members, [str(one) for one in row.conditions], row.used_by) == (3, ["mail since 3000 days"], ())
    assert segments.names(clients.session, everybody, segment, 2) == [PETER, LENA]


def test_a_name_is_taken_once_in_whatever_case(clients: Office) -> None:
    made = segments.add(clients.session, " Ёлки  и палки ", [read("stage is active")], clients.users["admin"].id)
    assert made.name == "Ёлки и палки"
    assert segments.get(clients.session, "ЕЛКИ и палки") is made
    with pytest.raises(InvalidInput, match="there already"):
        segments.add(clients.session, "ёлки И ПАЛКИ", [read("stage is new")], None)
    entry = clients.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.entity_id, entry.user_id) == ("segment.add", made.id, clients.users["admin"].id)


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ([], "needs a condition"),
        (["owner is nobody"], "no user nobody"),
        (["team in North, West"], "no team West"),
        (["region is Sahara"], "no region Sahara"),
    ],
)
def test_a_segment_that_asks_for_nobody_is_refused(clients: Office, written: list[str], what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        segments.add(clients.session, "Wrong", [read(text) for text in written], None)


def test_a_segment_in_use_stays(clients: Office) -> None:
    segment = segments.add(clients.session, "Tula", [read("city is Tula")], None)
    stream = Stream(kind="contacts", direction="both", client_scope="segment", segment_id=segment.id)
    clients.mailboxes["anna"].streams.append(stream)
    clients.session.flush()
    assert segments.row(clients.session, access.operator(), segment).used_by == (f"anna@{OURS}",)
    with pytest.raises(InvalidInput, match=f"anna@{OURS} keeps in Outlook"):
        segments.remove(clients.session, segment, None)
    stream.client_scope = "mine"
    clients.session.flush()
    segments.remove(clients.session, segment, None)
    assert segments.every(clients.session) == []
    with pytest.raises(NotFound):
        segments.get(clients.session, "Tula")
