"""Items as clients write, find, change, send and delete them."""

# ruff: noqa: E501 - the requests are long

from __future__ import annotations

import base64
import html

import pytest
from lxml import etree

from connectors.simulator import delivery
from connectors.simulator.simulator import Simulator
from tests.connectors.simulator.soap_client import NS, Client, codes, item_ids, texts

ALL = "<m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape>"
NEW = (
    '<m:CreateItem MessageDisposition="{how}">{folder}<m:Items><t:Message>{inner}</t:Message></m:Items></m:CreateItem>'
)
KEY = '<t:ExtendedFieldURI PropertySetId="c11ff724-aa03-4555-9952-8fa248a11c3e" PropertyName="key" PropertyType="String"/>'
TO = "<t:ToRecipients><t:Mailbox><t:EmailAddress>{0}</t:EmailAddress></t:Mailbox></t:ToRecipients>"


def saved(client: Client, inner: str, folder: str = "") -> str:
    answer = client(NEW.format(how="SaveOnly", inner=inner, folder=folder))
    assert codes(answer) == ["NoError"], etree.tostring(answer)
    return tag(item_ids(answer)[0])


def tag(pair: tuple[str, str]) -> str:
    return f'<t:ItemId Id="{pair[0]}" ChangeKey="{pair[1]}"/>'


def get(client: Client, item: str, shape: str = ALL) -> etree._Element:
    return client(f"<m:GetItem>{shape}<m:ItemIds>{item}</m:ItemIds></m:GetItem>")


def shape(base: str, *paths: str, extra: str = "") -> str:
    listed = "".join(path if path.startswith("<") else f'<t:FieldURI FieldURI="{path}"/>' for path in paths)
    more = f"<t:AdditionalProperties>{listed}</t:AdditionalProperties>" if paths else ""
    return f"<m:ItemShape><t:BaseShape>{base}</t:BaseShape>{extra}{more}</m:ItemShape>"


def update(client: Client, item: str, changes: str, resolution: str = "AutoResolve") -> etree._Element:
    return client(
        f'<m:UpdateItem ConflictResolution="{resolution}" MessageDisposition="SaveOnly"><m:ItemChanges><t:ItemChange>{item}'
        f"<t:Updates>{changes}</t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
    )


def setting(uri: str, value: str, kind: str = "Message") -> str:
    path = uri if uri.startswith("<") else f'<t:FieldURI FieldURI="{uri}"/>'
    return f"<t:SetItemField>{path}<t:{kind}>{value}</t:{kind}></t:SetItemField>"


def find(
    client: Client,
    where: str = "",
    *,
    folder: str = "drafts",
    view: str = "",
    sort: str = "",
    query: str = "",
    base: str = "Default",
) -> etree._Element:
    restriction = f"<m:Restriction>{where}</m:Restriction>" if where else ""
    return client(
        f'<m:FindItem Traversal="Shallow">{shape(base)}{view}{restriction}{sort}<m:ParentFolderIds>'
        f'<t:DistinguishedFolderId Id="{folder}"/></m:ParentFolderIds>{query}</m:FindItem>'
    )


def test_a_shape_shows_what_it_names_and_no_more(simulator: Simulator, anna: Client) -> None:
    item = saved(
        anna,
        f'<t:Subject>S</t:Subject><t:Body BodyType="HTML">&lt;b&gt;Hi&lt;/b&gt;</t:Body><t:ExtendedProperty>{KEY}<t:Value>42</t:Value></t:ExtendedProperty>',
    )
    assert [etree.QName(e).localname for e in get(anna, item, shape("IdOnly")).find(".//t:Message", NS)] == ["ItemId"]
    named = get(anna, item, shape("IdOnly", "item:Subject", KEY))
    assert texts(named, ".//t:Message/t:Subject") == ["S"]
    assert texts(named, ".//t:ExtendedProperty/t:Value") == ["42"]
    text = get(anna, item, shape("IdOnly", "item:Body", extra="<t:BodyType>Text</t:BodyType>"))
    assert texts(text, ".//t:Body") == ["Hi\r\n"]
    assert get(anna, item).find(".//t:ExtendedProperty", NS) is None


def test_arrays_and_tags_are_extended_properties_too(simulator: Simulator, anna: Client) -> None:
    array = KEY.replace('"key"', '"many"').replace('"String"', '"StringArray"')
    item = saved(
        anna,
        f"<t:Subject>S</t:Subject><t:ExtendedProperty>{array}<t:Values><t:Value>a</t:Value><t:Value>b</t:Value></t:Values></t:ExtendedProperty>",
    )
    tagged = '<t:ExtendedFieldURI PropertyTag="0x37" PropertyType="String"/>'
    copied = '<t:ExtendedFieldURI PropertyTag="0x300B" PropertyType="Binary"/>'
    answer = get(anna, item, shape("IdOnly", array, tagged, copied))
    assert texts(answer, ".//t:Values/t:Value") == ["a", "b"]
    assert texts(answer, ".//t:ExtendedProperty/t:Value")[0] == "S"
    copy = anna(
        f'<m:CopyItem><m:ToFolderId><t:DistinguishedFolderId Id="drafts"/></m:ToFolderId><m:ItemIds>{item}</m:ItemIds></m:CopyItem>'
    )
    again = get(anna, tag(item_ids(copy)[0]), shape("IdOnly", copied))
    assert texts(again, ".//t:ExtendedProperty/t:Value") == texts(answer, ".//t:ExtendedProperty/t:Value")[1:]


def test_moments_in_extended_properties_are_kept_in_utc_to_the_second(simulator: Simulator, anna: Client) -> None:
    when = '<t:ExtendedFieldURI PropertyTag="0x0039" PropertyType="SystemTime"/>'
    item = saved(
        anna,
        f"<t:Subject>S</t:Subject><t:ExtendedProperty>{when}<t:Value>2026-03-02T12:00:00.000+03:00</t:Value></t:ExtendedProperty>",
    )
    answer = get(anna, item, shape("IdOnly", "item:DateTimeSent", when))
    assert texts(answer, ".//t:DateTimeSent") == ["2026-03-02T09:00:00Z"]
    assert texts(answer, ".//t:ExtendedProperty/t:Value") == ["2026-03-02T09:00:00Z"]


def test_ids_are_converted_there_and_back_and_say_whose_they_are(simulator: Simulator, anna: Client) -> None:
    identifier = saved(anna, "<t:Subject>S</t:Subject>").split('"')[1]
    mailbox, form, current = "nobody@else.test", "EwsId", identifier
    for wanted in ("HexEntryId", "EntryId", "StoreId", "OwaId", "EwsId"):
        answer = anna(
            f'<m:ConvertId DestinationFormat="{wanted}"><m:SourceIds><t:AlternateId Format="{form}" Id="{current}" Mailbox="{mailbox}"/>'
            "</m:SourceIds></m:ConvertId>"
        )
        found = answer.find(".//m:AlternateId", NS)
        mailbox, form, current = found.get("Mailbox"), found.get("Format"), found.get("Id")
        assert mailbox == "anna@example.test"
    assert current == identifier


def test_every_write_changes_the_change_key_and_old_keys_conflict(simulator: Simulator, anna: Client) -> None:
    item = saved(anna, "<t:Subject>one</t:Subject>")
    first = update(anna, item, setting("item:Subject", "<t:Subject>two</t:Subject>"), "NeverOverwrite")
    assert codes(first) == ["NoError"]
    assert item_ids(first)[0][1] not in item
    for resolution, code in (("NeverOverwrite", "ErrorIrresolvableConflict"), ("AlwaysOverwrite", "NoError")):
        assert codes(update(anna, item, setting("item:Subject", "<t:Subject>x</t:Subject>"), resolution)) == [code]
    keyless = item.partition(" ChangeKey")[0] + "/>"
    assert codes(update(anna, keyless, setting("item:Subject", "<t:Subject>x</t:Subject>"), "NeverOverwrite")) == [
        "ErrorChangeKeyRequired"
    ]


def test_fields_are_set_appended_and_deleted(simulator: Simulator, anna: Client) -> None:
    item = saved(
        anna,
        f'<t:Subject>S</t:Subject><t:Body BodyType="Text">one</t:Body><t:Categories><t:String>a</t:String></t:Categories><t:ExtendedProperty>{KEY}<t:Value>42</t:Value></t:ExtendedProperty>',
    )
    changes = (
        '<t:AppendToItemField><t:FieldURI FieldURI="item:Body"/><t:Message><t:Body BodyType="Text"> two</t:Body></t:Message></t:AppendToItemField>'
        f"<t:DeleteItemField>{KEY}</t:DeleteItemField>"
        '<t:DeleteItemField><t:FieldURI FieldURI="item:Categories"/></t:DeleteItemField>'
        + setting("item:Importance", "<t:Importance>High</t:Importance>")
    )
    changed = tag(item_ids(update(anna, item, changes))[0])
    answer = get(anna, changed, shape("AllProperties", KEY))
    assert texts(answer, ".//t:Body") == ["one two"]
    assert texts(answer, ".//t:Importance") == ["High"]
    assert answer.find(".//t:Categories", NS) is None
    assert answer.find(".//t:ExtendedProperty", NS) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (setting("item:Size", "<t:Size>1</t:Size>"), "ErrorInvalidPropertySet"),
        (setting("contacts:GivenName", "<t:GivenName>x</t:GivenName>", "Contact"), "ErrorInvalidPropertySet"),
        (setting("item:Subject", "<t:Importance>High</t:Importance>"), "ErrorUpdatePropertyMismatch"),
        (setting("item:Importance", "<t:Importance>Urgent</t:Importance>"), "ErrorSchemaValidation"),
        (setting("item:Nonsense", "<t:Subject>x</t:Subject>"), "ErrorSchemaValidation"),
    ],
)
def test_a_change_that_cannot_be_is_refused_and_undone(
    simulator: Simulator, anna: Client, change: str, code: str
) -> None:
    item = saved(anna, "<t:Subject>kept</t:Subject>")
    assert codes(update(anna, item, setting("item:Subject", "<t:Subject>lost</t:Subject>") + change)) == [code]
    assert texts(get(anna, item), ".//t:Message/t:Subject") == ["kept"]


def test_a_phone_number_and_a_part_of_an_address_change_alone(simulator: Simulator, anna: Client) -> None:
    answer = anna(
        '<m:CreateItem><m:Items><t:Contact><t:PhysicalAddresses><t:Entry Key="Home"><t:Street>Main 1</t:Street><t:City>Kazan</t:City></t:Entry>'
        '</t:PhysicalAddresses><t:PhoneNumbers><t:Entry Key="HomePhone">1</t:Entry><t:Entry Key="MobilePhone">2</t:Entry></t:PhoneNumbers></t:Contact></m:Items></m:CreateItem>'
    )
    item = tag(item_ids(answer)[0])
    city = '<t:IndexedFieldURI FieldURI="contacts:PhysicalAddress:City" FieldIndex="Home"/>'
    phone = '<t:IndexedFieldURI FieldURI="contacts:PhoneNumber" FieldIndex="MobilePhone"/>'
    changes = (
        setting(
            city,
            '<t:PhysicalAddresses><t:Entry Key="Home"><t:City>Omsk</t:City></t:Entry></t:PhysicalAddresses>',
            "Contact",
        )
        + f"<t:DeleteItemField>{phone}</t:DeleteItemField>"
    )
    changed = tag(item_ids(update(anna, item, changes))[0])
    shown = get(anna, changed)
    assert texts(shown, ".//t:PhysicalAddresses/t:Entry/*") == ["Main 1", "Omsk"]
    assert texts(shown, ".//t:PhoneNumbers/t:Entry") == ["1"]


def test_one_bad_item_of_a_batch_does_not_stop_the_others(simulator: Simulator, anna: Client) -> None:
    good = saved(anna, "<t:Subject>good</t:Subject>")
    gone = saved(anna, "<t:Subject>gone</t:Subject>")
    assert codes(anna(f'<m:DeleteItem DeleteType="HardDelete"><m:ItemIds>{gone}</m:ItemIds></m:DeleteItem>')) == [
        "NoError"
    ]
    answer = get(anna, f'{good}{gone}<t:ItemId Id="AAA="/><t:ItemId Id=""/>{good}')
    assert codes(answer) == [
        "NoError",
        "ErrorItemNotFound",
        "ErrorInvalidIdMalformed",
        "ErrorInvalidIdEmpty",
        "NoError",
    ]


def test_ids_are_case_sensitive(simulator: Simulator, anna: Client) -> None:
    item = saved(anna, "<t:Subject>x</t:Subject>")
    lowered = item.replace(item.split('"')[1], item.split('"')[1].lower())
    assert codes(get(anna, lowered)) == ["ErrorInvalidIdMalformed"]


@pytest.mark.parametrize(
    ("how", "place"),
    [("MoveToDeletedItems", "deleteditems"), ("SoftDelete", "recoverableitemsdeletions"), ("HardDelete", None)],
)
def test_deleted_items_go_where_the_delete_type_says(
    simulator: Simulator, anna: Client, how: str, place: str | None
) -> None:
    item = saved(anna, f"<t:Subject>delete {how}</t:Subject>")
    anna(f'<m:DeleteItem DeleteType="{how}"><m:ItemIds>{item}</m:ItemIds></m:DeleteItem>')
    assert codes(get(anna, item)) == ["ErrorItemNotFound"]
    where = f'<t:IsEqualTo><t:FieldURI FieldURI="item:Subject"/><t:FieldURIOrConstant><t:Constant Value="delete {how}"/></t:FieldURIOrConstant></t:IsEqualTo>'
    for folder in ("deleteditems", "recoverableitemsdeletions"):
        assert len(item_ids(find(anna, where, folder=folder))) == (folder == place)


def test_mail_to_another_mailbox_arrives_and_mail_to_the_world_is_only_logged(
    simulator: Simulator, anna: Client, boris: Client
) -> None:
    inner = (
        '<t:Subject>Out</t:Subject><t:Body BodyType="Text">hi</t:Body>'
        + TO.format("Boris@Example.test")
        + "<t:BccRecipients><t:Mailbox><t:EmailAddress>world@else.test</t:EmailAddress></t:Mailbox></t:BccRecipients>"
    )
    before = len(delivery.outbound(simulator.store))
    assert codes(anna(NEW.format(how="SendAndSaveCopy", inner=inner, folder=""))) == ["NoError"]
    where = '<t:Contains ContainmentMode="FullString" ContainmentComparison="IgnoreCase"><t:FieldURI FieldURI="item:Subject"/><t:Constant Value="out"/></t:Contains>'
    [arrived] = item_ids(find(boris, where, folder="inbox"))
    shown = get(boris, tag(arrived))
    assert texts(shown, ".//t:From/t:Mailbox/t:EmailAddress") == ["anna@example.test"]
    assert texts(shown, ".//t:IsRead") == ["false"]
    assert texts(shown, ".//t:IsDraft") == ["false"]
    assert shown.find(".//t:BccRecipients", NS) is None
    [kept] = item_ids(find(anna, where, folder="sentitems"))
    mine = get(anna, tag(kept))
    assert texts(mine, ".//t:BccRecipients//t:EmailAddress") == ["world@else.test"]
    assert texts(mine, ".//t:InternetMessageId") == texts(shown, ".//t:InternetMessageId")
    [logged] = delivery.outbound(simulator.store)[before:]
    assert (logged["sender"], logged["recipients"]) == ("anna@example.test", ["world@else.test"])


def test_a_reply_goes_to_the_sender_in_the_same_conversation(simulator: Simulator, anna: Client, boris: Client) -> None:
    anna(
        NEW.format(
            how="SendOnly",
            inner='<t:Subject>Price</t:Subject><t:Body BodyType="Text">How much?</t:Body>'
            + TO.format("boris@example.test"),
            folder="",
        )
    )
    where = '<t:Contains ContainmentMode="Prefixed"><t:FieldURI FieldURI="item:Subject"/><t:Constant Value="{}"/></t:Contains>'
    [question] = item_ids(find(boris, where.format("Price"), folder="inbox"))
    reference = f'<t:ReferenceItemId Id="{question[0]}" ChangeKey="{question[1]}"/>'
    reply = f'<m:CreateItem MessageDisposition="SendOnly"><m:Items><t:ReplyAllToItem>{reference}<t:NewBodyContent BodyType="Text">100</t:NewBodyContent></t:ReplyAllToItem></m:Items></m:CreateItem>'
    assert codes(boris(reply)) == ["NoError"]
    [answer] = item_ids(find(anna, where.format("RE: Price"), folder="inbox"))
    shown = get(anna, tag(answer))
    body = texts(shown, ".//t:Body")[0]
    assert body.startswith("100")
    assert "How much?" in body
    source = get(boris, tag(question))
    assert shown.find(".//t:ConversationId", NS) is not None
    assert texts(shown, ".//t:InReplyTo") == texts(source, ".//t:InternetMessageId")
    assert texts(shown, ".//t:ConversationTopic") == ["Price"]


def test_mime_goes_in_and_the_same_mime_comes_out(simulator: Simulator, anna: Client) -> None:
    raw = (
        b"From: a@x.test\r\nTo: anna@example.test\r\nSubject: =?utf-8?B?0KHRi9GA?=\r\nMessage-ID: <9@x>\r\n\r\nbody\r\n"
    )
    item = saved(anna, f"<t:MimeContent>{base64.b64encode(raw).decode()}</t:MimeContent>")
    answer = get(anna, item, shape("AllProperties", "item:MimeContent"))
    assert texts(answer, ".//t:Message/t:Subject") == ["Сыр"]
    assert texts(answer, ".//t:InternetMessageId") == ["<9@x>"]
    assert base64.b64decode(texts(answer, ".//t:MimeContent")[0]) == raw


def test_what_is_new_in_html_is_told_before_it_is_made_text(anna: Client) -> None:
    page = "<p>01.03.2026 12:00, Anna wrote:</p><blockquote type='cite'><p>Ten?</p></blockquote><p>Twelve.</p>"
    body = f'<t:Subject>RE: x</t:Subject><t:Body BodyType="HTML">{html.escape(page)}</t:Body>'
    wanted = (
        "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:UniqueBodyType>Text</t:UniqueBodyType>"
        '<t:AdditionalProperties><t:FieldURI FieldURI="item:UniqueBody"/></t:AdditionalProperties></m:ItemShape>'
    )
    assert texts(get(anna, saved(anna, body), wanted), ".//t:UniqueBody") == ["Twelve.\r\n"]


def test_attachments_change_the_item_that_holds_them(simulator: Simulator, anna: Client) -> None:
    item = saved(anna, "<t:Subject>x</t:Subject>")
    added = anna(
        f"<m:CreateAttachment>{item.replace('t:ItemId', 'm:ParentItemId')}<m:Attachments><t:FileAttachment><t:Name>a.txt</t:Name>"
        "<t:ContentType>text/plain</t:ContentType><t:Content>aGVsbG8=</t:Content></t:FileAttachment></m:Attachments></m:CreateAttachment>"
    )
    [identifier] = [found.get("Id") for found in added.iterfind(".//t:AttachmentId", NS)]
    shown = get(anna, item)
    assert texts(shown, ".//t:HasAttachments") == ["true"]
    assert item_ids(shown)[0][1] == added.find(".//t:AttachmentId", NS).get("RootItemChangeKey")
    ask = f'<m:AttachmentIds><t:AttachmentId Id="{identifier}"/></m:AttachmentIds>'
    assert texts(anna(f"<m:GetAttachment>{ask}</m:GetAttachment>"), ".//t:Content") == ["aGVsbG8="]
    assert codes(anna(f"<m:DeleteAttachment>{ask}</m:DeleteAttachment>")) == ["NoError"]
    assert texts(get(anna, item), ".//t:HasAttachments") == ["false"]
    assert codes(anna(f"<m:GetAttachment>{ask}</m:GetAttachment>")) == ["ErrorInvalidAttachmentId"]


def test_a_contact_photo_makes_has_picture_true(simulator: Simulator, anna: Client) -> None:
    item = tag(
        item_ids(
            anna("<m:CreateItem><m:Items><t:Contact><t:GivenName>P</t:GivenName></t:Contact></m:Items></m:CreateItem>")
        )[0]
    )
    anna(
        f"<m:CreateAttachment>{item.replace('t:ItemId', 'm:ParentItemId')}<m:Attachments><t:FileAttachment><t:Name>ContactPicture.jpg</t:Name>"
        "<t:IsContactPhoto>true</t:IsContactPhoto><t:Content>aGVsbG8=</t:Content></t:FileAttachment></m:Attachments></m:CreateAttachment>"
    )
    shown = get(anna, item)
    assert texts(shown, ".//t:HasPicture") == ["true"]
    assert texts(shown, ".//t:HasAttachments") == ["false"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<m:CreateItem><m:Items><t:Message/></m:Items></m:CreateItem>", "ErrorMessageDispositionRequired"),
        (
            '<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:Body BodyType="Text"/><t:Subject>late</t:Subject></t:Message></m:Items></m:CreateItem>',
            "ErrorSchemaValidation",
        ),
        (
            '<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:Message><t:Colour>red</t:Colour></t:Message></m:Items></m:CreateItem>',
            "ErrorSchemaValidation",
        ),
        (
            '<m:CreateItem MessageDisposition="SendOnly"><m:Items><t:Message><t:Subject>to nobody</t:Subject></t:Message></m:Items></m:CreateItem>',
            "ErrorInvalidRecipients",
        ),
        (
            "<m:CreateItem><m:Items><t:CalendarItem><t:Subject>x</t:Subject></t:CalendarItem></m:Items></m:CreateItem>",
            "ErrorSendMeetingInvitationsRequired",
        ),
        (
            '<m:CreateItem><m:SavedItemFolderId><t:DistinguishedFolderId Id="inbox"/></m:SavedItemFolderId><m:Items><t:Contact/></m:Items></m:CreateItem>',
            "ErrorCannotCreateContactInNonContactFolder",
        ),
        ("<m:GetItem/>", "ErrorSchemaValidation"),
        ("<m:NoSuchThing/>", "ErrorInvalidRequest"),
    ],
)
def test_mistakes_are_answered_with_exchanges_codes(simulator: Simulator, anna: Client, body: str, code: str) -> None:
    assert codes(anna(body)) == [code]


EQUAL = (
    '<t:{0}><t:FieldURI FieldURI="{1}"/><t:FieldURIOrConstant><t:Constant Value="{2}"/></t:FieldURIOrConstant></t:{0}>'
)
CONTAINS = '<t:Contains ContainmentMode="{0}" ContainmentComparison="{1}"><t:FieldURI FieldURI="item:Subject"/><t:Constant Value="{2}"/></t:Contains>'


@pytest.fixture(scope="module")
def notes(simulator: Simulator) -> Client:
    """A client whose Notes folder holds three messages to search in."""
    client = Client(simulator, "anna@example.test")
    place = '<m:SavedItemFolderId><t:DistinguishedFolderId Id="notes"/></m:SavedItemFolderId>'
    for subject, importance, flags in (
        ("Crème brûlée order", "High", 3),
        ("milk order", "Normal", 4),
        ("Cheese", "Low", 8),
    ):
        number = f'<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x6001" PropertyType="Integer"/><t:Value>{flags}</t:Value></t:ExtendedProperty>'
        saved(client, f"<t:Subject>{subject}</t:Subject><t:Importance>{importance}</t:Importance>{number}", place)
    return client


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (EQUAL.format("IsEqualTo", "item:Subject", "milk order"), 1),
        (EQUAL.format("IsNotEqualTo", "item:Subject", "milk order"), 2),
        (EQUAL.format("IsGreaterThan", "item:DateTimeCreated", "2020-01-01T00:00:00Z"), 3),
        (EQUAL.format("IsLessThanOrEqualTo", "item:DateTimeCreated", "2020-01-01T00:00:00+02:00"), 0),
        (EQUAL.format("IsEqualTo", "item:IsDraft", "1"), 3),
        (CONTAINS.format("Substring", "Exact", "order"), 2),
        (CONTAINS.format("Substring", "Exact", "ORDER"), 0),
        (CONTAINS.format("Substring", "IgnoreCase", "ORDER"), 2),
        (CONTAINS.format("Prefixed", "Loose", "Creme"), 1),
        (CONTAINS.format("FullString", "IgnoreCase", "cheese"), 1),
        (CONTAINS.format("PrefixOnWords", "IgnoreCase", "or"), 2),
        (CONTAINS.format("ExactPhrase", "IgnoreCase", "orde"), 0),
        ('<t:Exists><t:ExtendedFieldURI PropertyTag="0x6001" PropertyType="Integer"/></t:Exists>', 3),
        ('<t:Exists><t:FieldURI FieldURI="item:Categories"/></t:Exists>', 0),
        (
            '<t:Excludes><t:ExtendedFieldURI PropertyTag="0x6001" PropertyType="Integer"/><t:Bitmask Value="0x4"/></t:Excludes>',
            2,
        ),
        (
            f"<t:And>{CONTAINS.format('Substring', 'Exact', 'order')}<t:Not>{EQUAL.format('IsEqualTo', 'item:Importance', 'High')}</t:Not></t:And>",
            1,
        ),
        (
            f"<t:Or>{EQUAL.format('IsEqualTo', 'item:Subject', 'Cheese')}{EQUAL.format('IsEqualTo', 'item:Importance', 'High')}</t:Or>",
            2,
        ),
        (
            '<t:IsEqualTo><t:FieldURI FieldURI="item:DateTimeCreated"/><t:FieldURIOrConstant><t:FieldURI FieldURI="item:DateTimeCreated"/></t:FieldURIOrConstant></t:IsEqualTo>',
            3,
        ),
    ],
)
def test_restrictions_find_what_they_describe(simulator: Simulator, notes: Client, where: str, found: int) -> None:
    answer = find(notes, where, folder="notes")
    assert codes(answer) == ["NoError"], etree.tostring(answer)
    assert len(item_ids(answer)) == found


def test_results_are_sorted_and_paged(simulator: Simulator, notes: Client) -> None:
    sort = '<m:SortOrder><t:FieldOrder Order="Descending"><t:FieldURI FieldURI="item:Subject"/></t:FieldOrder></m:SortOrder>'
    view = '<m:IndexedPageItemView MaxEntriesReturned="2" Offset="{}" BasePoint="Beginning"/>'
    first = find(notes, folder="notes", sort=sort, view=view.format(0))
    assert texts(first, ".//t:Message/t:Subject") == ["milk order", "Crème brûlée order"]
    root = first.find(".//m:RootFolder", NS)
    assert (root.get("TotalItemsInView"), root.get("IncludesLastItemInRange"), root.get("IndexedPagingOffset")) == (
        "3",
        "false",
        "2",
    )
    second = find(notes, folder="notes", sort=sort, view=view.format(2))
    assert texts(second, ".//t:Message/t:Subject") == ["Cheese"]
    assert second.find(".//m:RootFolder", NS).get("IncludesLastItemInRange") == "true"
    half = find(
        notes,
        folder="notes",
        sort=sort,
        view='<m:FractionalPageItemView MaxEntriesReturned="9" Numerator="1" Denominator="2"/>',
    )
    assert texts(half, ".//t:Message/t:Subject") == ["Crème brûlée order", "Cheese"]


def test_results_are_grouped(simulator: Simulator, notes: Client) -> None:
    group = (
        '<m:GroupBy Order="Ascending"><t:FieldURI FieldURI="item:Importance"/><t:AggregateOn Aggregate="Maximum">'
        '<t:FieldURI FieldURI="item:Subject"/></t:AggregateOn></m:GroupBy>'
    )
    answer = find(notes, folder="notes", view=group)
    assert texts(answer, ".//t:GroupIndex") == ["High", "Low", "Normal"]


@pytest.mark.parametrize(
    ("query", "found"), [("subject:order", 2), ("cheese", 1), ("order NOT milk", 1), ("importance:high OR cheese", 2)]
)
def test_query_strings_find_words(simulator: Simulator, notes: Client, query: str, found: int) -> None:
    assert len(item_ids(find(notes, folder="notes", query=f"<m:QueryString>{query}</m:QueryString>"))) == found


def test_what_cannot_be_searched_says_so(simulator: Simulator, notes: Client) -> None:
    assert codes(find(notes, EQUAL.format("IsEqualTo", "message:ToRecipients", "x"))) == [
        "ErrorUnsupportedPathForQuery"
    ]
