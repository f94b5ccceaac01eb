"""What each role sees: clients, history, content (A1, A2, invariant 7)."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from terracrm.errors import Forbidden, NotFound
from terracrm.models import Activity, Company, Contact, Mailbox, Note, Sharing
from terracrm.services import access, companies, contacts, meetings, messages, overview, timeline, tray
from terracrm.services.access import Viewer
from tests.office import NOW, Office
from tests.services.conftest import Viewers

ALL_HISTORY = {
    "question", "answer", "pictures", "vesna", "harbour", "secret", "team", "stranger", "tasting",
}  # fmt: skip


def seen(office: Office, viewer: Viewer) -> set[str]:
    ids = set(office.session.scalars(select(Activity.id).where(access.activities(viewer))))
    return {key for key, row in office.activities.items() if row.id in ids}


def names(session: Session, viewer: Viewer) -> set[str]:
    return set(session.scalars(select(Company.name).where(access.companies(viewer))))


def test_a_manager_sees_own_clients_and_those_that_belong_to_nobody(office: Office, viewer: Viewers) -> None:
    assert names(office.session, viewer("anna")) == {"ООО «Ромашка-Маркет»", "Free Harbour"}
    assert names(office.session, viewer("boris")) == {"Vesna Stores Ltd", "Free Harbour"}


def test_a_manager_sees_the_clients_of_the_team(office: Office, viewer: Viewers) -> None:
    assert names(office.session, viewer("galina")) == names(office.session, viewer("anna"))


def test_a_client_of_a_colleague_without_a_team_of_its_own_is_a_client_of_the_team(
    office: Office, viewer: Viewers
) -> None:
    office.companies["market.example"].team = None
    office.session.flush()
    assert "ООО «Ромашка-Маркет»" in names(office.session, viewer("galina"))
    assert "ООО «Ромашка-Маркет»" not in names(office.session, viewer("boris"))


@pytest.mark.parametrize("role", ["viktor", "admin"])
def test_controllers_and_admins_see_all_clients(office: Office, viewer: Viewers, role: str) -> None:
    assert len(names(office.session, viewer(role))) == 3


def test_the_people_of_a_hidden_company_are_hidden(office: Office, viewer: Viewers) -> None:
    for contact in office.contacts.values():
        contact.owner = contact.team = None
    office.session.flush()
    found = set(office.session.scalars(select(Contact.display_name).where(access.contacts(viewer("anna")))))
    assert found == {"Мария Иванова", "Igor Lapin"}


def test_a_contact_of_one_s_own_is_seen_although_the_company_is_not(office: Office, viewer: Viewers) -> None:
    peter = office.contacts["peter@vesna.example"]
    peter.owner, peter.team = office.users["anna"], None
    office.session.flush()
    profile = contacts.profile(office.session, viewer("anna"), peter.id)
    assert profile.contact.display_name == "Peter Volkov"
    assert profile.contact.employer_id is None


def test_a_manager_reads_the_history_of_visible_clients_as_far_as_it_is_shared(office: Office, viewer: Viewers) -> None:
    expected = {"question", "answer", "pictures", "harbour", "team", "stranger", "tasting"}
    assert seen(office, viewer("anna")) == expected
    assert seen(office, viewer("galina")) == expected - {"stranger"}


def test_holders_read_what_is_private_and_what_matches_nobody(office: Office, viewer: Viewers) -> None:
    assert seen(office, viewer("boris")) == {"vesna", "harbour", "secret"}


def test_team_sharing_reaches_the_team_of_the_mailbox_only(office: Office, viewer: Viewers) -> None:
    assert "team" in seen(office, viewer("galina"))
    assert "team" not in seen(office, viewer("boris"))


@pytest.mark.parametrize("level", [Sharing.PRIVATE, Sharing.PARTICIPANTS])
def test_narrow_sharing_is_for_holders_only(office: Office, viewer: Viewers, level: Sharing) -> None:
    office.activities["question"].sharing = level
    office.session.flush()
    assert "question" in seen(office, viewer("anna"))
    assert "question" not in seen(office, viewer("galina"))


def test_a_shared_mailbox_belongs_to_its_team(office: Office, viewer: Viewers) -> None:
    box = office.mailboxes["orders"].id
    assert box in viewer("galina").mailbox_ids
    assert box not in viewer("boris").mailbox_ids


def test_everybody_sees_their_own_notes(office: Office, viewer: Viewers) -> None:
    row = office.activity("memo", "note", [("to", "maria@market.example")], [], sharing=Sharing.PRIVATE)
    office.add(Note(activity_id=row.id, author_id=office.users["galina"].id, text="call back"))
    assert "memo" in seen(office, viewer("galina"))
    assert "memo" not in seen(office, viewer("anna"))


def test_a_controller_reads_everything(office: Office, viewer: Viewers) -> None:
    assert seen(office, viewer("viktor")) == ALL_HISTORY
    page = messages.page(office.session, viewer("viktor"), office.activities["secret"].id)
    assert page.body.text == "Personal words"


def test_an_admin_sees_that_something_happened_but_not_what(office: Office, viewer: Viewers) -> None:
    maria = office.contacts["maria@market.example"]
    page = timeline.of_client(office.session, viewer("admin"), "contact", maria.id, timeline.Filters())
    assert {entry.kind for entry in page.entries} == {"mail", "meeting"}
    assert all(not entry.is_readable and not entry.subject and not entry.people for entry in page.entries)
    with pytest.raises(NotFound):
        messages.page(office.session, viewer("admin"), office.activities["question"].id)
    with pytest.raises(NotFound):
        meetings.page(office.session, viewer("admin"), office.activities["tasting"].id)
    with pytest.raises(Forbidden):
        tray.listing(office.session, viewer("admin"), None)


def test_an_unknown_role_sees_nothing(office: Office) -> None:
    nobody = Viewer(user_id=1, role="analyst")
    assert seen(office, nobody) == set()
    assert names(office.session, nobody) == set()


@pytest.mark.parametrize("name", ["anna", "galina", "boris", "viktor", "admin"])
def test_the_profile_shows_the_same_history_as_the_general_rule(office: Office, viewer: Viewers, name: str) -> None:
    everything = seen(office, viewer(name))
    for company in office.companies.values():
        try:
            companies.profile(office.session, viewer(name), company.id)
        except NotFound:
            continue
        page = timeline.of_client(office.session, viewer(name), "company", company.id, timeline.Filters())
        keys = {key for key, row in office.activities.items() if row.id in {entry.id for entry in page.entries}}
        assert keys <= everything


def test_a_hidden_message_leaves_no_trace_in_counts_lists_and_threads(office: Office, viewer: Viewers) -> None:
    office.activities["answer"].sharing = Sharing.PRIVATE
    office.session.flush()
    galina = Viewer(office.users["galina"].id, "manager", office.users["galina"].team_id)
    company = office.companies["market.example"]
    assert companies.profile(office.session, galina, company.id).counts.of["mail"] == 2
    page = messages.page(office.session, galina, office.activities["question"].id)
    assert [message.subject for message in page.thread] == ["Договор поставки сметаны"]


def test_a_blind_copy_is_seen_by_sender_receiver_and_controller_only(office: Office, viewer: Viewers) -> None:
    answer = office.activities["answer"].id
    office.users["kirill"] = office.user("kirill", "manager", "North")

    def roles(name: str) -> set[str]:
        return {person.role for person in messages.page(office.session, viewer(name), answer).people}

    assert "bcc" in roles("anna")
    assert "bcc" in roles("galina")
    assert "bcc" in roles("viktor")
    assert "bcc" not in roles("kirill")
    copies = messages.page(office.session, viewer("kirill"), answer).copies
    assert [copy.mailbox for copy in copies] == ["anna@romashka.example"]


def test_people_see_their_own_mailboxes_and_admins_all(office: Office, viewer: Viewers) -> None:
    def boxes(name: str) -> set[str]:
        found = office.session.scalars(select(Mailbox.address).where(access.mailboxes(viewer(name))))
        return {address.partition("@")[0] for address in found}

    assert boxes("anna") == {"anna", "orders"}
    assert boxes("boris") == {"boris"}
    assert boxes("admin") == {"anna", "boris", "galina", "orders"}


def test_the_home_page_counts_what_is_seen(office: Office, viewer: Viewers) -> None:
    anna = overview.overview(office.session, viewer("anna"), NOW, None)
    assert (anna.companies, anna.contacts, anna.unknown_senders) == (2, 2, 1)
    assert anna.recent_activities == 6
    assert [entry.subject for entry in anna.upcoming] == ["Tasting of new cheeses"]
    boris = overview.overview(office.session, viewer("boris"), NOW, None)
    assert (boris.companies, boris.unknown_senders, boris.upcoming) == (2, 0, [])
    assert overview.overview(office.session, viewer("admin"), NOW, None).unknown_senders == 0
