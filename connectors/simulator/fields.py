"""Property paths: FieldURI, IndexedFieldURI and ExtendedFieldURI, and what they mean on an item's XML."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.simulator.content import TYPES
from connectors.simulator.errors import EwsError, SchemaViolation
from connectors.simulator.schema import FOLDER_ORDER, ITEM_ORDER, Element, add, local, t

# UnindexedFieldURIType of Microsoft's types.xsd, by prefix.
_FIELDS = {
    "folder": """
        FolderId ParentFolderId DisplayName UnreadCount TotalCount ChildFolderCount FolderClass
        SearchParameters ManagedFolderInformation PermissionSet EffectiveRights SharingEffectiveRights
        DistinguishedFolderId PolicyTag ArchiveTag ReplicaList
    """,
    "item": """
        ItemId ParentFolderId ItemClass MimeContent Attachments Subject DateTimeReceived Size Categories
        HasAttachments Importance InReplyTo InternetMessageHeaders IsAssociated IsDraft IsFromMe
        IsResend IsSubmitted IsUnmodified DateTimeSent DateTimeCreated Body ResponseObjects Sensitivity
        ReminderDueBy ReminderIsSet ReminderNextTime ReminderMinutesBeforeStart DisplayTo DisplayCc
        Culture EffectiveRights LastModifiedName LastModifiedTime ConversationId UniqueBody Flag
        StoreEntryId InstanceKey NormalizedBody EntityExtractionResult PolicyTag ArchiveTag
        RetentionDate Preview NextPredictedAction GroupingAction PredictedActionReason IsClutter
        RightsManagementLicenseData BlockStatus HasBlockedImages WebClientReadFormQueryString
        WebClientEditFormQueryString TextBody IconIndex MimeContentUTF8 Hashtags Mentions MentionedMe
        PendingSocialActivityTagIds
    """,
    "message": """
        ConversationIndex ConversationTopic InternetMessageId IsRead IsResponseRequested
        IsReadReceiptRequested IsDeliveryReceiptRequested ReceivedBy ReceivedRepresenting References
        ReplyTo From Sender ToRecipients CcRecipients BccRecipients ApprovalRequestData
        VotingInformation ReminderMessageData
    """,
    "meeting": """
        AssociatedCalendarItemId IsDelegated IsOutOfDate HasBeenProcessed ResponseType ProposedStart
        ProposedEnd
    """,
    "meetingRequest": "MeetingRequestType IntendedFreeBusyStatus ChangeHighlights",
    "calendar": """
        Start End OriginalStart StartWallClock EndWallClock StartTimeZoneId EndTimeZoneId IsAllDayEvent
        LegacyFreeBusyStatus Location EnhancedLocation When IsMeeting IsCancelled IsRecurring
        MeetingRequestWasSent IsResponseRequested CalendarItemType MyResponseType Organizer
        RequiredAttendees OptionalAttendees Resources ConflictingMeetingCount AdjacentMeetingCount
        ConflictingMeetings AdjacentMeetings InboxReminders Duration TimeZone AppointmentReplyTime
        AppointmentSequenceNumber AppointmentState Recurrence FirstOccurrence LastOccurrence
        ModifiedOccurrences DeletedOccurrences MeetingTimeZone ConferenceType AllowNewTimeProposal
        IsOnlineMeeting MeetingWorkspaceUrl NetShowUrl UID RecurrenceId DateTimeStamp StartTimeZone
        EndTimeZone JoinOnlineMeetingUrl OnlineMeetingSettings IsOrganizer
    """,
    "task": """
        ActualWork AssignedTime BillingInformation ChangeCount Companies CompleteDate Contacts
        DelegationState Delegator DueDate IsAssignmentEditable IsComplete IsRecurring IsTeamTask Mileage
        Owner PercentComplete Recurrence StartDate Status StatusDescription TotalWork
    """,
    "contacts": """
        Alias AssistantName Birthday BusinessHomePage Children Companies CompanyName CompleteName
        ContactSource Culture Department DisplayName DirectoryId DirectReports EmailAddresses
        AbchEmailAddresses FileAs FileAsMapping Generation GivenName ImAddresses Initials JobTitle
        Manager ManagerMailbox MiddleName Mileage MSExchangeCertificate Nickname Notes OfficeLocation
        PhoneNumbers PhoneticFullName PhoneticFirstName PhoneticLastName Photo PhysicalAddresses
        PostalAddressIndex Profession SpouseName Surname WeddingAnniversary UserSMIMECertificate
        HasPicture AccountName IsAutoUpdateDisabled IsMessengerEnabled Comment ContactShortId
        ContactType CreatedBy Gender IsHidden ObjectId PassportId IsPrivate SourceId TrustLevel Urls Cid
        SkypeAuthCertificate SkypeContext SkypeId XboxLiveTag SkypeRelationship YomiNickname InviteFree
        HidePresenceAndProfile IsPendingOutbound SupportGroupFeeds UserTileHash UnifiedInbox Mris Wlid
        AbchContactId NotInBirthdayCalendar ShellContactType ImMri PresenceTrustLevel OtherMri
        ProfileLastChanged MobileIMEnabled PartnerNetworkProfilePhotoUrl PartnerNetworkThumbnailPhotoUrl
    """,
    "distributionlist": "Members",
    "postitem": "PostedTime",
    "conversation": """
        ConversationId ConversationTopic UniqueRecipients GlobalUniqueRecipients UniqueUnreadSenders
        GlobalUniqueUnreadSenders UniqueSenders GlobalUniqueSenders LastDeliveryTime
        GlobalLastDeliveryTime Categories GlobalCategories FlagStatus GlobalFlagStatus HasAttachments
        GlobalHasAttachments HasIrm GlobalHasIrm MessageCount GlobalMessageCount UnreadCount
        GlobalUnreadCount Size GlobalSize ItemClasses GlobalItemClasses Importance GlobalImportance
        ItemIds GlobalItemIds LastModifiedTime InstanceKey Preview NextPredictedAction GroupingAction
        IconIndex GlobalIconIndex DraftItemIds HasClutter MentionedMe GlobalMentionedMe
    """,
}
_RENAMED = {"PredictedActionReason": "PredictedActionReasons", "MobileIMEnabled": "MobileImEnabled"}
# Parts of `item:...` that later versions of Exchange know and older clients' schemas do not.
_LATER = frozenset({"item:PredictedActionReasons", "item:IsClutter", "item:SearchKey", "item:SortKey"})
FIELD_URIS = _LATER | {f"{prefix}:{name}" for prefix, names in _FIELDS.items() for name in names.split()}

# DictionaryURIType: the container, the entry, and the part of the entry (None: the entry's text).
_INDEXED = {
    "item:InternetMessageHeader": ("InternetMessageHeaders", "InternetMessageHeader", "HeaderName", None),
    "contacts:ImAddress": ("ImAddresses", "Entry", "Key", None),
    "contacts:PhoneNumber": ("PhoneNumbers", "Entry", "Key", None),
    "contacts:EmailAddress": ("EmailAddresses", "Entry", "Key", None),
    "contacts:PhysicalAddress:Street": ("PhysicalAddresses", "Entry", "Key", "Street"),
    "contacts:PhysicalAddress:City": ("PhysicalAddresses", "Entry", "Key", "City"),
    "contacts:PhysicalAddress:State": ("PhysicalAddresses", "Entry", "Key", "State"),
    "contacts:PhysicalAddress:CountryOrRegion": ("PhysicalAddresses", "Entry", "Key", "CountryOrRegion"),
    "contacts:PhysicalAddress:PostalCode": ("PhysicalAddresses", "Entry", "Key", "PostalCode"),
    "distributionlist:Members:Member": ("Members", "Member", "Key", None),
}
ADDRESS_PARTS = ("Street", "City", "State", "CountryOrRegion", "PostalCode")

PROPERTY_SETS = {
    "Meeting": "6ed8da90-450b-101b-98da-00aa003f1305",
    "Appointment": "00062002-0000-0000-c000-000000000046",
    "Common": "00062008-0000-0000-c000-000000000046",
    "PublicStrings": "00020329-0000-0000-c000-000000000046",
    "Address": "00062004-0000-0000-c000-000000000046",
    "InternetHeaders": "00020386-0000-0000-c000-000000000046",
    "CalendarAssistant": "11000e07-b51b-40d6-af21-caa85edab1d0",
    "UnifiedMessaging": "4442858e-a9e3-4e80-b900-317a210cc15b",
    "Task": "00062003-0000-0000-c000-000000000046",
    "Sharing": "00062040-0000-0000-c000-000000000046",
}


@dataclass(frozen=True)
class Path:
    """One property: `name` is its element (or container), `uri` its FieldURI, or `key` names a MAPI property.

    For a MAPI property `key` is (tag, type) or (property set guid, name or id, type); otherwise it is ().
    """

    uri: str
    name: str = "ExtendedProperty"
    index: str | None = None
    key: tuple = ()

    @property
    def part(self) -> str | None:
        """The part of a postal address that an indexed path means."""
        return _INDEXED[self.uri][3]


def parse(element: Element) -> Path:
    """The path that a FieldURI, IndexedFieldURI or ExtendedFieldURI element names."""
    kind = local(element)
    if kind == "ExtendedFieldURI":
        return Path("", key=extended_key(element))
    uri = element.get("FieldURI") or ""
    if kind == "IndexedFieldURI":
        if uri not in _INDEXED:
            raise _invalid("FieldURI", uri)
        return Path(uri, _INDEXED[uri][0], element.get("FieldIndex") or "")
    if kind == "ExceptionFieldURI":
        raise EwsError("ErrorInvalidPropertyRequest")
    if kind != "FieldURI":
        raise SchemaViolation(f"The element '{kind}' is not a path to a property.")
    if uri not in FIELD_URIS:
        raise _invalid("FieldURI", uri)
    name = uri.partition(":")[2]
    return Path(uri, _RENAMED.get(name, name))


def _invalid(attribute: str, value: str) -> SchemaViolation:
    return SchemaViolation(
        f"The '{attribute}' attribute is invalid - The value '{value}' is invalid according to its datatype "
        f"'{TYPES}:UnindexedFieldURIType' - The Enumeration constraint failed."
    )


def extended_key(element: Element) -> tuple:
    """What identifies the MAPI property of an ExtendedFieldURI element."""
    kind = element.get("PropertyType")
    if kind is None:
        raise SchemaViolation("The required attribute 'PropertyType' is missing.")
    tag = element.get("PropertyTag")
    try:
        if tag is not None:
            return (int(tag, 0), kind)
        number = element.get("PropertyId")
        what: str | int | None = element.get("PropertyName") if number is None else int(number, 0)
    except ValueError as error:
        raise SchemaViolation("The 'PropertyTag' attribute is invalid.") from error
    guid = PROPERTY_SETS.get(element.get("DistinguishedPropertySetId") or "") or element.get("PropertySetId")
    if guid is None or what is None:
        raise EwsError("ErrorInvalidExtendedProperty")
    return (guid.strip("{}").lower(), what.lower() if isinstance(what, str) else what, kind)


def belongs(path: Path, kind: str) -> bool:
    """True when items (or folders) of this kind have the property."""
    return bool(path.key) or path.name in (ITEM_ORDER.get(kind) or FOLDER_ORDER.get(kind) or ())


def entry(element: Element, path: Path) -> Element | None:
    """The entry of a dictionary (phone number, header, ...) that an indexed path names."""
    container = element.find(t(path.name))
    attribute = _INDEXED[path.uri][2]
    if container is None:
        return None
    wanted = (path.index or "").lower()
    return next((child for child in container if (child.get(attribute) or "").lower() == wanted), None)


def extended(element: Element, path: Path) -> Element | None:
    """The ExtendedProperty that an item carries for this path."""
    for held in element.iterfind(t("ExtendedProperty")):
        uri = held.find(t("ExtendedFieldURI"))
        if uri is not None and extended_key(uri) == path.key:
            return held
    return None


def delete(element: Element, path: Path) -> None:
    """Take a property off an item."""
    if path.key:
        held = extended(element, path)
        if held is not None:
            element.remove(held)
    elif path.index is None:
        for child in element.findall(t(path.name)):
            element.remove(child)
    else:
        _delete_entry(element, path)


def _delete_entry(element: Element, path: Path) -> None:
    held, container = entry(element, path), element.find(t(path.name))
    if held is None or container is None:
        return
    if path.part is not None:
        for part in held.findall(t(path.part)):
            held.remove(part)
    if path.part is None or not len(held):
        container.remove(held)
    if not len(container):
        element.remove(container)


def assign(element: Element, path: Path, carrier: Element) -> None:
    """Give an item the property that `carrier`, an item with just this property, carries."""
    if path.key:
        source = extended(carrier, path)
        if source is None:
            raise EwsError("ErrorUpdatePropertyMismatch")
        delete(element, path)
        element.append(source)
    elif path.index is None:
        source = carrier.find(t(path.name))
        if source is None:
            raise EwsError("ErrorUpdatePropertyMismatch")
        delete(element, path)
        element.append(source)
    else:
        _assign_entry(element, path, carrier)


def _assign_entry(element: Element, path: Path, carrier: Element) -> None:
    source, held = entry(carrier, path), entry(element, path)
    if source is None:
        raise EwsError("ErrorUpdatePropertyMismatch")
    container = element.find(t(path.name))
    if container is None:
        container = add(element, path.name)
    if path.part is None:
        if held is not None:
            container.remove(held)
        container.append(source)
        return
    if held is None:
        held = add(container, "Entry", Key=path.index or "")
    for part in held.findall(t(path.part)):
        held.remove(part)
    held.extend(source.findall(t(path.part)))
    held[:] = sorted(held, key=lambda child: ADDRESS_PARTS.index(local(child)))


def append(element: Element, path: Path, carrier: Element) -> None:
    """Add to a property of many values or to the body, as AppendToItemField does."""
    source = carrier.find(t(path.name)) if not path.key and path.index is None else None
    if source is None:
        raise EwsError("ErrorInvalidPropertyAppend")
    held = element.find(t(path.name))
    if held is None:
        element.append(source)
    elif path.name == "Body":
        held.text = (held.text or "") + (source.text or "")
    elif len(source):
        held.extend(list(source))
    else:
        raise EwsError("ErrorInvalidPropertyAppend")
