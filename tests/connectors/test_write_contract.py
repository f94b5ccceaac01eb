"""What writing may rely on, held against every connector: in memory, and Exchange over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import Connector, Version
from connectors.exchange_ews.contact_settings import FIELDS as WRITTEN
from connectors.exchange_ews.contacts import PHONES, phone_label
from connectors.outlook_limits import FIELDS, trimmed
from terracrm.domain import history_block
from terracrm.domain.outlook_slots import PHONE_LABELS
from terracrm.domain.records import (
    Body,
    Change,
    ChangeKind,
    ClientCard,
    ContactRecord,
    LabelledAddress,
    Phone,
    PostalAddress,
    StreamKind,
)
from terracrm.errors import ItemGone, ItemRejected, Temporary, VersionConflict
from tests.connectors.write_offices import BORIS, MemoryOffice, Office, folder_of, opened

KEY = "client 7 <&> «ключ»"
VERA = ContactRecord(
    display_name="Вера Петровна Орлова",
    given_name="Вера",
    middle_name="Петровна",
    surname="Орлова",
    company_name="ООО «Сыры & Ко»",
    department="Закупки",
    job_title="Директор <по закупкам>",
    emails=(
        LabelledAddress("1", BORIS, "Вера Орлова (работа)"),
        LabelledAddress("2", "vera@client.test", "Вера"),
        LabelledAddress("3", "orlova@personal.test", "orlova@personal.test"),
    ),
    phones=tuple(Phone(label, f"+7 495 000-00-{number:02}") for number, label in enumerate(PHONE_LABELS)),
    postal_addresses=(
        PostalAddress("business", "ул. Ленина, 1\nоф. 2", "Москва", "Московская обл.", "101000", "Россия"),
        PostalAddress("home", city="Тверь"),
        PostalAddress("other", street="Warehouse 5", country="Latvia"),
    ),
    website="https://client.test/?a=1&b=2",
    birthday=date(1980, 2, 29),
    notes="Любит горы.\n  Второй абзац: <b>не тег</b> & прочее 🧀",
    categories=("Клиент", "VIP; «особый»"),
    is_private=False,
    card=ClientCard(
        client_id="7",
        owner="Р. Борисов",
        stage="Переговоры",
        last_contact=datetime(2026, 11, 20, 9, 30, 15, tzinfo=UTC),
        next_step="Позвонить в понедельник",
        profile_link="https://crm.example.test/contacts/7",
    ),
)
OTHER = ContactRecord(
    display_name="Nina",
    given_name="Nina",
    surname="Orlova-Berg",
    emails=(LabelledAddress("2", "nina@client.test", "Nina B."),),
    phones=(Phone("mobile", "+371 2000 0000"),),
    postal_addresses=(PostalAddress("home", "Brīvības iela 1", "Rīga"),),
    birthday=date(1981, 1, 1),
    notes="Changed",
    categories=("New",),
    is_private=True,
    card=ClientCard(client_id="8", stage="Won"),
)


@pytest.fixture(params=["memory", "exchange_ews"])
def office(request: pytest.FixtureRequest) -> Iterator[Office]:
    """An office whose every answer follows Microsoft's schema, and where nobody was mailed."""
    yield from opened(request.param)


def create(connector: Connector, record: ContactRecord = VERA, key: str = KEY) -> Version:
    return connector.create(folder_of(connector), record, key)


def read(connector: Connector, remote_id: str) -> Change:
    (change,) = connector.get(folder_of(connector), [remote_id])
    return change


def record_of(connector: Connector, version: Version) -> ContactRecord:
    """The contact as it is now; it must still be the version that was written."""
    change = read(connector, version.remote_id)
    assert isinstance(change.record, ContactRecord)
    assert change.version == version.change_key
    return change.record


class TestCreate:
    def test_every_field_comes_back_as_it_was_written(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        assert record_of(connector, version) == VERA
        (page,) = connector.changes(folder_of(connector), None, 10)
        (change,) = page.changes
        written = Change(ChangeKind.CREATED, version.remote_id, version.change_key, VERA, key=KEY)
        assert replace(change, changed_at=None) == written

    def test_a_private_contact_says_so(self, office: Office) -> None:
        connector = office.connector()
        assert record_of(connector, create(connector, replace(VERA, is_private=True))).is_private

    def test_an_almost_empty_contact_is_one(self, office: Office) -> None:
        connector = office.connector()
        record = ContactRecord(display_name="Nobody")
        assert record_of(connector, create(connector, record)) == record

    def test_a_contact_without_a_display_name_is_called_by_its_names(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector, ContactRecord(given_name="Вера", surname="Орлова"))
        assert record_of(connector, version).display_name == "Вера Орлова"
        company = create(connector, ContactRecord(company_name="ООО Сыры"), "company")
        assert record_of(connector, company).display_name == "ООО Сыры"

    def test_a_name_that_an_address_does_not_have_is_the_address(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector, ContactRecord(display_name="V", emails=(LabelledAddress("2", "v@client.test"),)))
        (email,) = record_of(connector, version).emails
        assert (email.label, email.address) == ("2", "v@client.test")
        assert email.name in ("", "v@client.test")

    def test_a_megabyte_of_notes_is_kept(self, office: Office) -> None:
        connector = office.connector()
        notes = "Встреча с заказчиком.\n" * 47_000
        version = create(connector, replace(VERA, notes=notes))
        assert record_of(connector, version).notes == notes.strip()
        assert connector.read_body(version.remote_id)[0] == Body(notes)

    def test_a_folder_that_is_gone_is_item_gone(self, office: Office) -> None:
        connector = office.connector()
        gone = connector.ensure_folder("contacts", "Gone", StreamKind.CONTACTS)
        office.remove(gone)
        with pytest.raises(ItemGone):
            connector.create(gone, VERA, KEY)
        with pytest.raises(ItemGone):
            connector.find_by_key(gone, KEY)

    def test_the_service_account_writes_in_the_name_of_the_mailbox(self, office: Office) -> None:
        service = office.connector(service=True)
        folder = service.ensure_folder("contacts", "Clients", StreamKind.CONTACTS)
        version = service.create(folder, VERA, KEY)
        version = service.update(version.remote_id, OTHER, FIELDS, version.change_key)
        assert office.connector().find_by_key(folder, KEY) == version
        service.delete(version.remote_id, version.change_key)
        assert folder_of(office.connector(), "deleteditems").item_count == 1

    @pytest.mark.parametrize(
        ("record", "words"),
        [
            (replace(VERA, notes="a\x01b"), "U+0001 in the notes"),
            (replace(VERA, display_name="\ud800"), "U+D800 in the display name"),
            (replace(VERA, categories=("ok", "\x00")), "U+0000 in the categories"),
            (replace(VERA, phones=(Phone("mobile", "1\x0b2"),)), "U+000B in the phones"),
            (replace(VERA, card=ClientCard(stage="\uffff")), "U+FFFF in the card"),
            (replace(VERA, body=Body("<p>\x08</p>", is_html=True)), "U+0008 in the notes"),
            (replace(VERA, emails=(LabelledAddress("4", "v@client.test"),)), "no place '4'"),
            (replace(VERA, phones=(Phone("mobile", "1"), Phone("mobile", "2"))), "labelled 'mobile', not 2"),
            (replace(VERA, postal_addresses=(PostalAddress("summer", city="Rome"),)), "no place 'summer'"),
            (replace(VERA, birthday=date(1600, 12, 31)), "before 1601"),
        ],
    )
    def test_what_no_contact_can_keep_is_refused_in_plain_words(
        self, office: Office, record: ContactRecord, words: str
    ) -> None:
        connector = office.connector()
        with pytest.raises(ItemRejected, match=words.replace("+", r"\+")):
            create(connector, record)
        version = create(connector)
        with pytest.raises(ItemRejected, match=words.replace("+", r"\+")):
            connector.update(version.remote_id, record, FIELDS, version.change_key)
        assert record_of(connector, version) == VERA


class TestKeys:
    def test_a_creation_whose_answer_got_lost_is_found_by_its_key(self, office: Office) -> None:
        connector = office.connector()
        folder = folder_of(connector)
        assert connector.find_by_key(folder, KEY) is None
        office.lose_the_answer("CreateItem")
        with pytest.raises(Temporary):
            connector.create(folder, VERA, KEY)
        found = office.connector().find_by_key(folder, KEY)
        assert found is not None
        assert record_of(connector, found) == VERA

    def test_a_key_is_found_to_the_letter(self, office: Office) -> None:
        connector = office.connector()
        folder = folder_of(connector)
        versions = {key: connector.create(folder, VERA, key) for key in ("a1", "A1", "1", "01", "1.0", "%", "🧀")}
        for key, version in versions.items():
            assert connector.find_by_key(folder, key) == version
        assert connector.find_by_key(folder, "a2") is None
        assert connector.find_by_key(folder, "a") is None

    def test_of_copies_one_is_found_and_all_tell_the_key(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        office.copy(version.remote_id, folder_of(connector))
        (page,) = connector.changes(folder_of(connector), None, 10)
        assert [change.key for change in page.changes] == [KEY, KEY]
        found = connector.find_by_key(folder_of(connector), KEY)
        assert found is not None
        assert found.remote_id in [change.remote_id for change in page.changes]

    def test_a_key_outlives_every_write(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        written = connector.update(version.remote_id, OTHER, FIELDS, version.change_key)
        assert connector.find_by_key(folder_of(connector), KEY) == written


class TestUpdate:
    @pytest.mark.parametrize("name", sorted(FIELDS))
    def test_one_field_changes_and_the_others_stay_byte_for_byte(self, office: Office, name: str) -> None:
        connector = office.connector()
        version = create(connector)
        before = office.everything(version.remote_id)
        written = connector.update(version.remote_id, OTHER, {name}, version.change_key)
        assert written.remote_id == version.remote_id
        assert written.change_key != version.change_key
        assert record_of(connector, written) == replace(VERA, **{name: getattr(OTHER, name)})
        after = office.everything(version.remote_id)
        allowed = TOUCHED.get(name, (name,))
        changed = {part for part in before.keys() | after.keys() if before.get(part) != after.get(part)}
        assert changed
        assert [part for part in changed if not part.startswith(allowed)] == []

    @pytest.mark.parametrize("name", sorted(FIELDS - {"is_private", "display_name"}))
    def test_a_field_can_be_emptied(self, office: Office, name: str) -> None:
        connector = office.connector()
        version = create(connector)
        written = connector.update(version.remote_id, ContactRecord(), {name}, version.change_key)
        assert record_of(connector, written) == replace(VERA, **{name: getattr(ContactRecord(), name)})

    def test_everything_at_once(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        written = connector.update(version.remote_id, OTHER, FIELDS, version.change_key)
        assert record_of(connector, written) == OTHER
        again = connector.update(written.remote_id, VERA, FIELDS, written.change_key)
        assert record_of(connector, again) == VERA

    def test_what_already_is_so_is_not_written(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        assert connector.update(version.remote_id, VERA, FIELDS, version.change_key) == version
        assert connector.update(version.remote_id, VERA, (), version.change_key) == version
        spaced = replace(VERA, notes=VERA.notes.replace("\n", "\r\n") + "\r\n", display_name=f" {VERA.display_name} ")
        assert connector.update(version.remote_id, spaced, FIELDS, version.change_key) == version
        assert record_of(connector, version) == VERA

    def test_one_entry_of_a_list_changes_and_the_others_are_not_touched(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        before = office.everything(version.remote_id)
        first, *rest = VERA.emails
        phones = tuple(replace(phone, number="+1") if phone.label == "mobile" else phone for phone in VERA.phones)
        wanted = replace(VERA, emails=(first, replace(rest[0], address="new@client.test")), phones=phones)
        written = connector.update(version.remote_id, wanted, {"emails", "phones"}, version.change_key)
        assert record_of(connector, written) == wanted
        after = office.everything(version.remote_id)
        changed = {part for part in before.keys() | after.keys() if before.get(part) != after.get(part)}
        if not isinstance(office, MemoryOffice):
            assert {part for part in changed if not part.startswith("ExtendedProperty")} == {
                "EmailAddresses EmailAddress2",
                "EmailAddresses EmailAddress3",
                "PhoneNumbers MobilePhone",
            }

    def test_a_name_that_is_not_given_leaves_the_one_that_is_there(self, office: Office) -> None:
        if isinstance(office, MemoryOffice):
            pytest.skip("names of addresses are kept as they are given")
        connector = office.connector()
        version = create(connector)
        nameless = replace(VERA, emails=tuple(replace(email, name="") for email in VERA.emails))
        assert connector.update(version.remote_id, nameless, {"emails"}, version.change_key) == version

    def test_a_foreign_change_is_never_overwritten(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        office.rename(version.remote_id, "Owner")
        with pytest.raises(VersionConflict):
            connector.update(version.remote_id, OTHER, {"notes"}, version.change_key)
        with pytest.raises(VersionConflict):
            connector.update(version.remote_id, VERA, {"notes"}, version.change_key)
        now = read(connector, version.remote_id)
        assert now.record == replace(VERA, job_title="Owner")
        written = connector.update(version.remote_id, OTHER, {"notes"}, now.version)
        assert record_of(connector, written) == replace(VERA, job_title="Owner", notes="Changed")

    @pytest.mark.parametrize("version", ["", "nonsense", "AAAA", 'a"<&>'])
    def test_a_version_of_nonsense_is_a_conflict(self, office: Office, version: str) -> None:
        connector = office.connector()
        made = create(connector)
        with pytest.raises(VersionConflict):
            connector.update(made.remote_id, OTHER, {"notes"}, version)
        with pytest.raises(VersionConflict):
            connector.delete(made.remote_id, version)
        assert record_of(connector, made) == VERA

    def test_a_write_whose_answer_got_lost_is_seen_in_the_version(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        office.lose_the_answer("UpdateItem")
        with pytest.raises(Temporary):
            connector.update(version.remote_id, OTHER, {"notes"}, version.change_key)
        with pytest.raises(VersionConflict):
            connector.update(version.remote_id, OTHER, {"notes"}, version.change_key)
        now = read(connector, version.remote_id)
        assert now.record == replace(VERA, notes="Changed")
        again = connector.update(version.remote_id, OTHER, {"notes"}, now.version)
        assert again.change_key == now.version

    def test_the_server_may_change_an_item_once_more(self, office: Office) -> None:
        connector = office.connector()
        office.change_once_more()
        version = create(connector)
        now = read(connector, version.remote_id)
        assert now.version != version.change_key
        assert now.record == VERA
        written = connector.update(version.remote_id, OTHER, {"notes"}, now.version)
        later = read(connector, version.remote_id)
        assert later.version != written.change_key
        assert later.record == replace(VERA, notes="Changed")

    def test_an_item_that_is_gone_is_item_gone(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        office.delete(version.remote_id)
        with pytest.raises(ItemGone):
            connector.update(version.remote_id, OTHER, {"notes"}, version.change_key)
        with pytest.raises(ItemGone):
            connector.delete(version.remote_id, version.change_key)
        with pytest.raises(ItemGone):
            connector.read_body(version.remote_id)

    @pytest.mark.parametrize("remote_id", ["", "nonsense", 'a"<b>&c', "ключ", "AAMk/+=="])
    def test_an_id_that_is_none_is_rejected_and_never_taken_for_a_deletion(
        self, office: Office, remote_id: str
    ) -> None:
        connector = office.connector()
        with pytest.raises(ItemRejected):
            connector.update(remote_id, OTHER, {"notes"}, "v1")
        with pytest.raises(ItemRejected):
            connector.delete(remote_id, "v1")

    def test_a_name_that_is_no_field_is_a_slip_of_ours(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        with pytest.raises(ValueError, match="no fields of a contact: nickname"):
            connector.update(version.remote_id, VERA, {"nickname"}, version.change_key)


TOUCHED: dict[str, tuple[str, ...]] = {
    "display_name": ("display_name", "DisplayName", "Subject", "CompleteName"),
    "given_name": ("given_name", "GivenName", "FileAs", "CompleteName"),
    "middle_name": ("middle_name", "MiddleName", "FileAs", "CompleteName"),
    "surname": ("surname", "Surname", "FileAs", "CompleteName"),
    "company_name": ("company_name", "CompanyName"),
    "department": ("department", "Department"),
    "job_title": ("job_title", "JobTitle"),
    "emails": ("emails", "EmailAddresses", "ExtendedProperty  {'DistinguishedPropertySetId': 'Address'"),
    "phones": ("phones", "PhoneNumbers"),
    "postal_addresses": ("postal_addresses", "PhysicalAddresses"),
    "website": ("website", "BusinessHomePage"),
    "birthday": ("birthday", "Birthday", "ExtendedProperty  {'DistinguishedPropertySetId': 'Address'"),
    "notes": ("notes", "body", "Body"),
    "categories": ("categories", "Categories"),
    "is_private": ("is_private", "Sensitivity"),
    "card": ("card", "ExtendedProperty  {'DistinguishedPropertySetId': 'PublicStrings'"),
}
"""What a write of each field may touch, in memory and in Exchange's own terms."""


class TestNotes:
    PAGE = '<html><body><p class="MsoNormal">Любит <b>горы</b> &amp; море</p></body></html>'

    def test_a_page_is_kept_as_it_is_and_read_as_text(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector, replace(VERA, notes="", body=Body(self.PAGE, is_html=True)))
        assert connector.read_body(version.remote_id) == (Body(self.PAGE, is_html=True), version)
        assert record_of(connector, version).notes == "Любит горы & море"

    def test_the_history_comes_and_goes_and_the_page_stays_byte_for_byte(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector, replace(VERA, notes="", body=Body(self.PAGE, is_html=True)))
        body, _ = connector.read_body(version.remote_id)
        block = history_block.Block(
            "История", entries=("20.11.2026 звонок",), link="https://crm.example.test/contacts/7"
        )
        version = write_body(connector, version, history_block.replace(body, block))
        seen, _ = connector.read_body(version.remote_id)
        assert history_block.read(seen, was_there=True) is history_block.State.PRESENT
        as_text = Body(record_of(connector, version).notes)
        assert history_block.strip(as_text).content.strip() == "Любит горы & море"
        assert write_body(connector, version, history_block.replace(seen, block)) == version
        version = write_body(connector, version, history_block.strip(seen))
        assert connector.read_body(version.remote_id)[0] == Body(self.PAGE, is_html=True)

    @pytest.mark.parametrize("notes", ["", "one\r\ntwo\n three  ", "\r\n", "a\tb", "<p>no page</p>"])
    def test_plain_notes_around_the_history_stay_byte_for_byte(self, office: Office, notes: str) -> None:
        connector = office.connector()
        version = create(connector, replace(VERA, notes=notes))
        body, _ = connector.read_body(version.remote_id)
        block = history_block.Block("History", entries=("20 Nov 2026, call",))
        version = write_body(connector, version, history_block.replace(body, block))
        seen, _ = connector.read_body(version.remote_id)
        assert history_block.strip(seen) == Body(notes)

    def test_text_takes_the_place_of_a_page(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector, replace(VERA, body=Body(self.PAGE, is_html=True)))
        written = connector.update(version.remote_id, replace(VERA, notes="plain"), {"notes"}, version.change_key)
        assert connector.read_body(version.remote_id) == (Body("plain"), written)


def write_body(connector: Connector, version: Version, body: Body) -> Version:
    return connector.update(version.remote_id, ContactRecord(body=body), {"notes"}, version.change_key)


class TestDelete:
    def test_a_deleted_contact_lies_in_deleted_items(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        connector.delete(version.remote_id, version.change_key)
        assert read(connector, version.remote_id).kind is ChangeKind.DELETED
        assert folder_of(connector).item_count == 0
        trash = folder_of(connector, "deleteditems")
        assert trash.item_count == 1
        assert connector.find_by_key(replace(trash, kind=StreamKind.CONTACTS), KEY) is not None

    def test_a_contact_that_changed_meanwhile_is_not_deleted(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        office.rename(version.remote_id, "Owner")
        with pytest.raises(VersionConflict):
            connector.delete(version.remote_id, version.change_key)
        assert folder_of(connector).item_count == 1

    def test_a_deletion_whose_answer_got_lost_is_seen_when_tried_again(self, office: Office) -> None:
        connector = office.connector()
        version = create(connector)
        office.lose_the_answer("DeleteItem")
        with pytest.raises(Temporary):
            connector.delete(version.remote_id, version.change_key)
        with pytest.raises(ItemGone):
            connector.delete(version.remote_id, version.change_key)
        assert folder_of(connector, "deleteditems").item_count == 1


class TestFolders:
    def test_a_folder_is_made_once_and_is_the_one_that_is_listed(self, office: Office) -> None:
        connector = office.connector()
        made = connector.ensure_folder("contacts", "Клиенты <TerraCRM> & Ко", StreamKind.CONTACTS)
        assert made in connector.folders()
        assert made.path == "Contacts/Клиенты <TerraCRM> & Ко"
        connector.create(made, VERA, KEY)
        again = office.connector().ensure_folder("contacts", "клиенты <terracrm> & ко", StreamKind.CONTACTS)
        assert again == replace(made, item_count=1)
        (page,) = connector.changes(made, None, 10)
        assert [change.record for change in page.changes] == [VERA]

    def test_a_folder_at_the_top_of_the_mailbox(self, office: Office) -> None:
        connector = office.connector()
        made = connector.ensure_folder("msgfolderroot", "TerraCRM Clients", StreamKind.CONTACTS)
        assert made in connector.folders()
        assert made.path == "TerraCRM Clients"

    def test_a_folder_whose_answer_got_lost_is_found(self, office: Office) -> None:
        connector = office.connector()
        if not isinstance(office, MemoryOffice):
            office.lose_the_answer("CreateFolder")
            with pytest.raises(Temporary):
                connector.ensure_folder("contacts", "Clients", StreamKind.CONTACTS)
        made = connector.ensure_folder("contacts", "Clients", StreamKind.CONTACTS)
        assert [folder for folder in connector.folders() if "Clients" in folder.path] == [made]

    def test_a_folder_of_another_kind_is_not_taken(self, office: Office) -> None:
        connector = office.connector()
        connector.ensure_folder("contacts", "Clients", StreamKind.MAIL)
        with pytest.raises(ItemRejected, match="not for contacts"):
            connector.ensure_folder("contacts", "Clients", StreamKind.CONTACTS)

    def test_a_well_known_folder_that_is_none_is_gone(self, office: Office) -> None:
        with pytest.raises(ItemGone):
            office.connector().ensure_folder("archiveinbox", "Clients", StreamKind.CONTACTS)


def test_every_field_of_a_record_can_be_written() -> None:
    assert set(WRITTEN) == FIELDS == {field.name for field in fields(ContactRecord)} - {"body"}
    assert {phone_label(key) for key in PHONES} == set(PHONE_LABELS)


LINE = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), max_size=12)
MOMENTS = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1700 < moment.year < 3000)
RECORDS = st.builds(
    ContactRecord,
    display_name=LINE,
    given_name=LINE,
    surname=LINE,
    company_name=LINE,
    job_title=LINE,
    emails=st.lists(
        st.builds(LabelledAddress, st.sampled_from("123"), st.sampled_from(["", "a@b.test", "c@d.test"]), LINE),
        max_size=3,
        unique_by=lambda entry: entry.label,
    ).map(tuple),
    phones=st.lists(
        st.builds(Phone, st.sampled_from(PHONE_LABELS), LINE), max_size=4, unique_by=lambda entry: entry.label
    ).map(tuple),
    postal_addresses=st.lists(
        st.builds(PostalAddress, st.sampled_from(["business", "home", "other"]), LINE, LINE, LINE, LINE, LINE),
        max_size=3,
        unique_by=lambda entry: entry.label,
    ).map(tuple),
    birthday=st.none() | st.dates(date(1601, 1, 1)),
    notes=st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)) | st.sampled_from("\r\n\t "), max_size=40),
    categories=st.lists(LINE, max_size=3).map(tuple),
    card=st.builds(ClientCard, LINE, LINE, last_contact=st.none() | MOMENTS),
)


def as_read(record: ContactRecord) -> ContactRecord:
    """The record without what a server may fill in: names."""
    emails = tuple(replace(entry, name="") for entry in record.emails)
    return replace(record, display_name="", emails=emails, notes=record.notes.strip())


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RECORDS, RECORDS, st.sets(st.sampled_from(sorted(FIELDS))))
def test_whatever_is_written_reads_so_and_is_not_written_again(
    office: Office, first: ContactRecord, second: ContactRecord, names: set[str]
) -> None:
    connector = office.connector()
    version = create(connector, first)
    version = connector.update(version.remote_id, second, names, version.change_key)
    found = record_of(connector, version)
    wanted = replace(first, **{name: getattr(second, name) for name in names})
    assert as_read(found) == as_read(trimmed(wanted))
    assert connector.update(version.remote_id, second, names, version.change_key) == version
    assert connector.update(version.remote_id, found, FIELDS, version.change_key) == version
