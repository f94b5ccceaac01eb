"""The history of a client: pages, filters, days, positions (P1)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terracrm.errors import InvalidInput
from terracrm.services import companies, contacts, timeline
from terracrm.services.timeline import Cursor, Filters
from tests.office import NOW, Office, add_long_history
from tests.services.conftest import Viewers


def test_the_newest_entry_comes_first(office: Office, viewer: Viewers) -> None:
    maria = office.contacts["maria@market.example"]
    page = timeline.of_client(office.session, viewer("anna"), "contact", maria.id, Filters())
    assert [entry.subject for entry in page.entries] == [
        "Tasting of new cheeses", "Фото полки", "RE: Договор поставки сметаны", "Договор поставки сметаны",
    ]  # fmt: skip
    assert page.next is None


def test_pages_join_without_gap_or_repetition(office: Office, viewer: Viewers) -> None:
    add_long_history(office, 70)
    company = office.companies["market.example"]
    found: list[int] = []
    after = None
    for _ in range(10):
        page = timeline.of_client(office.session, viewer("anna"), "company", company.id, Filters(), after)
        found += [entry.id for entry in page.entries]
        after = page.next
        if after is None:
            break
    assert len(found) == len(set(found)) == 74


def test_entries_of_the_same_moment_are_all_shown(office: Office, viewer: Viewers) -> None:
    for number in range(40):
        office.mail(f"same-{number}", "igor@harbour.example", ["anna@romashka.example"], occurred_at=NOW)
    igor = office.contacts["igor@harbour.example"]
    first = timeline.of_client(office.session, viewer("anna"), "contact", igor.id, Filters())
    second = timeline.of_client(office.session, viewer("anna"), "contact", igor.id, Filters(), first.next)
    assert len({entry.id for entry in [*first.entries, *second.entries]}) == 42


def test_filters_take_kind_person_and_days(office: Office, viewer: Viewers) -> None:
    office.contact("Second Person", "second@market.example")
    office.mail("second", "second@market.example", ["anna@romashka.example"], subject="From the second")
    company = office.companies["market.example"]

    def subjects(**filters: object) -> list[str]:
        page = timeline.of_client(office.session, viewer("anna"), "company", company.id, Filters(**filters))
        return [entry.subject for entry in page.entries]

    assert subjects(kinds=frozenset(["meeting"])) == ["Tasting of new cheeses"]
    assert subjects(contact_id=office.contacts["second@market.example"].id) == ["From the second"]
    assert subjects(until=NOW - timedelta(hours=12)) == ["Договор поставки сметаны"]
    assert subjects(since=NOW) == ["Tasting of new cheeses"]


def test_an_entry_tells_who_took_part_and_who_of_ours(office: Office, viewer: Viewers) -> None:
    maria = office.contacts["maria@market.example"]
    entry = timeline.of_client(office.session, viewer("anna"), "contact", maria.id, Filters()).entries[1]
    assert entry.speaker is not None
    assert (entry.speaker.label, entry.speaker.contact_id, entry.speaker.is_ours) == ("Мария Иванова", maria.id, False)
    assert [(person.label, person.is_ours) for person in entry.others] == [("Anna", True)]


@given(st.datetimes(timezones=st.just(NOW.tzinfo)), st.integers(1, 2**63 - 1))
def test_a_position_survives_being_written(when: object, activity_id: int) -> None:
    cursor = Cursor(when, activity_id)  # type: ignore[arg-type]
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text", ["", "1", "a_b", "1_2_3", "999999999999999999_1", "1_9223372036854775808", "१_१", "1_-1", "_", "1_", " 1_1"]
)
def test_a_forged_position_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Cursor.parse(text)


def test_lists_are_sorted_by_the_last_activity_that_the_viewer_sees(office: Office, viewer: Viewers) -> None:
    office.activities["harbour"].occurred_at = NOW
    assert [row.name for row in companies.listing(office.session, viewer("viktor"), sort="name").rows] == [
        "Free Harbour", "Vesna Stores Ltd", "ООО «Ромашка-Маркет»",
    ]  # fmt: skip
    recent = companies.listing(office.session, viewer("anna"), sort="recent").rows
    assert {row.name: row.last_at for row in recent}["ООО «Ромашка-Маркет»"] == NOW - timedelta(hours=1)
    assert all(row.people == 1 for row in recent)


@pytest.mark.parametrize(("typed", "found"), [("ромаш", 1), ("ООО «Ромашка", 1), ("RОМ%", 0), ("harb", 1), ("", 2)])
def test_the_list_of_companies_is_filtered_by_name(office: Office, viewer: Viewers, typed: str, found: int) -> None:
    listing = companies.listing(office.session, viewer("anna"), typed)
    assert listing.total == len(listing.rows) == found


def test_the_list_of_contacts_is_filtered_by_person_and_company(office: Office, viewer: Viewers) -> None:
    for typed in ("мари", "ИВАНОВА", "ромашка"):
        rows = contacts.listing(office.session, viewer("anna"), typed).rows
        assert [row.name for row in rows] == ["Мария Иванова"]
    assert rows[0].address == "maria@market.example"
    assert rows[0].phone == "+7 495 123-45-67"
    assert rows[0].company == "ООО «Ромашка-Маркет»"


def test_an_archived_client_leaves_the_list_but_keeps_the_profile(office: Office, viewer: Viewers) -> None:
    company = office.companies["market.example"]
    company.archived_at = NOW
    office.session.flush()
    assert companies.listing(office.session, viewer("anna"), "ромашка").total == 0
    assert companies.profile(office.session, viewer("anna"), company.id).company is company


@pytest.mark.parametrize("name", ["anna", "viktor"])
def test_of_a_long_history_the_newest_entries_are_counted(
    office: Office, viewer: Viewers, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "COUNTED", 2)
    maria = contacts.profile(office.session, viewer(name), office.contacts["maria@market.example"].id)
    assert maria.counts == timeline.Counts({"mail": 1, "meeting": 1, "note": 0, "task": 0}, is_more=True)
    igor = contacts.profile(office.session, viewer("boris"), office.contacts["igor@harbour.example"].id)
    assert igor.counts == timeline.Counts({"mail": 1, "meeting": 0, "note": 0, "task": 0}, is_more=False)


def test_a_profile_tells_the_source_and_the_changes(office: Office, viewer: Viewers) -> None:
    maria = office.contacts["maria@market.example"]
    profile = contacts.profile(office.session, viewer("anna"), maria.id)
    assert profile.counts == timeline.Counts({"mail": 3, "meeting": 1, "note": 0, "task": 0}, is_more=False)
    assert [(c.field, c.old, c.new, c.who, c.mailbox) for c in profile.changes.rows] == [
        ("job_title", "Менеджер", "Закупщик", "Anna Sokolova", "anna@romashka.example")
    ]
    company = companies.profile(office.session, viewer("anna"), office.companies["market.example"].id)
    assert company.first_mailbox == "anna@romashka.example"
    assert [row.name for row in company.people] == ["Мария Иванова"]
