"""Which properties an answer shows: the base shapes of Microsoft's documentation and the additional properties."""

from __future__ import annotations

from dataclasses import dataclass, field

from connectors.simulator import fields
from connectors.simulator.errors import SchemaViolation
from connectors.simulator.fields import Path
from connectors.simulator.schema import ITEM_ORDER, Element, elements, t, text_of, words

_COMMON = "Subject Sensitivity Attachments Size DateTimeSent DateTimeCreated ResponseObjects HasAttachments Body"
_MAIL = (
    _COMMON + " IsRead From Sender ToRecipients CcRecipients BccRecipients IsReadReceiptRequested"
    " IsDeliveryReceiptRequested References InternetMessageId ItemClass"
)
_MEETING = _MAIL + " AssociatedCalendarItemId IsDelegated IsOutOfDate HasBeenProcessed ResponseType"
_PLACE = " Start End Location LegacyFreeBusyStatus CalendarItemType Organizer"
DEFAULTS: dict[str, frozenset[str]] = {
    kind: frozenset(names.split())
    for kind, names in {
        "Item": _COMMON + " ItemClass",
        "Message": _MAIL,
        "MeetingMessage": _MEETING,
        "MeetingRequest": _MEETING + _PLACE + " MeetingRequestType IntendedFreeBusyStatus",
        "MeetingResponse": _MEETING,
        "MeetingCancellation": _MEETING,
        "PostItem": _COMMON + " ConversationIndex ConversationTopic From InternetMessageId IsRead PostedTime Sender",
        "CalendarItem": _COMMON
        + _PLACE
        + " UID IsRecurring IsAllDayEvent IsCancelled IsMeeting MeetingRequestWasSent IsResponseRequested"
        " MyResponseType RequiredAttendees OptionalAttendees Resources Duration TimeZone"
        " AppointmentReplyTime AppointmentSequenceNumber AppointmentState Recurrence FirstOccurrence"
        " LastOccurrence ModifiedOccurrences DeletedOccurrences RecurrenceId DateTimeStamp ReminderIsSet"
        " ReminderMinutesBeforeStart ReminderDueBy",
        "Contact": "Subject Body Attachments HasAttachments FileAs FileAsMapping DisplayName CompleteName CompanyName"
        " EmailAddresses PhysicalAddresses PhoneNumbers ImAddresses JobTitle Department BusinessHomePage"
        " Culture ResponseObjects",
        "DistributionList": "Subject DisplayName FileAs ContactSource Culture ResponseObjects HasAttachments",
        "Task": "Subject Body Sensitivity Attachments HasAttachments DueDate StartDate CompleteDate IsComplete"
        " PercentComplete Status StatusDescription Recurrence ReminderDueBy ReminderIsSet"
        " ReminderMinutesBeforeStart ResponseObjects Owner",
    }.items()
}

# A folder view (FindItem, SyncFolderItems) never shows these.
NOT_IN_VIEWS = words(
    "Body Attachments MimeContent MimeContentUTF8 UniqueBody NormalizedBody TextBody ToRecipients CcRecipients"
    " BccRecipients ReplyTo InternetMessageHeaders ResponseObjects RequiredAttendees OptionalAttendees Resources"
    " Recurrence FirstOccurrence LastOccurrence ModifiedOccurrences DeletedOccurrences MeetingTimeZone"
    " StartTimeZone EndTimeZone ConflictingMeetings AdjacentMeetings Members UserSMIMECertificate"
    " MSExchangeCertificate Photo"
)
# Shown only when they are asked for by name.
_ON_REQUEST = words(
    "MimeContent MimeContentUTF8 UniqueBody NormalizedBody TextBody StoreEntryId ExtendedProperty"
    " InternetMessageHeaders Preview SearchKey"
)
FOLDER_DEFAULT = words("DisplayName TotalCount ChildFolderCount UnreadCount")
_FOLDER_ALL = words("ParentFolderId FolderClass EffectiveRights DistinguishedFolderId SearchParameters")
_BASES = ("IdOnly", "Default", "AllProperties", "PcxPeopleSearch")


@dataclass(frozen=True)
class Shape:
    """What to show: a base shape, more properties by element name, entries of dictionaries, MAPI properties."""

    base: str = "IdOnly"
    names: frozenset[str] = frozenset()
    indexed: tuple[Path, ...] = ()
    extended: tuple[tuple[Path, Element], ...] = ()
    body_type: str = "Best"
    unique_body_type: str | None = None
    normalized_body_type: str | None = None
    maximum_body_size: int | None = None
    filter_html: bool = False
    paths: tuple[Path, ...] = field(default=())

    def shows(self, kind: str, *, view: bool = False) -> frozenset[str]:
        """The element names that an item of this kind shows; `view` for FindItem and SyncFolderItems."""
        known = frozenset(ITEM_ORDER.get(kind, ITEM_ORDER["Item"]))
        if self.base == "AllProperties":
            shown = known - _ON_REQUEST
        elif self.base == "IdOnly":
            shown = frozenset()
        else:
            shown = DEFAULTS.get(kind, DEFAULTS["Item"])
        shown |= self.names & known
        return shown - NOT_IN_VIEWS if view else shown

    def shows_of_folder(self) -> frozenset[str]:
        """The element names that a folder shows."""
        if self.base == "IdOnly":
            return self.names
        if self.base == "Default":
            return self.names | FOLDER_DEFAULT
        return self.names | FOLDER_DEFAULT | _FOLDER_ALL


def parse(element: Element | None) -> Shape:
    """The shape that an ItemShape, FolderShape or AttachmentShape element describes."""
    if element is None:
        return Shape(base="AllProperties")
    base = text_of(element, "BaseShape", "AllProperties" if element.tag.endswith("AttachmentShape") else "")
    if base not in _BASES:
        raise SchemaViolation(f"The 'BaseShape' element is invalid - The value '{base}' is invalid.")
    names, indexed, extended, paths = set(), [], [], []
    for child in elements(element.find(t("AdditionalProperties"))):
        path = fields.parse(child)
        paths.append(path)
        if path.key:
            extended.append((path, child))
        elif path.index is not None:
            indexed.append(path)
        else:
            names.add(path.name)
    if text_of(element, "IncludeMimeContent") == "true":
        names.add("MimeContent")
    size = text_of(element, "MaximumBodySize")
    return Shape(
        base="Default" if base == "PcxPeopleSearch" else base,
        names=frozenset(names),
        indexed=tuple(indexed),
        extended=tuple(extended),
        body_type=text_of(element, "BodyType", "Best"),
        unique_body_type=text_of(element, "UniqueBodyType") or None,
        normalized_body_type=text_of(element, "NormalizedBodyType") or None,
        maximum_body_size=int(size) if size.isdigit() else None,
        filter_html=text_of(element, "FilterHtmlContent") == "true",
        paths=tuple(paths),
    )
