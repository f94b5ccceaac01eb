"""vCards of every version as contacts, and contacts as vCards."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.simulator.content import Item
from connectors.simulator.elements import find_all, local_name, text_of
from connectors.simulator.mime import write_mime
from connectors.simulator.vcard import read_vcards
from tests.connectors.simulator.item_schema import problems


def one(lines: str) -> Item:
    (item,) = read_vcards(f"BEGIN:VCARD\r\nVERSION:3.0\r\n{lines.strip()}\r\nEND:VCARD\r\n".encode())
    assert problems(item) == []
    return item


def entries(item: Item, name: str) -> dict[str | None, str | None]:
    return {entry.get("Key"): entry.text for entry in find_all(item.element, name, "Entry")}


WHOLE = """
N:Петров;Иван;Сергеевич;Dr.;Jr.
FN:Иван Петров
NICKNAME:Ваня
ORG:ООО \\"Молоко\\"\\, филиал;Закупки
TITLE:Директор
EMAIL;TYPE=INTERNET:second@x.test
EMAIL;TYPE=INTERNET,PREF:first@x.test
EMAIL:third@x.test
EMAIL:fourth@x.test
TEL;TYPE=WORK,VOICE:+7 495 1
TEL;TYPE=WORK:+7 495 2
TEL;TYPE=CELL:+7 916 3
TEL;TYPE=HOME:+7 499 4
TEL;TYPE=WORK,FAX:+7 495 5
TEL;TYPE=HOME,FAX:+7 499 6
ADR;TYPE=WORK:;;Тверская 1\\nофис 5;Москва;;125009;Россия
ADR;TYPE=HOME:;;Лесная 2;Тула;;300000;Россия
BDAY:1980-02-29
NOTE:Первая строка\\nвторая
URL:https://milk.test
CATEGORIES:Клиенты,VIP
CLASS:PRIVATE
UID:1
"""


def test_everything_that_exchange_has_a_place_for() -> None:
    item = one(WHOLE)
    element = item.element
    simple = {
        "DisplayName": "Иван Петров",
        "FileAs": "Петров, Иван Сергеевич",
        "GivenName": "Иван",
        "MiddleName": "Сергеевич",
        "Surname": "Петров",
        "Generation": "Jr.",
        "Nickname": "Ваня",
        "CompanyName": 'ООО "Молоко", филиал',
        "Department": "Закупки",
        "JobTitle": "Директор",
        "Birthday": "1980-02-29T11:59:00Z",
        "Body": "Первая строка\r\nвторая",
        "BusinessHomePage": "https://milk.test",
        "Sensitivity": "Private",
    }
    assert {name: text_of(element, name) for name in simple} == simple
    assert entries(item, "EmailAddresses") == {
        "EmailAddress1": "first@x.test",
        "EmailAddress2": "second@x.test",
        "EmailAddress3": "third@x.test",
    }
    assert entries(item, "PhoneNumbers") == {
        "BusinessPhone": "+7 495 1",
        "BusinessPhone2": "+7 495 2",
        "MobilePhone": "+7 916 3",
        "HomePhone": "+7 499 4",
        "BusinessFax": "+7 495 5",
        "HomeFax": "+7 499 6",
    }
    work, home = find_all(element, "PhysicalAddresses", "Entry")
    assert (work.get("Key"), text_of(work, "Street"), text_of(work, "City")) == (
        "Business",
        "Тверская 1\nофис 5",
        "Москва",
    )
    assert (text_of(home, "PostalCode"), text_of(home, "CountryOrRegion")) == ("300000", "Россия")
    assert [each.text for each in find_all(element, "Categories", "String")] == ["Клиенты", "VIP"]
    assert text_of(element, "CompleteName", "Title") == "Dr."


def test_a_written_card_reads_back_the_same() -> None:
    item = one(WHOLE)
    written = write_mime(item)
    assert all(len(line) <= 75 for line in written.split(b"\r\n"))
    (again,) = read_vcards(written)
    for name in ("DisplayName", "Surname", "CompanyName", "JobTitle", "Body", "Birthday", "Sensitivity"):
        assert text_of(again.element, name) == text_of(item.element, name)
    for name in ("EmailAddresses", "PhoneNumbers"):
        assert entries(again, name) == entries(item, name)


def test_version_2_1_in_quoted_printable() -> None:
    data = (
        b"BEGIN:VCARD\nVERSION:2.1\n"
        b"N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=9F=D0=B5=D1=82=D1=80=\n=D0=BE=D0=B2;=D0=98\n"
        b"TEL;WORK;VOICE:1\nTEL;CELL:2\nEMAIL;PREF;INTERNET:a@x\nPHOTO;JPEG;ENCODING=BASE64:/9j/4AAQ\n SkZJRg==\n\n"
        b"END:VCARD\n"
    )
    (item,) = read_vcards(data)
    assert (text_of(item.element, "Surname"), text_of(item.element, "GivenName")) == ("Петров", "И")
    assert entries(item, "PhoneNumbers") == {"BusinessPhone": "1", "MobilePhone": "2"}
    (photo,) = item.attachments
    assert (photo.is_contact_photo, photo.name, photo.content[:2]) == (True, "ContactPicture.jpg", b"\xff\xd8")
    assert text_of(item.element, "HasPicture") == "true"
    assert problems(item) == []


def test_version_4() -> None:
    item = one(
        'N:Doe;Jane;;;\nEMAIL;PREF=2:b@x\nEMAIL;PREF=1:a@x\nTEL;VALUE=uri;TYPE="voice,cell":tel:+1-555\n'
        "BDAY:--0412\nPHOTO:data:image/png;base64,iVBORw0KGgo=\nANNIVERSARY:20100101"
    )
    assert entries(item, "EmailAddresses") == {"EmailAddress1": "a@x", "EmailAddress2": "b@x"}
    assert entries(item, "PhoneNumbers") == {"MobilePhone": "+1-555"}
    assert text_of(item.element, "Birthday") == "1604-04-12T11:59:00Z"
    assert text_of(item.element, "WeddingAnniversary") == "2010-01-01T11:59:00Z"
    assert item.attachments[0].content_type == "image/png"


def test_apple_labels_and_groups() -> None:
    item = one("FN:Bob\nitem1.TEL:5\nitem1.X-ABLabel:_$!<Main>!$_\nitem2.EMAIL;type=pref:b@x")
    assert entries(item, "PhoneNumbers") == {"PrimaryPhone": "5"}


def test_a_group_is_a_distribution_list() -> None:
    cards = (
        "BEGIN:VCARD\nFN:Bob\nUID:urn:uuid:b\nEMAIL:bob@x\nEND:VCARD\n"
        "BEGIN:VCARD\nKIND:group\nFN:Sales\nMEMBER:urn:uuid:b\nMEMBER:mailto:eve@x\nMEMBER:urn:uuid:gone\nEND:VCARD\n"
    )
    contact, group = read_vcards(cards.encode())
    assert local_name(contact.element) == "Contact"
    assert local_name(group.element) == "DistributionList"
    members = find_all(group.element, "Members", "Member", "Mailbox")
    assert [text_of(each, "EmailAddress") for each in members] == ["bob@x", "eve@x"]
    assert problems(group) == []


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ("ORG:Milk Ltd", "Milk Ltd"),
        ("EMAIL:a@x", "a@x"),
        ("FN:Jane Doe", "Jane Doe"),
        ("N:Doe;Jane", "Jane Doe"),
        ("N:;;;;\nFN:", None),
    ],
)
def test_a_card_is_named_by_what_it_has(lines: str, name: str | None) -> None:
    assert text_of(one(lines).element, "DisplayName") == name


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a card",
        b"BEGIN:VCARD",
        b"BEGIN:VCARD\nFN:a\nBEGIN:VCARD\nFN:b",
        b"BEGIN:VCARD\n:::\n;;;\nFN\nTEL;;;=:\nADR:\nBDAY:never\nPHOTO;ENCODING=b:!!!\nEND:VCARD",
        b"BEGIN:VCARD\nFN:\xff\xfe\0\x0b\nEND:VCARD",
        "BEGIN:VCARD\r\nFN:Пётр\r\nEND:VCARD".encode("cp1251"),
    ],
)
def test_broken_cards_are_read_as_far_as_they_can_be(data: bytes) -> None:
    for item in read_vcards(data):
        assert problems(item) == []
        write_mime(item)


LINES = [*WHOLE.splitlines(), "BEGIN:VCARD", "END:VCARD", "KIND:group", "MEMBER:x", " folded", "TEL;TYPE=:"]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(LINES) | st.text(max_size=30), max_size=30))
def test_any_lines_can_be_read_and_written(lines: list[str]) -> None:
    data = "\n".join(["BEGIN:VCARD", *lines]).encode("utf-8", "surrogatepass")
    for item in read_vcards(data):
        etree.fromstring(etree.tostring(item.element))
        write_mime(item)
