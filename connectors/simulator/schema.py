"""What Microsoft's EWS schemas (MIT licence) say about the order of an item's and a folder's children.

The order is the one of `types.xsd`: an answer whose children come in another order does not validate, and
Exchange refuses a request whose children do.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from lxml import etree

from connectors.simulator.content import MESSAGES, TYPES

ERRORS = "http://schemas.microsoft.com/exchange/services/2006/errors"
NSMAP = {"t": TYPES, "m": MESSAGES}
_T = f"{{{TYPES}}}"
_M = f"{{{MESSAGES}}}"

Element = etree._Element
# libxml2 refuses texts of ten million characters unless it is told that they are meant.
_LONG = 5_000_000


def words(text: str) -> frozenset[str]:
    """The words of a table that is written as text."""
    return frozenset(text.split())


def parse(data: bytes) -> Element:
    """XML that this server wrote itself; unlike XML of strangers it may hold bodies of any length."""
    return etree.fromstring(data, etree.XMLParser(huge_tree=True) if len(data) > _LONG else None)


def t(name: str) -> str:
    """The qualified name of an element of the types namespace."""
    return _T + name


def m(name: str) -> str:
    """The qualified name of an element of the messages namespace."""
    return _M + name


def local(element: Element) -> str:
    """The name of an element without its namespace; "" for comments and processing instructions."""
    tag = element.tag
    return tag[tag.rfind("}") + 1 :] if isinstance(tag, str) else ""


def elements(parent: Element | None) -> list[Element]:
    """The child elements, without comments and processing instructions."""
    return [] if parent is None else [child for child in parent if isinstance(child.tag, str)]


def make(name: str, text: str | None = None, **attributes: str) -> Element:
    """A new element `{types}name` that carries the usual prefixes."""
    element = etree.Element(_T + name, attributes, nsmap=NSMAP)
    element.text = text
    return element


def add(parent: Element, name: str, text: str | None = None, **attributes: str) -> Element:
    """Append `{types}name` to the parent and return it."""
    element = etree.SubElement(parent, _T + name, attributes)
    element.text = text
    return element


def message(name: str, text: str | None = None, **attributes: str) -> Element:
    """A new element `{messages}name` that carries the usual prefixes."""
    element = etree.Element(_M + name, attributes, nsmap=NSMAP)
    element.text = text
    return element


def text_of(element: Element | None, name: str, default: str = "") -> str:
    """The text of the child `{types}name`, or the default when it is absent or empty."""
    return (element.findtext(_T + name) if element is not None else None) or default


def put(element: Element, name: str, text: str) -> Element:
    """Set the text of the child `{types}name`, making the child where there is none."""
    child = element.find(_T + name)
    if child is None:
        child = add(element, name)
    child.text = text
    return child


def drop(element: Element, *names: str) -> None:
    """Remove every child with one of these names."""
    for name in names:
        for child in element.findall(_T + name):
            element.remove(child)


_ITEM = """
    MimeContent ItemId ParentFolderId ItemClass Subject Sensitivity Body Attachments DateTimeReceived
    Size Categories Importance InReplyTo IsSubmitted IsDraft IsFromMe IsResend IsUnmodified
    InternetMessageHeaders DateTimeSent DateTimeCreated ResponseObjects ReminderDueBy ReminderIsSet
    ReminderNextTime ReminderMinutesBeforeStart DisplayCc DisplayTo HasAttachments ExtendedProperty
    Culture EffectiveRights LastModifiedName LastModifiedTime IsAssociated WebClientReadFormQueryString
    WebClientEditFormQueryString ConversationId UniqueBody Flag StoreEntryId InstanceKey NormalizedBody
    EntityExtractionResult PolicyTag ArchiveTag RetentionDate Preview RightsManagementLicenseData
    PredictedActionReasons IsClutter NextPredictedAction GroupingAction BlockStatus HasBlockedImages
    TextBody IconIndex MimeContentUTF8 SearchKey SortKey Hashtags Mentions MentionedMe
    PendingSocialActivityTagIds
"""
_MESSAGE = """
    Sender ToRecipients CcRecipients BccRecipients IsReadReceiptRequested IsDeliveryReceiptRequested
    ConversationIndex ConversationTopic From InternetMessageId IsRead IsResponseRequested References
    ReplyTo ReceivedBy ReceivedRepresenting ApprovalRequestData VotingInformation ReminderMessageData
"""
_MEETING = """
    AssociatedCalendarItemId IsDelegated IsOutOfDate HasBeenProcessed ResponseType UID RecurrenceId
    DateTimeStamp IsOrganizer
"""
_REQUEST = """
    MeetingRequestType IntendedFreeBusyStatus Start End OriginalStart IsAllDayEvent LegacyFreeBusyStatus
    Location When IsMeeting IsCancelled IsRecurring MeetingRequestWasSent CalendarItemType
    MyResponseType Organizer RequiredAttendees OptionalAttendees Resources ConflictingMeetingCount
    AdjacentMeetingCount ConflictingMeetings AdjacentMeetings Duration TimeZone AppointmentReplyTime
    AppointmentSequenceNumber AppointmentState Recurrence FirstOccurrence LastOccurrence
    ModifiedOccurrences DeletedOccurrences MeetingTimeZone StartTimeZone EndTimeZone ConferenceType
    AllowNewTimeProposal IsOnlineMeeting MeetingWorkspaceUrl NetShowUrl EnhancedLocation
    ChangeHighlights StartWallClock EndWallClock StartTimeZoneId EndTimeZoneId
"""
_RESPONSE = """
    Start End Location Recurrence CalendarItemType ProposedStart ProposedEnd EnhancedLocation
"""
_CANCELLATION = """
    Start End Location Recurrence CalendarItemType EnhancedLocation
"""
_CONTACT = """
    FileAs FileAsMapping DisplayName GivenName Initials MiddleName Nickname CompleteName CompanyName
    EmailAddresses PhysicalAddresses PhoneNumbers AssistantName Birthday BusinessHomePage Children
    Companies ContactSource Department Generation ImAddresses JobTitle Manager Mileage OfficeLocation
    PostalAddressIndex Profession SpouseName Surname WeddingAnniversary BirthdayLocal
    WeddingAnniversaryLocal HasPicture PhoneticFullName PhoneticFirstName PhoneticLastName Alias Notes
    Photo UserSMIMECertificate MSExchangeCertificate DirectoryId ManagerMailbox DirectReports
    AccountName IsAutoUpdateDisabled IsMessengerEnabled Comment ContactShortId ContactType Gender
    IsHidden ObjectId PassportId IsPrivate SourceId TrustLevel CreatedBy Urls AbchEmailAddresses Cid
    SkypeAuthCertificate SkypeContext SkypeId SkypeRelationship YomiNickname XboxLiveTag InviteFree
    HidePresenceAndProfile IsPendingOutbound SupportGroupFeeds UserTileHash UnifiedInbox Mris Wlid
    AbchContactId NotInBirthdayCalendar ShellContactType ImMri PresenceTrustLevel OtherMri
    ProfileLastChanged MobileImEnabled DisplayNamePrefix YomiGivenName YomiSurname PersonalNotes
    PersonId
"""
_CALENDAR = """
    UID RecurrenceId DateTimeStamp Start End OriginalStart IsAllDayEvent LegacyFreeBusyStatus Location
    When IsMeeting IsCancelled IsRecurring MeetingRequestWasSent IsResponseRequested CalendarItemType
    MyResponseType Organizer RequiredAttendees OptionalAttendees Resources ConflictingMeetingCount
    AdjacentMeetingCount ConflictingMeetings AdjacentMeetings Duration TimeZone AppointmentReplyTime
    AppointmentSequenceNumber AppointmentState Recurrence FirstOccurrence LastOccurrence
    ModifiedOccurrences DeletedOccurrences MeetingTimeZone StartTimeZone EndTimeZone ConferenceType
    AllowNewTimeProposal IsOnlineMeeting MeetingWorkspaceUrl NetShowUrl EnhancedLocation StartWallClock
    EndWallClock StartTimeZoneId EndTimeZoneId IntendedFreeBusyStatus JoinOnlineMeetingUrl
    OnlineMeetingSettings IsOrganizer InboxReminders
"""
_TASK = """
    ActualWork AssignedTime BillingInformation ChangeCount Companies CompleteDate Contacts
    DelegationState Delegator DueDate IsAssignmentEditable IsComplete IsRecurring IsTeamTask Mileage
    Owner PercentComplete Recurrence StartDate Status StatusDescription TotalWork
"""
_LIST = """
    DisplayName FileAs ContactSource Members
"""
_POST = """
    ConversationIndex ConversationTopic From InternetMessageId IsRead PostedTime References Sender
"""
_FOLDER = """
    FolderId ParentFolderId FolderClass DisplayName TotalCount ChildFolderCount ExtendedProperty
    ManagedFolderInformation EffectiveRights DistinguishedFolderId PolicyTag ArchiveTag ReplicaList
"""
_REFERENCE = " ReferenceItemId NewBodyContent"

ITEM_ORDER: dict[str, tuple[str, ...]] = {
    name: tuple(order.split())
    for name, order in {
        "Item": _ITEM,
        "Message": _ITEM + _MESSAGE,
        "MeetingMessage": _ITEM + _MESSAGE + _MEETING,
        "MeetingRequest": _ITEM + _MESSAGE + _MEETING + _REQUEST,
        "MeetingResponse": _ITEM + _MESSAGE + _MEETING + _RESPONSE,
        "MeetingCancellation": _ITEM + _MESSAGE + _MEETING + _CANCELLATION,
        "Contact": _ITEM + _CONTACT,
        "CalendarItem": _ITEM + _CALENDAR,
        "Task": _ITEM + _TASK,
        "DistributionList": _ITEM + _LIST,
        "PostItem": _ITEM + _POST,
    }.items()
}

FOLDER_ORDER: dict[str, tuple[str, ...]] = {
    name: tuple(order.split())
    for name, order in {
        "Folder": _FOLDER + "PermissionSet UnreadCount",
        "TasksFolder": _FOLDER + "PermissionSet UnreadCount",
        "SearchFolder": _FOLDER + "PermissionSet UnreadCount SearchParameters",
        "CalendarFolder": _FOLDER + "SharingEffectiveRights PermissionSet",
        "ContactsFolder": _FOLDER + "SharingEffectiveRights PermissionSet SourceId AccountName",
    }.items()
}

_SMART = "Subject Body ToRecipients CcRecipients BccRecipients IsReadReceiptRequested"
_SMART += " IsDeliveryReceiptRequested From" + _REFERENCE
RESPONSE_ORDER: dict[str, tuple[str, ...]] = {
    name: tuple(order.split())
    for name, order in {
        "ReplyToItem": _SMART,
        "ReplyAllToItem": _SMART,
        "ForwardItem": _SMART,
        "CancelCalendarItem": _SMART,
        "AcceptItem": _ITEM + _MESSAGE + "ReferenceItemId ProposedStart ProposedEnd",
        "TentativelyAcceptItem": _ITEM + _MESSAGE + "ReferenceItemId ProposedStart ProposedEnd",
        "DeclineItem": _ITEM + _MESSAGE + "ReferenceItemId ProposedStart ProposedEnd",
        "SuppressReadReceipt": "ReferenceItemId",
        "RemoveItem": _ITEM + _MESSAGE + "ReferenceItemId",
        "PostReplyItem": "Subject Body" + _REFERENCE,
        "AcceptSharingInvitation": "ReferenceItemId",
    }.items()
}

_RANKS = {kind: {name: rank for rank, name in enumerate(order)} for kind, order in (ITEM_ORDER | FOLDER_ORDER).items()}


def rank(kind: str, name: str) -> int:
    """The position of a child in the schema's order; children that the schema does not know come last."""
    return _RANKS.get(kind, _RANKS["Item"]).get(name, 1000)


def arrange(element: Element) -> Element:
    """Put the children of an item or folder into the schema's order (stable, in place) and return it."""
    ranks = _RANKS.get(local(element), _RANKS["Item"])
    children = elements(element)
    order = [ranks.get(local(child), 1000) for child in children]
    if any(a > b for a, b in pairwise(order)):
        element[:] = sorted(children, key=lambda child: ranks.get(local(child), 1000))
    return element


def misplaced(element: Element, order: Iterable[str]) -> str | None:
    """The first child that is unknown or out of order, as Exchange would name it; None when all is well."""
    ranks = {name: position for position, name in enumerate(order)}
    last = -1
    for child in elements(element):
        position = ranks.get(local(child), -1)
        if position < last or position < 0 or not child.tag.startswith(_T):
            return local(child)
        last = position
    return None
