"""Records out of what exchangelib makes of an item: a second reading, to hold our own against.

Only what exchangelib has no word for is read here as well: MAPI properties, by XPath, and the rules of our own (what is
a bulk mail, which day is meant), which have tests of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, date, datetime
from typing import Any

import exchangelib
from exchangelib import ItemAttachment
from exchangelib import items as ews
from exchangelib.properties import Attendee, Mailbox
from lxml.etree import _Element as Element

from connectors.exchange_ews.contacts import phone_label
from connectors.exchange_ews.elements import day
from terracrm.domain.automatic import is_automatic
from terracrm.domain.records import (
    AttachmentInfo,
    ClientCard,
    ContactRecord,
    LabelledAddress,
    MeetingKind,
    MeetingRecord,
    MessageRecord,
    Participant,
    Phone,
    PostalAddress,
    PostRecord,
    Response,
    Role,
    TaskRecord,
)

NAMESPACE = {"t": "http://schemas.microsoft.com/exchange/services/2006/types"}
ANSWERS = {
    "Organizer": Response.ORGANIZER,
    "Accept": Response.ACCEPTED,
    "Tentative": Response.TENTATIVE,
    "Decline": Response.DECLINED,
}
KINDS = {
    "RecurringMaster": MeetingKind.MASTER,
    "Occurrence": MeetingKind.OCCURRENCE,
    "Exception": MeetingKind.EXCEPTION,
}
DAYS = dict(enumerate(("MO", "TU", "WE", "TH", "FR", "SA", "SU", "SU,MO,TU,WE,TH,FR,SA", "MO,TU,WE,TH,FR", "SU,SA"), 1))
LAST = 5
CLASSES = {each.__name__: each for each in ews.ITEM_CLASSES}


def read(element: Element, account: exchangelib.Account) -> Any:
    """The item of an element, as exchangelib reads it; it empties what it has read."""
    kind = element.tag.rpartition("}")[2]
    return CLASSES[kind].from_xml(elem=deepcopy(element), account=account)


def message(element: Element, account: exchangelib.Account) -> MessageRecord:
    """A mail, whatever its class."""
    item = read(element, account)
    people = [_author(item, element)]
    for role, mailboxes in (
        (Role.TO, item.to_recipients),
        (Role.CC, item.cc_recipients),
        (Role.BCC, item.bcc_recipients),
    ):
        people += [_person(role, each) for each in mailboxes or ()]
    participants = tuple(each for each in people if each is not None)
    is_html = isinstance(item.body, exchangelib.HTMLBody)
    headers = [(each.name, each.value or "") for each in item.headers or ()]
    author = participants[0].address if participants and participants[0].role is Role.FROM else ""
    return MessageRecord(
        message_id=_text(item.message_id),
        subject=_text(item.subject),
        sent_at=_moment(item.datetime_sent),
        received_at=_moment(item.datetime_received),
        participants=participants,
        in_reply_to=_text(item.in_reply_to),
        references=tuple((item.references or "").split()),
        conversation_id=item.conversation_id.id if item.conversation_id else "",
        body_text="" if is_html else str(item.body or ""),
        body_html=str(item.body) if is_html else "",
        unique_text=_text(item.unique_body),
        importance=(item.importance or "normal").lower(),
        is_read=item.is_read is not False,
        is_draft=bool(item.is_draft),
        is_bulk=is_automatic(headers, item.item_class or "", author),
        item_class=item.item_class or "IPM.Note",
        categories=tuple(item.categories or ()),
        attachments=tuple(_attachment(each) for each in _in_order(element, item.attachments or ())),
        is_private=_is_private(item),
    )


def contact(element: Element, account: exchangelib.Account) -> ContactRecord:
    """A contact."""
    item = read(element, account)
    properties = _properties(element)
    return ContactRecord(
        display_name=_text(item.display_name) or _text(item.file_as),
        given_name=_text(item.given_name),
        middle_name=_text(item.middle_name),
        surname=_text(item.surname),
        company_name=_text(item.company_name),
        department=_text(item.department),
        job_title=_text(item.job_title),
        emails=tuple(
            LabelledAddress(each.label[-1], each.email, _entry_name(element, each.label))
            for each in sorted(item.email_addresses or (), key=lambda each: each.label)
            if each.email
        ),
        phones=tuple(
            Phone(phone_label(each.label), each.phone_number.strip())
            for each in sorted(item.phone_numbers or (), key=lambda each: each.label)
            if (each.phone_number or "").strip()
        ),
        postal_addresses=tuple(
            PostalAddress(each.label.lower(), *parts)
            for each in sorted(item.physical_addresses or (), key=lambda each: each.label)
            if any(parts := [_text(part) for part in (each.street, each.city, each.state, each.zipcode, each.country)])
        ),
        website=_text(item.business_homepage),
        birthday=day(element.findtext("t:Birthday", "", NAMESPACE)),
        notes=_text(item.body),
        categories=tuple(item.categories or ()),
        is_private=_is_private(item),
        card=ClientCard(
            client_id=properties.get("TerraCRM Client", ""),
            owner=properties.get("TerraCRM Owner", ""),
            stage=properties.get("TerraCRM Stage", ""),
            last_contact=_moment(properties.get("TerraCRM Last Contact")),
            next_step=properties.get("TerraCRM Next Step", ""),
            profile_link=properties.get("TerraCRM Profile", ""),
        ),
    )


def meeting(element: Element, account: exchangelib.Account) -> MeetingRecord:
    """A calendar item, without the exceptions of a series: each of them is an item that is held for itself."""
    item = read(element, account)
    kind = KINDS.get(item.type, MeetingKind.SINGLE)
    zone = item._start_timezone
    people = [_person(Role.ORGANIZER, item.organizer, "Organizer")] if item.organizer else []
    for role, attendees in (
        (Role.REQUIRED, item.required_attendees),
        (Role.OPTIONAL, item.optional_attendees),
        (Role.RESOURCE, item.resources),
    ):
        people += [_attendee(role, each) for each in attendees or ()]
    start, end = (_moment(element.findtext(f"t:{name}", "", NAMESPACE)) for name in ("Start", "End"))
    is_occurrence = kind in (MeetingKind.OCCURRENCE, MeetingKind.EXCEPTION)
    return MeetingRecord(
        uid=_text(item.uid),
        kind=kind,
        original_start=_moment((item.original_start if is_occurrence else None) or item.recurrence_id),
        subject=_text(item.subject),
        start=start,
        end=end,
        is_all_day=bool(item.is_all_day),
        start_date=_day(item.start) if item.is_all_day else None,
        end_date=_day(end.astimezone(zone)) if item.is_all_day else None,
        zone=zone.ms_id if zone else "",
        location=_text(item.location),
        participants=tuple(each for each in people if each is not None),
        my_response=ANSWERS.get(item.my_response_type, Response.UNKNOWN),
        is_organizer=item.my_response_type == "Organizer" or element.findtext("t:IsOrganizer", "", NAMESPACE) == "true",
        is_cancelled=bool(item.is_cancelled),
        is_meeting=bool(item.is_meeting),
        sequence=item.appointment_sequence_number or 0,
        changed_at=_moment(element.findtext("t:DateTimeStamp", "", NAMESPACE)),
        recurrence=_rule(item, start) if item.recurrence else "",
        deleted_occurrences=tuple(_moment(each.start) for each in item.deleted_occurrences or ()),
        body_text=_text(item.body),
        categories=tuple(item.categories or ()),
        is_private=_is_private(item),
    )


def task(element: Element, account: exchangelib.Account) -> TaskRecord:
    """A task."""
    item = read(element, account)
    done = _moment(item.complete_date) if item.is_complete else None
    return TaskRecord(
        subject=_text(item.subject),
        body=_text(item.body),
        due_on=item.due_date and _day(item.due_date),
        remind_at=_moment(item.reminder_due_by) if item.reminder_is_set else None,
        completed_on=done and day(done.isoformat()),
        importance=(item.importance or "normal").lower(),
        is_private=_is_private(item),
    )


def post(element: Element, account: exchangelib.Account) -> PostRecord:
    """A post."""
    item = read(element, account)
    return PostRecord(_text(item.subject), _text(item.body))


def _text(value: object) -> str:
    return str(value).strip() if value is not None else ""


def _moment(value: Any) -> datetime | None:
    if not value:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return datetime.fromtimestamp(value.timestamp(), UTC)


def _day(value: date) -> date:
    """exchangelib's dates are of a class of their own."""
    return date(value.year, value.month, value.day)


def _is_private(item: ews.Item) -> bool:
    return item.sensitivity not in (None, "Normal")


def _person(role: Role, mailbox: Mailbox, answer: str = "") -> Participant | None:
    address, name = _text(mailbox.email_address), _text(mailbox.name)
    return Participant(role, address, name, ANSWERS.get(answer, Response.UNKNOWN)) if address or name else None


def _attendee(role: Role, attendee: Attendee) -> Participant | None:
    one = _person(role, attendee.mailbox, attendee.response_type)
    when = _moment(attendee.last_response_time)
    return Participant(one.role, one.address, one.name, one.response, when) if one and when else one


def _author(item: ews.Message, element: Element) -> Participant | None:
    for mailbox, tag in ((item.author, "0x5d02"), (item.sender, "0x5d01")):
        one = _person(Role.FROM, mailbox) if mailbox else None
        if one is not None:
            address = _properties(element).get(tag, "") if mailbox.routing_type == "EX" else ""
            return Participant(Role.FROM, address or one.address, one.name)
    return None


def _properties(element: Element) -> dict[str, str]:
    """The extended properties by tag, number or name."""
    return {
        name: "".join(each.xpath("t:Value/text()", namespaces=NAMESPACE))
        for each in element.xpath("t:ExtendedProperty", namespaces=NAMESPACE)
        for name in each.xpath("t:ExtendedFieldURI/@*[name() != 'PropertyType']", namespaces=NAMESPACE)
    }


def _in_order(element: Element, attachments: Iterable[Any]) -> list[Any]:
    """exchangelib puts the items among the attachments first, or last."""
    ids = element.xpath("t:Attachments/*/t:AttachmentId/@Id", namespaces=NAMESPACE)
    return sorted(attachments, key=lambda each: ids.index(each.attachment_id.id))


def _attachment(found: Any) -> AttachmentInfo:
    return AttachmentInfo(
        found.attachment_id.id,
        _text(found.name),
        found.content_type or ("message/rfc822" if isinstance(found, ItemAttachment) else ""),
        found.size or 0,
        bool(found.is_inline),
        found.content_id or "",
        found.content_location or "",
    )


def _entry_name(element: Element, label: str) -> str:
    return "".join(element.xpath(f"t:EmailAddresses/t:Entry[@Key='{label}']/@Name", namespaces=NAMESPACE))


def _rule(item: ews.CalendarItem, start: datetime | None) -> str:
    """The pattern and the end of a series in the words of iCalendar; a day that a month lacks is its last one."""
    pattern, boundary = item.recurrence.pattern, item.recurrence.boundary
    kind = type(pattern).__name__
    rule = [f"FREQ={kind.removeprefix('Absolute').removeprefix('Relative').removesuffix('Pattern').upper()}"]
    if getattr(pattern, "interval", 1) > 1:
        rule.append(f"INTERVAL={pattern.interval}")
    if getattr(pattern, "month", None):
        rule.append(f"BYMONTH={pattern.month}")
    if kind == "WeeklyPattern":
        rule += [
            f"BYDAY={','.join(DAYS[each] for each in pattern.weekdays)}",
            f"WKST={DAYS[pattern.first_day_of_week]}",
        ]
    elif kind.startswith("Relative"):
        position = -1 if pattern.week_number == LAST else pattern.week_number
        days = DAYS[pattern.weekday]
        rule += [f"BYDAY={days}", f"BYSETPOS={position}"] if "," in days else [f"BYDAY={position}{days}"]
    elif kind.startswith("Absolute"):
        last = pattern.day_of_month
        days = range(min(last, 28), last + 1)
        rule += [f"BYMONTHDAY={','.join(map(str, days))}", *(["BYSETPOS=-1"] if last > 28 else [])]
    if type(boundary).__name__ == "NumberedPattern":
        rule.append(f"COUNT={boundary.number}")
    elif type(boundary).__name__ == "EndDatePattern":
        rule.append(_until(item, boundary.end, start))
    return ";".join(rule)


def _until(item: ews.CalendarItem, last: date, start: datetime) -> str:
    if item.is_all_day:
        return f"UNTIL={last:%Y%m%d}"
    zone = item._start_timezone
    first = start.astimezone(zone)
    ends = datetime(last.year, last.month, last.day, first.hour, first.minute, first.second, tzinfo=zone)
    return f"UNTIL={ends.astimezone(UTC):%Y%m%dT%H%M%SZ}"
