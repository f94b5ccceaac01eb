"""vCard files as EWS Contacts and DistributionLists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from lxml import etree

from connectors.simulator.content import Attachment, Item
from connectors.simulator.elements import add, add_mailbox, add_text, new, text_of
from connectors.simulator.vcard_lines import Property, read_cards

_SENSITIVITIES = {"PRIVATE": "Private", "CONFIDENTIAL": "Confidential"}
# For each kind of number the slots of a contact, in the order in which they are filled.
_PHONES = {
    ("HOME", "FAX"): ["HomeFax", "OtherFax"],
    ("FAX",): ["BusinessFax", "OtherFax", "HomeFax"],
    ("PAGER",): ["Pager"],
    ("CAR",): ["CarPhone"],
    ("ISDN",): ["Isdn"],
    ("X-ASSISTANT",): ["AssistantPhone"],
    ("ASSISTANT",): ["AssistantPhone"],
    ("X-COMPANY",): ["CompanyMainPhone"],
    ("COMPANY",): ["CompanyMainPhone"],
    ("X-CALLBACK",): ["Callback"],
    ("X-RADIO",): ["RadioPhone"],
    ("TLX",): ["Telex"],
    ("TEXTPHONE",): ["TtyTddPhone"],
    ("CELL",): ["MobilePhone", "OtherTelephone"],
    ("IPHONE",): ["MobilePhone", "OtherTelephone"],
    ("WORK",): ["BusinessPhone", "BusinessPhone2", "CompanyMainPhone"],
    ("HOME",): ["HomePhone", "HomePhone2"],
    ("MAIN",): ["PrimaryPhone"],
    ("PREF",): ["PrimaryPhone"],
}
_ANY_PHONE = ["OtherTelephone", "BusinessPhone", "BusinessPhone2", "HomePhone", "PrimaryPhone", "MobilePhone"]
_ADDRESS_PARTS = ["Street", "City", "State", "CountryOrRegion", "PostalCode"]


def read_vcards(data: bytes) -> list[Item]:
    """Every card of a file: people and organisations as Contacts, KIND:group as DistributionLists.

    Broken lines are left out. A card without any name is named after its organisation or first address.
    """
    cards = list(read_cards(data))
    by_uid = {card_uid: card for card in cards if (card_uid := _text(card, "UID"))}
    return [_group(card, by_uid) if _is_group(card) else _contact(card) for card in cards]


def _is_group(card: list[Property]) -> bool:
    return (_text(card, "KIND") or _text(card, "X-ADDRESSBOOKSERVER-KIND")).lower() == "group"


def _contact(card: list[Property]) -> Item:
    element = new("Contact")
    add(element, "ItemClass", "IPM.Contact")
    _add_names(element, card)
    company, department = [*_fields(card, "ORG"), "", ""][:2]
    add_text(element, "CompanyName", company)
    add_text(element, "Department", department)
    add_text(element, "JobTitle", _text(card, "TITLE"))
    add_text(element, "Profession", _text(card, "ROLE"))
    _add_common(element, card)
    _add_addresses(element, card)
    _add_phones(element, card)
    _add_postal_addresses(element, card)
    _add_dates(element, card)
    _add_web(element, card)
    for name, field in (
        ("X-MS-ASSISTANT", "AssistantName"),
        ("X-MS-MANAGER", "Manager"),
        ("X-MANAGER", "Manager"),
        ("X-MS-SPOUSE", "SpouseName"),
        ("X-SPOUSE", "SpouseName"),
        ("X-MS-OFFICE", "OfficeLocation"),
    ):
        if text_of(element, field) is None:
            add_text(element, field, _text(card, name))
    photo = next((photo for each in _all(card, "PHOTO") if (photo := _photo(each))), None)
    add(element, "HasPicture", photo is not None)
    return Item(element, [photo] if photo else [])


def _group(card: list[Property], by_uid: dict[str, list[Property]]) -> Item:
    element = new("DistributionList")
    add(element, "ItemClass", "IPM.DistList")
    name = _display_name(card)
    add_text(element, "Subject", name)
    add_text(element, "DisplayName", name)
    add_text(element, "FileAs", name)
    _add_common(element, card)
    listed = _all(card, "MEMBER") + _all(card, "X-ADDRESSBOOKSERVER-MEMBER")
    members = [member for each in listed if (member := _member(each, by_uid))]
    if members:
        holder = add(element, "Members")
        for number, (member_name, address) in enumerate(members, 1):
            entry = add(holder, "Member", Key=f"m{number}")
            add_mailbox(entry, member_name, address)
            add(entry, "Status", "Normal")
    return Item(element)


def _member(member: Property, by_uid: dict[str, list[Property]]) -> tuple[str, str] | None:
    target = member.text
    other = by_uid.get(target) or by_uid.get(re.sub(r"^urn:uuid:", "", target, flags=re.I))
    if other is not None:
        address = _text(other, "EMAIL")
        return (_display_name(other), address) if address else None
    if target.lower().startswith("mailto:"):
        address = target[7:]
        return (member.parameters.get("CN", address), address) if address else None
    return None


def _add_names(element: etree._Element, card: list[Property]) -> None:
    surname, given, middle, prefix, suffix = (_fields(card, "N") + [""] * 5)[:5]
    display = _display_name(card)
    if not surname and not given and not _fields(card, "ORG")[:1] and " " in display:
        given, _, surname = display.rpartition(" ")
    file_as = _text(card, "X-FILE-AS") or _text(card, "SORT-STRING")
    if not file_as:
        file_as = ", ".join(filter(None, [surname, " ".join(filter(None, [given, middle]))])) or display
    add_text(element, "Subject", display)
    add_text(element, "FileAs", file_as)
    add_text(element, "DisplayName", display)
    add_text(element, "GivenName", given)
    add_text(element, "MiddleName", middle)
    add_text(element, "Surname", surname)
    add_text(element, "Generation", suffix)
    add_text(element, "Nickname", _text(card, "NICKNAME"))
    initials = "".join(f"{word[0]}." for word in (given, middle, surname) if word)
    add_text(element, "Initials", initials)
    complete = add(element, "CompleteName")
    for name, value in (
        ("Title", prefix),
        ("FirstName", given),
        ("MiddleName", middle),
        ("LastName", surname),
        ("Suffix", suffix),
        ("Initials", initials),
        ("FullName", display),
        ("Nickname", _text(card, "NICKNAME")),
    ):
        add_text(complete, name, value)
    if not len(complete):
        element.remove(complete)


def _display_name(card: list[Property]) -> str:
    surname, given, middle, prefix, suffix = (_fields(card, "N") + [""] * 5)[:5]
    composed = " ".join(filter(None, [prefix, given, middle, surname, suffix]))
    names = [_text(card, "FN"), composed, next(iter(_fields(card, "ORG")), ""), _text(card, "EMAIL")]
    return re.sub(r"\s+", " ", next(filter(None, names), "")).strip()


def _add_common(element: etree._Element, card: list[Property]) -> None:
    notes = "\n".join(filter(None, (each.text for each in _all(card, "NOTE"))))
    add(element, "Body", notes.replace("\n", "\r\n"), BodyType="Text")
    sensitivity = _SENSITIVITIES.get(_text(card, "CLASS").upper(), "Normal")
    add(element, "Sensitivity", sensitivity)
    words = [word.strip() for each in _all(card, "CATEGORIES") for word in re.split(r"(?<!\\)[,;]", each.value)]
    if chosen := list(dict.fromkeys(word.replace("\\", "") for word in words if word)):
        holder = add(element, "Categories")
        for word in chosen:
            add(holder, "String", word)


def _add_addresses(element: etree._Element, card: list[Property]) -> None:
    found = sorted(_all(card, "EMAIL"), key=lambda each: each.preference)
    addresses = list(dict.fromkeys(re.sub(r"^mailto:", "", each.text, flags=re.I) for each in found if each.text))
    holder = add(element, "EmailAddresses") if addresses else element
    for number, address in enumerate(addresses[:3], 1):
        entry = add(holder, "Entry", address, Key=f"EmailAddress{number}")
        entry.set("Name", text_of(element, "DisplayName") or address)
        entry.set("RoutingType", "SMTP")
        entry.set("MailboxType", "OneOff")


def _add_phones(element: etree._Element, card: list[Property]) -> None:
    labels = {each.group: each.text.strip("_$!<>").upper() for each in _all(card, "X-ABLABEL") if each.group}
    taken: dict[str, str] = {}
    for phone in sorted(_all(card, "TEL"), key=lambda each: each.preference):
        number = re.sub(r"^tel:", "", phone.text, flags=re.I)
        kinds = phone.types | {labels.get(phone.group, "")}
        slots = next((slots for words, slots in _PHONES.items() if kinds.issuperset(words)), [])
        slot = next((slot for slot in [*slots, *_ANY_PHONE] if slot not in taken), None)
        if number and slot and number not in taken.values():
            taken[slot] = number
    if taken:
        holder = add(element, "PhoneNumbers")
        for key, number in taken.items():
            add(holder, "Entry", number, Key=key)


def _add_postal_addresses(element: etree._Element, card: list[Property]) -> None:
    taken: dict[str, list[str]] = {}
    for address in sorted(_all(card, "ADR"), key=lambda each: each.preference):
        box, extended, street, city, state, code, country = (address.fields + [""] * 7)[:7]
        lines = "\n".join(filter(None, [box, street, extended]))
        wanted = "Business" if "WORK" in address.types else "Home" if "HOME" in address.types else "Other"
        key = next((key for key in (wanted, "Other", "Business", "Home") if key not in taken), None)
        if key and any([lines, city, state, code, country]):
            taken[key] = [lines, city, state, country, code]
    if not taken:
        return
    holder = add(element, "PhysicalAddresses")
    for key, values in taken.items():
        entry = add(holder, "Entry", Key=key)
        for name, value in zip(_ADDRESS_PARTS, values, strict=True):
            add_text(entry, name, value)
    add(element, "PostalAddressIndex", next(iter(taken)))


def _add_dates(element: etree._Element, card: list[Property]) -> None:
    for names, field in (
        (("BDAY",), "Birthday"),
        (("ANNIVERSARY", "X-ANNIVERSARY", "X-MS-ANNIVERSARY"), "WeddingAnniversary"),
    ):
        day = next((day for name in names for each in _all(card, name) if (day := _day(each.text))), None)
        if day is not None:
            # Exchange keeps the day as 11:59 UTC, so that it is the same day in nearly every zone.
            add(element, field, f"{day.isoformat()}T11:59:00Z")


def _day(text: str) -> date | None:
    match = re.match(r"^(\d{4}|--)-?(\d{2})-?(\d{2})", text)
    if match is None:
        return None
    try:
        # 1604 is what Exchange and Apple write for a birthday without year.
        return date(int(match[1]) if match[1] != "--" else 1604, int(match[2]), int(match[3]))
    except ValueError:
        return None


def _add_web(element: etree._Element, card: list[Property]) -> None:
    links = [each for each in _all(card, "URL") if re.match(r"^[\w+.-]+:[^\s]+$|^[\w.-]+\.\w+[^\s]*$", each.text)]
    work = sorted(links, key=lambda each: "HOME" in each.types)
    if work:
        add_text(element, "BusinessHomePage", work[0].text)
    handles = list(
        dict.fromkeys(
            re.sub(r"^[\w-]+:", "", each.text)
            for name in ("IMPP", "X-MS-IMADDRESS", "X-SKYPE", "X-JABBER", "X-ICQ", "X-AIM", "X-MSN")
            for each in _all(card, name)
            if each.text
        )
    )
    holder = add(element, "ImAddresses") if handles else element
    for number, handle in enumerate(handles[:3], 1):
        add(holder, "Entry", handle, Key=f"ImAddress{number}")


def _photo(photo: Property) -> Attachment | None:
    data = photo.data
    if data is None:
        return None
    kind = "image/png" if data.startswith(b"\x89PNG") else "image/gif" if data.startswith(b"GIF8") else "image/jpeg"
    return Attachment("ContactPicture.jpg", kind, data, is_contact_photo=True)


def _all(card: Iterable[Property], name: str) -> list[Property]:
    return [each for each in card if each.name == name]


def _text(card: Iterable[Property], name: str) -> str:
    return next((each.text for each in card if each.name == name and each.text), "")


def _fields(card: Iterable[Property], name: str) -> list[str]:
    return next((each.fields for each in card if each.name == name), [])
