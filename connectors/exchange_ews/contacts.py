"""Contact elements of EWS -> ContactRecord. Distribution lists in a contacts folder are no contacts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from connectors.exchange_ews import named
from connectors.exchange_ews.elements import Item, day
from connectors.exchange_ews.services import Shape, field, numbered
from terracrm.domain.records import ContactRecord, LabelledAddress, Phone, PostalAddress

TYPES = frozenset({"Contact"})

PHONES = (
    "AssistantPhone", "BusinessFax", "BusinessPhone", "BusinessPhone2", "Callback", "CarPhone", "CompanyMainPhone",
    "HomeFax", "HomePhone", "HomePhone2", "Isdn", "MobilePhone", "OtherFax", "OtherTelephone", "Pager",
    "PrimaryPhone", "RadioPhone", "Telex", "TtyTddPhone",
)  # fmt: skip
EMAILS = ("EmailAddress1", "EmailAddress2", "EmailAddress3")
ADDRESSES = ("Business", "Home", "Other")
ADDRESS_PARTS = ("Street", "City", "State", "CountryOrRegion", "PostalCode")
ORIGINAL_EMAILS = {"EmailAddress1": 0x8084, "EmailAddress2": 0x8094, "EmailAddress3": 0x80A4}
"""PidLidEmailNOriginalDisplayName: the SMTP address of an entry taken from the address book (RoutingType EX)."""

SHAPE = Shape(
    paths=(
        field("item:Sensitivity"),
        field("item:Body"),
        field("item:Categories"),
        field("item:LastModifiedTime"),
        field("contacts:FileAs"),
        field("contacts:DisplayName"),
        field("contacts:GivenName"),
        field("contacts:MiddleName"),
        field("contacts:CompanyName"),
        field("contacts:Birthday"),
        field("contacts:BusinessHomePage"),
        field("contacts:Department"),
        field("contacts:JobTitle"),
        field("contacts:Surname"),
        *(field("contacts:EmailAddress", key) for key in EMAILS),
        *(field(f"contacts:PhysicalAddress:{part}", key) for part in ADDRESS_PARTS for key in ADDRESSES),
        *(field("contacts:PhoneNumber", key) for key in PHONES),
        *(numbered("Address", number, "String") for number in ORIGINAL_EMAILS.values()),
        *named.PATHS,
    ),
    body_type="Text",
)

_LABELS = {"OtherTelephone": "other"}


def contact(item: Item) -> ContactRecord:
    """The record of a contact element that was fetched with SHAPE."""
    return ContactRecord(
        display_name=item.text("DisplayName") or item.text("FileAs"),
        given_name=item.text("GivenName"),
        middle_name=item.text("MiddleName"),
        surname=item.text("Surname"),
        company_name=item.text("CompanyName"),
        department=item.text("Department"),
        job_title=item.text("JobTitle"),
        emails=_emails(item),
        phones=tuple(
            Phone(phone_label(entry.attribute("Key")), entry.own_text)
            for entry in _ordered(item, "PhoneNumbers", PHONES)
            if entry.own_text
        ),
        postal_addresses=tuple(
            address
            for entry in _ordered(item, "PhysicalAddresses", ADDRESSES)
            if (address := _postal_address(entry)) is not None
        ),
        website=item.text("BusinessHomePage"),
        birthday=day(item.text("Birthday")),
        notes=item.body("Body")[0].strip(),
        categories=item.strings("Categories"),
        is_private=item.is_private,
        card=named.card(item),
    )


def phone_label(key: str) -> str:
    """Exchange's key of a phone number in our words: BusinessPhone2 -> business_2, HomeFax -> home_fax."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", key).lower()
    return _LABELS.get(key) or words.replace("_phone", "")


def _ordered(item: Item, name: str, keys: Sequence[str]) -> list[Item]:
    """The entries of a list by their keys: whatever order a server answers them in, it is the same contact."""
    ranks = {key: rank for rank, key in enumerate(keys)}
    return sorted(item.items(name), key=lambda entry: ranks.get(entry.attribute("Key"), len(keys)))


def _emails(item: Item) -> tuple[LabelledAddress, ...]:
    originals = item.extended()
    found = []
    for entry in _ordered(item, "EmailAddresses", EMAILS):
        key, address = entry.attribute("Key"), entry.own_text
        original = originals.get(str(ORIGINAL_EMAILS.get(key, "")), "")
        if entry.attribute("RoutingType") == "EX" and "@" in original:
            address = original
        if address:
            found.append(LabelledAddress(key.removeprefix("EmailAddress"), address, entry.attribute("Name")))
    return tuple(found)


def _postal_address(entry: Item) -> PostalAddress | None:
    street, city, region, country, postal_code = (entry.text(part) for part in ADDRESS_PARTS)
    if not (street or city or region or country or postal_code):
        return None
    return PostalAddress(entry.attribute("Key").lower(), street, city, region, postal_code, country)
