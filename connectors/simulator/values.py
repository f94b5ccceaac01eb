"""The simple values that clients write: refused where Microsoft's schema refuses them, kept in one form."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

from lxml import etree

from connectors.simulator.errors import SchemaViolation
from connectors.simulator.schema import Element, elements, local, t, words
from connectors.simulator.timezones import zone_of

BOOLEANS = words(
    "AllowNewTimeProposal BlockStatus HasAttachments HasBeenProcessed HasBlockedImages HasPicture InviteFree"
    " IsAllDayEvent IsAssociated IsAutoUpdateDisabled IsCancelled IsClutter IsComplete IsDelegated"
    " IsDeliveryReceiptRequested IsDraft IsFromMe IsHidden IsMeeting IsMessengerEnabled IsOnlineMeeting"
    " IsOrganizer IsOutOfDate IsPrivate IsRead IsReadReceiptRequested IsRecurring IsResend"
    " IsResponseRequested IsSubmitted IsTeamTask IsUnmodified MeetingRequestWasSent MentionedMe"
    " ReminderIsSet"
)
MOMENTS = words(
    "AppointmentReplyTime AssignedTime Birthday BirthdayLocal CompleteDate DateTimeCreated DateTimeReceived"
    " DateTimeSent DateTimeStamp DueDate End EndWallClock LastModifiedTime OriginalStart PostedTime"
    " ProposedEnd ProposedStart RecurrenceId ReminderDueBy ReminderNextTime RetentionDate Start StartDate"
    " StartWallClock WeddingAnniversary WeddingAnniversaryLocal"
)
INTEGERS = words(
    "ActualWork AdjacentMeetingCount AppointmentSequenceNumber AppointmentState ChangeCount ConferenceType"
    " ConflictingMeetingCount ContactShortId IsAssignmentEditable Size TotalWork TrustLevel"
    " ReminderMinutesBeforeStart"
)
_BUSY = words("Free Tentative Busy OOF WorkingElsewhere NoData")
ENUMERATIONS = {
    "Sensitivity": words("Normal Personal Private Confidential"),
    "Importance": words("Low Normal High"),
    "LegacyFreeBusyStatus": _BUSY,
    "IntendedFreeBusyStatus": _BUSY,
    "Status": words("NotStarted InProgress Completed WaitingOnOthers Deferred"),
    "PostalAddressIndex": words("None Business Home Other"),
    "FileAsMapping": words(
        "None LastCommaFirst FirstSpaceLast Company LastCommaFirstCompany CompanyLastFirst LastFirst"
        " LastFirstCompany CompanyLastCommaFirst LastFirstSuffix LastSpaceFirstCompany CompanyLastSpaceFirst"
        " LastSpaceFirst DisplayName FirstName LastFirstMiddleSuffix LastName Empty"
    ),
}
_KEYS = {
    "EmailAddresses": words("EmailAddress1 EmailAddress2 EmailAddress3"),
    "PhoneNumbers": words(
        "AssistantPhone BusinessFax BusinessPhone BusinessPhone2 Callback CarPhone CompanyMainPhone HomeFax"
        " HomePhone HomePhone2 Isdn MobilePhone OtherFax OtherTelephone Pager PrimaryPhone RadioPhone Telex"
        " TtyTddPhone BusinessMobile IPPhone Mms Msn"
    ),
    "PhysicalAddresses": words("Business Home Other"),
    "ImAddresses": words("ImAddress1 ImAddress2 ImAddress3"),
}
_MOMENT = re.compile(r"^-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$")
_DATE = re.compile(r"^\d{4}-\d\d-\d\d(Z|[+-]\d\d:\d\d)?$")
_DECLARATION = re.compile(r' xmlns(:\w+)?="[^"]*"')
_WALL_CLOCK = words("StartWallClock EndWallClock BirthdayLocal WeddingAnniversaryLocal")


def normalise(element: Element, time_zone: Element | None = None) -> None:
    """Check the simple values of an item and write booleans as true/false and moments in UTC, in place.

    A moment without an offset is in the item's own StartTimeZone or EndTimeZone, else in the request's
    TimeZoneContext, else in UTC. Raises SchemaViolation.
    """
    zones = {name: _zone(element.find(t(name))) for name in ("StartTimeZone", "EndTimeZone", "MeetingTimeZone")}
    common = _zone(time_zone)
    for child in elements(element):
        name = local(child)
        if name in MOMENTS:
            near = zones["EndTimeZone" if name == "End" else "StartTimeZone"] or zones["MeetingTimeZone"]
            child.text = moment(name, child.text or "", near or common or UTC)
        elif name in BOOLEANS:
            child.text = _boolean(name, (child.text or "").strip())
        elif name in INTEGERS:
            child.text = _integer(name, (child.text or "").strip())
        elif name in ENUMERATIONS and child.text not in ENUMERATIONS[name]:
            raise _invalid(name, child.text or "")
        elif name in _KEYS:
            _check_keys(name, child)
        elif name in ("Body", "NewBodyContent"):
            _check_body(child)
        elif name == "ExtendedProperty":
            _normalise_extended(child)


def _normalise_extended(held: Element) -> None:
    uri = held.find(t("ExtendedFieldURI"))
    kind = (uri.get("PropertyType") or "") if uri is not None else ""
    for value in held.iter(t("Value")):
        if kind.startswith("SystemTime"):
            value.text = moment("Value", value.text or "")
        elif kind.startswith("Boolean"):
            value.text = _boolean("Value", (value.text or "").strip())


def _check_body(body: Element) -> None:
    """A body is text; a client that forgets to escape its HTML gets what it meant."""
    if body.get("BodyType") not in ("HTML", "Text"):
        raise _invalid("BodyType", body.get("BodyType") or "")
    if len(body):
        markup = "".join(etree.tostring(child, encoding="unicode", method="html") for child in body)
        body[:] = []
        body.text = (body.text or "") + _DECLARATION.sub("", markup)


def _zone(definition: Element | None) -> tzinfo | None:
    return None if definition is None else zone_of(definition)


def _invalid(name: str, text: str) -> SchemaViolation:
    return SchemaViolation(
        f"The '{name}' element is invalid - The value '{text}' is invalid according to its datatype."
    )


def _boolean(name: str, text: str) -> str:
    if text not in ("true", "false", "1", "0"):
        raise _invalid(name, text)
    return "true" if text in ("true", "1") else "false"


def _integer(name: str, text: str) -> str:
    if not re.fullmatch(r"[+-]?\d{1,10}", text):
        raise _invalid(name, text)
    return str(int(text))


def moment(name: str, text: str, zone: tzinfo = UTC) -> str:
    """An xs:dateTime in UTC to the second; an xs:date is taken as its midnight. Raises SchemaViolation."""
    text = text.strip()
    if _DATE.match(text):
        text = f"{text[:10]}T00:00:00{text[10:]}"
    if not _MOMENT.match(text):
        raise _invalid(name, text)
    try:
        found = datetime.fromisoformat(text)
        if name in _WALL_CLOCK:
            return found.strftime("%Y-%m-%dT%H:%M:%S") + (text[19:] if text.endswith("Z") else "")
        found = found.replace(tzinfo=zone) if found.tzinfo is None else found
        shown = found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _invalid(name, text) from error
    return f"{shown.year:04d}-{shown:%m-%dT%H:%M:%SZ}"


def _check_keys(name: str, container: Element) -> None:
    for entry in elements(container):
        if entry.get("Key") not in _KEYS[name]:
            raise SchemaViolation(
                f"The 'Key' attribute is invalid - The value '{entry.get('Key')}' is invalid according to its datatype."
            )
