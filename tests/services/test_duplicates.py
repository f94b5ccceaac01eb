"""Who is likely there twice (M4)."""

from __future__ import annotations

import pytest

from terracrm.models import Contact, ContactAddress, ContactPhone
from terracrm.services import duplicates, merges
from terracrm.services.access import operator
from tests.office import Office
from tests.services.conftest import Viewers


@pytest.fixture
def twin(office: Office) -> Contact:
    """Igor Lapin once more, as a client of nobody and without a company."""
    twin = office.contact("Igor Lapin", "lapin@home.example")
    office.session.flush()
    return twin


def found(office: Office, viewer: Viewers, name: str, entity: merges.Entity = "contact") -> dict[tuple[int, int], str]:
    pairs = duplicates.pairs(office.session, viewer(name), entity)
    return {(pair.one.id, pair.other.id): " ".join(pair.reasons) for pair in pairs}


def test_the_same_name_counts_where_the_companies_do_not_differ(office: Office, viewer: Viewers, twin: Contact) -> None:
    igor = office.contacts["igor@harbour.example"]
    assert found(office, viewer, "anna") == {(igor.id, twin.id): "name"}
    twin.company = office.companies["market.example"]
    office.session.flush()
    assert found(office, viewer, "anna") == {}


def test_a_shared_address_and_a_personal_phone_count(office: Office, viewer: Viewers, twin: Contact) -> None:
    igor = office.contacts["igor@harbour.example"]
    twin.display_name = twin.name_key = "i l"
    twin.addresses.append(ContactAddress(address="igor@harbour.example", position=1))
    for person in (igor, twin):
        person.phones.append(ContactPhone(number="8 916 000-00-01", e164="+79160000001", label="mobile"))
    office.session.flush()
    assert found(office, viewer, "anna") == {(igor.id, twin.id): "address phone"}


@pytest.mark.parametrize("label", ["company_main", "business_fax"])
def test_a_number_that_colleagues_share_does_not_count(
    office: Office, viewer: Viewers, twin: Contact, label: str
) -> None:
    twin.display_name = twin.name_key = "i l"
    for person in (office.contacts["igor@harbour.example"], twin):
        person.phones.append(ContactPhone(number="8 495 000-00-01", e164="+74950000001", label=label))
    office.session.flush()
    assert found(office, viewer, "anna") == {}


def test_who_does_not_see_both_is_told_nothing(office: Office, viewer: Viewers, twin: Contact) -> None:
    twin.owner, twin.team = office.users["anna"], office.users["anna"].team
    office.session.flush()
    assert len(found(office, viewer, "anna")) == 1
    assert found(office, viewer, "boris") == {}


def test_companies_are_alike_by_name_phone_website_and_the_domain_of_their_people(
    office: Office, viewer: Viewers
) -> None:
    market, harbour = office.companies["market.example"], office.companies["harbour.example"]
    assert found(office, viewer, "anna", "company") == {}
    market.phone = harbour.phone = "+7 495 000-00-01"
    market.website = harbour.website = "https://market.example"
    harbour.name_key = market.name_key
    office.contacts["igor@harbour.example"].addresses[0].domain = "market.example"
    office.session.flush()
    pair = (market.id, harbour.id)
    assert found(office, viewer, "anna", "company") == {pair: "domain name phone website"}


def test_what_was_merged_is_no_duplicate_any_more(office: Office, viewer: Viewers, twin: Contact) -> None:
    igor = office.contacts["igor@harbour.example"]
    assert len(duplicates.pairs(office.session, viewer("anna"), "contact", of=twin.id)) == 1
    merges.merge(office.session, operator(), "contact", igor.id, twin.id)
    assert found(office, viewer, "anna") == {}
    assert duplicates.pairs(office.session, viewer("anna"), "contact", of=igor.id) == []
