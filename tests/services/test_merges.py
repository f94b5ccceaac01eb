"""Merging contacts and companies, and undoing it (M4)."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from terracrm.config import Settings
from terracrm.domain.names import name_key
from terracrm.errors import Forbidden, InvalidInput, NotFound
from terracrm.models import ActivityTopic, AuditEntry, Company, Contact, ContactAddress, FieldChange, Merge, Participant
from terracrm.services import (
    companies,
    contact_edits,
    contacts,
    matching,
    merge_list,
    merge_preview,
    merged,
    merges,
    search,
    stats,
    timeline,
    topics,
)
from terracrm.services.access import operator
from terracrm.services.merged import Entity
from terracrm.services.merges import MergeRefused
from tests.office import OURS, Office
from tests.services.conftest import Viewers

SETTINGS = Settings(mirror={"internal_domains": [OURS]})  # type: ignore[arg-type]


@pytest.fixture
def twin(office: Office) -> Contact:
    """Мария Иванова once more, with her private address and a phone that is known of her already."""
    twin = office.contact("Maria Ivanova", "maria@home.example", "8 495 123-45-67", birthday=None, department="Закупки")
    twin.owner, twin.team = office.users["anna"], office.users["anna"].team
    office.mail("private", "maria@home.example", [f"anna@{OURS}"], subject="From my private address", text="Hi")
    office.session.flush()
    return twin


def maria(office: Office) -> Contact:
    return office.contacts["maria@market.example"]


def subjects(office: Office, viewer: merges.Viewer, contact_id: int) -> set[str]:
    page = timeline.of_client(office.session, viewer, "contact", contact_id, timeline.Filters())
    return {entry.subject for entry in page.entries}


def test_the_winner_has_the_history_and_addresses_of_both(office: Office, viewer: Viewers, twin: Contact) -> None:
    anna, winner = viewer("anna"), maria(office)
    merges.merge(office.session, anna, "contact", winner.id, twin.id)
    profile = contacts.profile(office.session, anna, winner.id)
    assert [entry.address for entry in profile.addresses] == ["maria@market.example", "maria@home.example"]
    assert [entry.number for entry in profile.phones] == ["+7 495 123-45-67"]
    assert profile.contact.display_name == "Мария Иванова"
    assert profile.contact.department == "Закупки"
    assert {"From my private address", "Фото полки"} <= subjects(office, anna, winner.id)
    company = office.companies["market.example"]
    of_company = timeline.of_client(office.session, anna, "company", company.id, timeline.Filters())
    assert "From my private address" in {entry.subject for entry in of_company.entries}


def test_what_was_merged_is_nowhere_but_leads_to_the_winner(office: Office, viewer: Viewers, twin: Contact) -> None:
    anna, winner = viewer("anna"), maria(office)
    before = stats.counts(office.session)["contacts"]
    merges.merge(office.session, anna, "contact", winner.id, twin.id)
    assert stats.counts(office.session)["contacts"] == before - 1
    with pytest.raises(NotFound):
        contacts.profile(office.session, anna, twin.id)
    assert twin.id not in {row.id for row in contacts.listing(office.session, anna).rows}
    assert [row.id for row in search.find(office.session, anna, "home.example").contacts] == [winner.id]
    assert merges.survivor_of(office.session, anna, "contact", twin.id) == winner.id
    assert merges.survivor_of(office.session, viewer("boris"), "contact", twin.id) is None
    found = matching.match(office.session, _policy(), ["maria@home.example"])
    assert found["maria@home.example"].contact_id == winner.id


def test_undo_gives_everything_back(office: Office, viewer: Viewers, twin: Contact) -> None:
    anna, winner = viewer("anna"), maria(office)
    shown = subjects(office, anna, winner.id), subjects(office, anna, twin.id)
    made = merges.merge(office.session, anna, "contact", winner.id, twin.id, {"display_name": "loser"})
    assert winner.display_name == "Maria Ivanova"
    undone = merges.undo(office.session, SETTINGS, anna, made.id)
    assert undone.kept == []
    assert (winner.display_name, winner.name_key, winner.department) == ("Мария Иванова", "мария иванова", "")
    assert [entry.address for entry in winner.addresses] == ["maria@market.example"]
    assert [entry.address for entry in twin.addresses] == ["maria@home.example"]
    assert [entry.number for entry in twin.phones] == ["8 495 123-45-67"]
    assert (subjects(office, anna, winner.id), subjects(office, anna, twin.id)) == shown
    assert [row.id for row in search.find(office.session, anna, "home.example").contacts] == [twin.id]


def test_undo_puts_back_into_the_archive_who_was_there(office: Office, viewer: Viewers, twin: Contact) -> None:
    anna, winner = viewer("anna"), maria(office)
    contact_edits.archive(office.session, anna, winner.id)
    since = winner.archived_at
    assert since is not None
    made = merges.merge(office.session, anna, "contact", winner.id, twin.id)
    assert winner.archived_at is None, "the other one was in use"
    assert merges.undo(office.session, SETTINGS, anna, made.id).kept == []
    assert (winner.archived_at, twin.archived_at) == (since, None)


def test_mail_that_came_after_the_merge_is_matched_anew(office: Office, viewer: Viewers, twin: Contact) -> None:
    anna, winner = viewer("anna"), maria(office)
    made = merges.merge(office.session, anna, "contact", winner.id, twin.id)
    office.contacts["maria@home.example"] = winner
    office.mail("later", "maria@home.example", [f"anna@{OURS}"], subject="Later", text="Later")
    merges.undo(office.session, SETTINGS, anna, made.id)
    assert "Later" in subjects(office, anna, twin.id)
    assert "Later" not in subjects(office, anna, winner.id)


def test_what_was_changed_since_stays_and_is_named(office: Office, viewer: Viewers, twin: Contact) -> None:
    anna, winner = viewer("anna"), maria(office)
    made = merges.merge(office.session, anna, "contact", winner.id, twin.id)
    winner.department = "Продажи"
    winner.addresses = [entry for entry in winner.addresses if entry.address != "maria@home.example"]
    office.session.flush()
    undone = merges.undo(office.session, SETTINGS, anna, made.id)
    assert undone.kept == ["department", "emails"]
    assert winner.department == "Продажи"
    assert merge_list.page(office.session, anna, made.id).kept == ["department", "emails"]


def test_an_address_of_both_is_nobody_s_until_they_are_merged(office: Office, viewer: Viewers, twin: Contact) -> None:
    anna, winner = viewer("anna"), maria(office)
    twin.addresses.append(ContactAddress(address="maria@market.example", written="maria@market.example", position=1))
    office.session.execute(
        Participant.__table__.update()
        .where(Participant.address == "maria@market.example")
        .values(contact_id=None, match_method="ambiguous")
    )
    made = merges.merge(office.session, anna, "contact", winner.id, twin.id)
    whose = select(Participant.contact_id).where(Participant.address == "maria@market.example").distinct()
    assert list(office.session.scalars(whose)) == [winner.id]
    merges.undo(office.session, SETTINGS, anna, made.id)
    assert list(office.session.scalars(whose)) == [None]
    assert "maria@market.example" in [entry.address for entry in twin.addresses]


@pytest.mark.parametrize("name", ["viktor", "admin"])
def test_only_managers_merge(office: Office, viewer: Viewers, twin: Contact, name: str) -> None:
    with pytest.raises(Forbidden):
        merges.merge(office.session, viewer(name), "contact", maria(office).id, twin.id)
    made = merges.merge(office.session, viewer("anna"), "contact", maria(office).id, twin.id)
    with pytest.raises(Forbidden):
        merges.undo(office.session, SETTINGS, viewer(name), made.id)


def test_who_merges_sees_both(office: Office, viewer: Viewers, twin: Contact) -> None:
    peter = office.contacts["peter@vesna.example"]
    for winner, loser in ((maria(office), peter), (peter, maria(office))):
        with pytest.raises(NotFound):
            merges.merge(office.session, viewer("anna"), "contact", winner.id, loser.id)
    made = merges.merge(office.session, viewer("anna"), "contact", maria(office).id, twin.id)
    with pytest.raises(NotFound):
        merges.undo(office.session, SETTINGS, viewer("boris"), made.id)


def test_the_command_line_merges_and_says_so(office: Office, twin: Contact) -> None:
    made = merges.merge(office.session, operator(), "contact", maria(office).id, twin.id)
    merges.undo(office.session, SETTINGS, operator(), made.id)
    entries = office.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(entry.action, entry.user_id) for entry in entries] == [("merge", None), ("merge.undo", None)]
    assert all("command line" in entry.detail and "Maria" not in entry.detail for entry in entries)


def test_what_cannot_be_merged_is_refused(office: Office, viewer: Viewers, twin: Contact) -> None:
    anna, winner = viewer("anna"), maria(office)
    with pytest.raises(MergeRefused, match="one and the same"):
        merges.merge(office.session, anna, "contact", winner.id, winner.id)
    for choices in ({"salary": "loser"}, {"notes": "both"}):
        with pytest.raises(InvalidInput):
            merges.merge(office.session, anna, "contact", winner.id, twin.id, choices)
    made = merges.merge(office.session, anna, "contact", winner.id, twin.id)
    for pair in ((winner.id, twin.id), (twin.id, winner.id)):
        with pytest.raises(NotFound):
            merges.merge(office.session, anna, "contact", *pair)
    merges.undo(office.session, SETTINGS, anna, made.id)
    with pytest.raises(MergeRefused, match="undone already"):
        merges.undo(office.session, SETTINGS, anna, made.id)


def test_a_chain_is_undone_from_its_end(office: Office, viewer: Viewers, twin: Contact) -> None:
    anna, winner, igor = viewer("anna"), maria(office), office.contacts["igor@harbour.example"]
    first = merges.merge(office.session, anna, "contact", twin.id, igor.id)
    second = merges.merge(office.session, anna, "contact", winner.id, twin.id)
    assert merges.survivor_of(office.session, anna, "contact", igor.id) == winner.id
    assert {"Price list", "Фото полки"} <= subjects(office, anna, winner.id)
    with pytest.raises(MergeRefused, match="undo that merge first"):
        merges.undo(office.session, SETTINGS, anna, first.id)
    merges.undo(office.session, SETTINGS, anna, second.id)
    assert "Price list" in subjects(office, anna, twin.id)
    merges.undo(office.session, SETTINGS, anna, first.id)
    assert subjects(office, anna, igor.id) == {"Price list", "For the North team"}


def test_the_history_of_changes_shows_both_and_who_merged(office: Office, viewer: Viewers, twin: Contact) -> None:
    anna, winner = viewer("anna"), maria(office)
    office.add(FieldChange(entity="contact", entity_id=twin.id, field="notes", old="", new="of the other"))
    merges.merge(office.session, anna, "contact", winner.id, twin.id)
    changes = {change.field: change for change in contacts.profile(office.session, anna, winner.id).changes.rows}
    assert {"notes", "job_title", "department", "emails"} <= changes.keys()
    assert (changes["department"].who, changes["department"].source) == ("Anna Sokolova", "merge")


def test_companies_become_one_with_their_people_and_domains(office: Office, viewer: Viewers) -> None:
    anna = viewer("anna")
    winner, loser = office.companies["market.example"], office.companies["harbour.example"]
    igor = office.contacts["igor@harbour.example"]
    made = merges.merge(office.session, anna, "company", winner.id, loser.id, {"name": "loser"})
    profile = companies.profile(office.session, anna, winner.id)
    assert profile.company.name == "Free Harbour"
    assert {row.name for row in profile.people} == {"Мария Иванова", "Igor Lapin"}
    assert [owned.domain for owned in profile.company.domains] == ["harbour.example", "market.example"]
    assert "Price list" in {
        entry.subject
        for entry in timeline.of_client(office.session, anna, "company", winner.id, timeline.Filters()).entries
    }
    assert merges.survivor_of(office.session, anna, "company", loser.id) == winner.id
    assert [row.id for row in search.find(office.session, anna, "harbour").companies] == [winner.id]
    merges.undo(office.session, SETTINGS, anna, made.id)
    assert igor.company_id == loser.id
    assert [owned.domain for owned in loser.domains] == ["harbour.example"]
    assert companies.profile(office.session, anna, winner.id).company.name == "ООО «Ромашка-Маркет»"
    of_loser = timeline.of_client(office.session, anna, "company", loser.id, timeline.Filters())
    assert {entry.subject for entry in of_loser.entries} == {"Price list", "For the North team"}


def test_a_company_that_only_its_domain_names_takes_the_other_s_name(office: Office, viewer: Viewers) -> None:
    loser = office.companies["harbour.example"]
    winner = office.company("shop.example", "shop.example", "anna")
    merges.merge(office.session, viewer("anna"), "company", winner.id, loser.id)
    assert winner.name == "Free Harbour"


def test_people_and_companies_merge_and_part_in_any_order(office: Office, viewer: Viewers) -> None:
    """The company of a merged contact is merged meanwhile: undoing either finds the history with the right one."""
    anna = viewer("anna")
    winner, igor = maria(office), office.contacts["igor@harbour.example"]
    market, harbour = office.companies["market.example"], office.companies["harbour.example"]
    people = merges.merge(office.session, anna, "contact", winner.id, igor.id)
    firms = merges.merge(office.session, anna, "company", market.id, harbour.id)
    merges.undo(office.session, SETTINGS, anna, people.id)
    assert igor.company_id == market.id
    assert "Price list" in subjects(office, anna, igor.id)
    merges.undo(office.session, SETTINGS, anna, firms.id)
    of_igor = select(Participant.company_id).where(Participant.contact_id == igor.id).distinct()
    assert igor.company_id == harbour.id
    assert list(office.session.scalars(of_igor)) == [harbour.id]


def test_the_preview_says_what_comes_over(office: Office, viewer: Viewers, twin: Contact) -> None:
    office.users["boris"].team = office.users["anna"].team
    twin.owner = office.users["boris"]
    office.session.flush()
    shown = merge_preview.preview(office.session, viewer("anna"), "contact", maria(office).id, twin.id)
    assert shown.comes["emails"] == ["maria@home.example"]
    assert shown.comes["phones"] == []
    assert shown.history == 1
    assert shown.warnings == ["owners"]
    fields = {line.field: line for line in shown.fields}
    assert (fields["display_name"].winner, fields["display_name"].loser) == ("Мария Иванова", "Maria Ivanova")
    assert (fields["display_name"].takes, fields["department"].takes) == ("winner", "loser")


@pytest.mark.parametrize(
    ("name", "warns"), [("Maria Ivanova", False), ("М. Иванова", False), ("Пётр Сидоров", True), ("", True)]
)
def test_the_preview_warns_of_names_without_a_word_in_common_in_either_alphabet(
    office: Office, viewer: Viewers, twin: Contact, name: str, warns: bool
) -> None:
    twin.display_name, twin.name_key = name, name_key(name)
    office.session.flush()
    shown = merge_preview.preview(office.session, viewer("anna"), "contact", maria(office).id, twin.id)
    assert ("names" in shown.warnings) == warns


def _policy() -> matching.DomainPolicy:
    return matching.DomainPolicy.of([OURS], [])


def test_nothing_of_a_merge_stays_in_its_record_once_it_is_undone(
    office: Office, viewer: Viewers, twin: Contact
) -> None:
    made = merges.merge(office.session, viewer("anna"), "contact", maria(office).id, twin.id)
    merges.undo(office.session, SETTINGS, viewer("anna"), made.id)
    assert office.session.get_one(Merge, made.id).before == {"kept": []}
    assert office.session.scalar(select(Company.id).where(Company.merged_into_id.is_not(None))) is None


@pytest.mark.parametrize("entity", ["contact", "company"])
def test_what_is_about_the_loser_is_about_the_winner_until_it_is_undone(
    office: Office, viewer: Viewers, twin: Contact, entity: Entity
) -> None:
    anna = viewer("anna")
    pair = (maria(office).id, twin.id)
    if entity == "company":
        pair = (office.companies["market.example"].id, office.companies["harbour.example"].id)
    topics.set_topic(office.session, anna, office.activities["question"].id, entity, pair[1])
    before = about(office)
    assert len(before) == 2  # the answer inherits it
    made = merges.merge(office.session, anna, entity, *pair)
    assert {entity_id for _, entity_id, _ in about(office)} == {pair[0]}
    merges.undo(office.session, SETTINGS, anna, made.id)
    assert about(office) == before


def about(office: Office) -> list[tuple[int, int, str]]:
    rows = select(ActivityTopic.activity_id, ActivityTopic.entity_id, ActivityTopic.method)
    return sorted(map(tuple, office.session.execute(rows)))


def test_of_those_who_merge_the_same_at_once_none_breaks_a_chain(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        made = [Contact(display_name=name, name_key=name) for name in ("one", "two", "three")]
        session.add_all(made)
        session.flush()
        one, two, three = (contact.id for contact in made)
    start = Barrier(3)
    outcomes: list[str] = []

    def merge(winner: int, loser: int) -> None:
        start.wait()
        try:
            with sessions.begin() as session:
                merges.merge(session, operator(), "contact", winner, loser)
            outcomes.append("merged")
        except (MergeRefused, NotFound):
            outcomes.append("refused")

    threads = [Thread(target=merge, args=pair) for pair in ((one, two), (two, one), (three, two))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "merged" in outcomes
    with sessions() as session:
        for contact in session.scalars(select(Contact)):
            survivor = merged.survivor(session, contact)
            assert survivor is not None
            assert survivor.merged_into_id is None
        assert len(outcomes) == 3
        assert session.query(Merge).count() == outcomes.count("merged")
