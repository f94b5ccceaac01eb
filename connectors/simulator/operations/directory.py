"""ResolveNames, ExpandDL, GetRoomLists, GetRooms, GetMailTips, GetDelegate, FindPeople, GetPersona and their like."""

from __future__ import annotations

from datetime import timedelta

from lxml import etree

from connectors.simulator import ids, people, render, shapes, targets
from connectors.simulator.errors import EwsError, SchemaViolation, SoapFault
from connectors.simulator.registry import Call, operation
from connectors.simulator.responses import Part, answer, attempt, failure, flag, holding, part, success
from connectors.simulator.rows import ItemRow, Mailbox
from connectors.simulator.schema import Element, add, elements, local, m, make, message, t, text_of

_MOST_NAMES = 100


@operation("ResolveNames")
def resolve_names(call: Call) -> Element:
    entry = part(call, "UnresolvedEntry")
    wanted = (entry.text or "").strip()
    scope = call.request.get("SearchScope", "ActiveDirectoryContacts")
    full = flag(call.request.get("ReturnFullContactData"))
    name = "ResolveNamesResponseMessage"
    try:
        found: list[Element] = []
        if scope != "Contacts":
            found += [_mailbox_resolution(box, full) for box in _directory(call, wanted)]
        if scope != "ActiveDirectory":
            found += _contact_resolutions(call, wanted, full)
    except EwsError as error:
        return answer(call.name, [failure(name, error)])
    if not found:
        return answer(call.name, [failure(name, EwsError("ErrorNameResolutionNoResults"))])
    held = message(
        "ResolutionSet",
        TotalItemsInView=str(len(found)),
        IncludesLastItemInRange="true" if len(found) <= _MOST_NAMES else "false",
    )
    held.extend(found[:_MOST_NAMES])
    if len(found) == 1:
        return answer(call.name, [success(name, [held])])
    made = failure(name, EwsError("ErrorNameResolutionMultipleResults"), response_class="Warning")
    made.append(held)
    return answer(call.name, [made])


def _directory(call: Call, wanted: str) -> list[Mailbox]:
    """The mailboxes whose address, or a word of whose name, begins with what was asked."""
    text = wanted.removeprefix("smtp:").removeprefix("SMTP:").lower()
    exact = call.store.mailboxes.find(text)
    if exact is not None:
        return [exact]
    return [
        box
        for box in call.store.mailboxes.all()
        if box.address.lower().startswith(text)
        or any(word.startswith(text) for word in box.name.lower().split())
        or box.name.lower().startswith(text)
    ]


def _mailbox_resolution(box: Mailbox, full: bool) -> Element:
    made = make("Resolution")
    made.append(people.address(box.name, box.address, "Mailbox"))
    if full:
        contact = add(made, "Contact")
        add(contact, "DisplayName", box.name)
        first, _, last = box.name.partition(" ")
        add(contact, "GivenName", first)
        addresses = add(contact, "EmailAddresses")
        add(addresses, "Entry", f"SMTP:{box.address}", Key="EmailAddress1")
        add(contact, "ContactSource", "ActiveDirectory")
        if last:
            add(contact, "Surname", last)
    return made


def _contact_resolutions(call: Call, wanted: str, full: bool) -> list[Element]:
    holder = call.request.find(m("ParentFolderIds"))
    if holder is not None:
        folders = [targets.folder(call, entry, "read") for entry in elements(holder)]
    else:
        folders = [call.store.folders.distinguished(call.user, "contacts")]
    found = []
    for folder in folders:
        for row, element in call.store.items.in_folder_with_elements(folder):
            if row.kind == "Contact" and _matches(element, wanted.lower()):
                found += _contact_entries(call, row, element, full)
    return found


def _matches(element: Element, wanted: str) -> bool:
    wanted = wanted.removeprefix("smtp:")
    names = [text_of(element, name) for name in ("DisplayName", "GivenName", "Surname", "Nickname", "FileAs")]
    emails = [entry.text or "" for entry in element.iterfind(f"{t('EmailAddresses')}/{t('Entry')}")]
    return any(name.lower().startswith(wanted) for name in names + emails if name)


def _contact_entries(call: Call, row: ItemRow, element: Element, full: bool) -> list[Element]:
    emails = [entry.text for entry in element.iterfind(f"{t('EmailAddresses')}/{t('Entry')}") if entry.text]
    found = []
    for email in emails[:1] or [""]:
        made = make("Resolution")
        box = add(made, "Mailbox")
        add(box, "Name", text_of(element, "DisplayName"))
        if email:
            add(box, "EmailAddress", email)
            add(box, "RoutingType", "SMTP")
        add(box, "MailboxType", "Contact")
        box.append(render.item_id(row))
        if full:
            made.append(render.item(call, row, shapes.Shape("AllProperties"), view=True, source=element))
        found.append(made)
    return found


@operation("ExpandDL")
def expand_dl(call: Call) -> Element:
    def serve(box: Element) -> list[Part]:
        members = _members(call, box)
        held = message("DLExpansion", TotalItemsInView=str(len(members)), IncludesLastItemInRange="true")
        held.extend(members)
        return [held]

    return answer(call.name, [attempt(call, "ExpandDLResponseMessage", part(call, "Mailbox"), serve)])


def _members(call: Call, box: Element) -> list[Element]:
    named = box.find(t("ItemId"))
    if named is not None:
        row = targets.item(call, named)
        element = call.store.items.element(row)
    else:
        email = text_of(box, "EmailAddress").lower()
        element = None
        contacts = call.store.folders.distinguished(call.user, "contacts")
        for row, candidate in call.store.items.in_folder_with_elements(contacts):
            if row.kind == "DistributionList" and text_of(candidate, "DisplayName").lower() == email:
                element = candidate
    if element is None or local(element) != "DistributionList":
        raise EwsError("ErrorNameResolutionNoResults")
    return element.findall(f"{t('Members')}/{t('Member')}/{t('Mailbox')}")


@operation("GetRoomLists")
def get_room_lists(call: Call) -> Element:
    made = message("GetRoomListsResponse", ResponseClass="Success")
    etree.SubElement(made, m("ResponseCode")).text = "NoError"
    etree.SubElement(made, m("RoomLists"))
    return made


@operation("GetRooms")
def get_rooms(call: Call) -> Element:
    address = text_of(part(call, "RoomList"), "EmailAddress")
    if not address:
        raise SchemaViolation("The element 'RoomList' has incomplete content.")
    return failure("GetRoomsResponse", EwsError("ErrorNameResolutionNoResults"))


@operation("GetMailTips")
def get_mail_tips(call: Call) -> Element:
    made = message("GetMailTipsResponse", ResponseClass="Success")
    etree.SubElement(made, m("ResponseCode")).text = "NoError"
    held = etree.SubElement(made, m("ResponseMessages"))
    for box in elements(part(call, "Recipients")):
        address = text_of(box, "EmailAddress")
        known = call.store.mailboxes.find(address)
        one = etree.SubElement(held, m("MailTipsResponseMessageType"), ResponseClass="Success")
        etree.SubElement(one, m("ResponseCode")).text = "NoError"
        tips = etree.SubElement(one, m("MailTips"))
        recipient = add(tips, "RecipientAddress")
        recipient.extend(people.address(known.name if known else address, address)[:3])
        add(tips, "PendingMailTips")
        local_part = address.lower().endswith("@" + call.store.domain.lower())
        add(tips, "InvalidRecipient", "true" if known is None and local_part else "false")
    return made


@operation("GetSearchableMailboxes")
def get_searchable_mailboxes(call: Call) -> Element:
    raise SoapFault("ErrorAccessDenied", "The caller does not have the Discovery Management role.")


@operation("GetDelegate")
def get_delegate(call: Call) -> Element:
    box = targets.mailbox_of(call, text_of(part(call, "Mailbox"), "EmailAddress"))
    if not call.store.mailboxes.may_open(box, call.user):
        return failure("GetDelegateResponse", EwsError("ErrorAccessDenied"))
    made = message("GetDelegateResponse", ResponseClass="Success")
    etree.SubElement(made, m("ResponseCode")).text = "NoError"
    asked = elements(call.request.find(m("UserIds")))
    if asked:
        refused = [failure("DelegateUserResponseMessageType", EwsError(_why_no_delegate(call, one))) for one in asked]
        made.append(holding("ResponseMessages", *refused))
    etree.SubElement(made, m("DeliverMeetingRequests")).text = "DelegatesAndSendInformationToMe"
    return made


def _why_no_delegate(call: Call, user: Element) -> str:
    """Nobody is a delegate here: the code says whether there is such a user at all."""
    sid = text_of(user, "SID")
    if sid:
        return "ErrorInvalidUserSid" if call.store.mailboxes.by_sid(sid) is None else "ErrorNotDelegate"
    known = call.store.mailboxes.find(text_of(user, "PrimarySmtpAddress"))
    return "ErrorDelegateNoUser" if known is None else "ErrorNotDelegate"


@operation("GetPasswordExpirationDate")
def get_password_expiration_date(call: Call) -> Element:
    made = message("GetPasswordExpirationDateResponse", ResponseClass="Success")
    etree.SubElement(made, m("ResponseCode")).text = "NoError"
    moment = (call.store.now() + timedelta(days=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
    etree.SubElement(made, m("PasswordExpirationDate")).text = moment
    return made


def _persona(box: Mailbox) -> Element:
    made = make("Persona")
    add(made, "PersonaId", Id=ids.conversation_id(box.guid, box.number.to_bytes(16, "big")))
    add(made, "PersonaType", "Person")
    add(made, "DisplayName", box.name)
    email = add(made, "EmailAddress")
    email.extend(people.address(box.name, box.address, "Mailbox"))
    addresses = add(made, "EmailAddresses")
    add(addresses, "Address").extend(people.address(box.name, box.address, "Mailbox"))
    return made


@operation("FindPeople")
def find_people(call: Call) -> Element:
    query = (call.request.findtext(m("QueryString")) or "").strip()
    found = _directory(call, query) if query else call.store.mailboxes.all()
    made = message("FindPeopleResponse", ResponseClass="Success")
    etree.SubElement(made, m("ResponseCode")).text = "NoError"
    made.append(holding("People", *map(_persona, found)))
    for name, text in (
        ("TotalNumberOfPeopleInView", str(len(found))),
        ("FirstMatchingRowIndex", "0"),
        ("FirstLoadedRowIndex", "0"),
    ):
        etree.SubElement(made, m(name)).text = text
    return made


@operation("GetPersona")
def get_persona(call: Call) -> Element:
    named = call.request.find(m("PersonaId"))
    address = text_of(call.request.find(m("EmailAddress")), "EmailAddress")
    boxes = call.store.mailboxes.all()
    if named is not None:
        number = int.from_bytes(ids.parse_conversation_id(named.get("Id") or ""), "big")
        found = next((box for box in boxes if box.number == number), None)
    else:
        found = call.store.mailboxes.find(address)
    if found is None:
        return failure("GetPersonaResponseMessage", EwsError("ErrorItemNotFound"))
    made = message("GetPersonaResponseMessage", ResponseClass="Success")
    etree.SubElement(made, m("ResponseCode")).text = "NoError"
    shown = _persona(found)
    shown.tag = m("Persona")
    made.append(shown)
    return made


@operation("GetUserPhoto")
def get_user_photo(call: Call) -> Element:
    part(call, "Email")
    made = failure("GetUserPhotoResponse", EwsError("ErrorItemNotFound", "The user has no photo."))
    etree.SubElement(made, m("HasChanged")).text = "false"
    return made
