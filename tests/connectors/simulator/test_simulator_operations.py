"""Every operation is sent once, and every answer follows Microsoft's schema."""

# ruff: noqa: E501 - the requests are long

from __future__ import annotations

import base64

import pytest
from lxml import etree

from connectors.simulator.registry import OPERATIONS
from connectors.simulator.simulator import Simulator
from tests.connectors.simulator.soap_client import NS, Client, codes, item_ids, schema, texts

IDS = "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
ALL = "<m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape>"
FOLDER = "<m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape>"
INBOX = '<t:DistinguishedFolderId Id="inbox"/>'
MESSAGE = """<m:CreateItem MessageDisposition="{how}"><m:Items><t:Message><t:Subject>Cheese order</t:Subject>
<t:Body BodyType="HTML">&lt;p&gt;Two pallets&lt;/p&gt;</t:Body>
<t:ToRecipients><t:Mailbox><t:EmailAddress>boris@example.test</t:EmailAddress></t:Mailbox></t:ToRecipients>
</t:Message></m:Items></m:CreateItem>"""
CONTACT = """<m:CreateItem><m:Items><t:Contact><t:Categories><t:String>Shop</t:String></t:Categories>
<t:GivenName>Olga</t:GivenName><t:CompanyName>Dairy Shop</t:CompanyName><t:EmailAddresses>
<t:Entry Key="EmailAddress1">olga@shop.test</t:Entry></t:EmailAddresses><t:PhysicalAddresses><t:Entry Key="Business">
<t:Street>Main 1</t:Street><t:City>Kazan</t:City></t:Entry></t:PhysicalAddresses><t:PhoneNumbers>
<t:Entry Key="BusinessPhone">+7 495 1</t:Entry></t:PhoneNumbers><t:Surname>Orlova</t:Surname></t:Contact>
</m:Items></m:CreateItem>"""
MEETING = """<m:CreateItem SendMeetingInvitations="SendToNone"><m:Items><t:CalendarItem><t:Subject>Tasting</t:Subject>
<t:Start>2026-03-02T09:00:00Z</t:Start><t:End>2026-03-02T10:00:00Z</t:End><t:LegacyFreeBusyStatus>Busy</t:LegacyFreeBusyStatus>
</t:CalendarItem></m:Items></m:CreateItem>"""
LIST = """<m:CreateItem><m:Items><t:DistributionList><t:DisplayName>Shops</t:DisplayName><t:Members><t:Member>
<t:Mailbox><t:Name>Olga</t:Name><t:EmailAddress>olga@shop.test</t:EmailAddress></t:Mailbox></t:Member></t:Members>
</t:DistributionList></m:Items></m:CreateItem>"""
TASK = "<m:CreateItem><m:Items><t:Task><t:Subject>Call the shop</t:Subject></t:Task></m:Items></m:CreateItem>"
POST = "<m:CreateItem><m:Items><t:PostItem><t:Subject>Note</t:Subject></t:PostItem></m:Items></m:CreateItem>"


# These are sent by the calendar's own tests.
CALENDAR = {"GetServerTimeZones", "GetUserAvailability", "GetReminders", "PerformReminderAction"}


class Office:
    """A mailbox with one of everything, for operations that need something to work on."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def create(self, body: str) -> str:
        answer = self.client(body)
        assert codes(answer) == ["NoError"], etree.tostring(answer)
        return self.tag(item_ids(answer)[0])

    @staticmethod
    def tag(pair: tuple[str, str]) -> str:
        return f'<t:ItemId Id="{pair[0]}" ChangeKey="{pair[1]}"/>'

    def draft(self) -> str:
        return self.create(MESSAGE.format(how="SaveOnly"))

    def received(self) -> str:
        raw = b"From: Olga <olga@shop.test>\r\nTo: anna@example.test\r\nSubject: Order\r\n\r\nPlease send milk.\r\n"
        row = self.client.simulator.deliver(raw, ["anna@example.test"])[0]
        return self.tag((row.ews_id, row.change_key))

    def folder(self, name: str) -> str:
        answer = self.client(
            f"<m:CreateFolder><m:ParentFolderId>{INBOX}</m:ParentFolderId><m:Folders><t:Folder><t:DisplayName>{name}"
            "</t:DisplayName></t:Folder></m:Folders></m:CreateFolder>"
        )
        assert codes(answer) == ["NoError"], etree.tostring(answer)
        found = answer.find(".//t:FolderId", NS)
        return f'<t:FolderId Id="{found.get("Id")}" ChangeKey="{found.get("ChangeKey")}"/>'

    def attachment(self) -> tuple[str, str]:
        item = self.draft()
        answer = self.client(
            f"<m:CreateAttachment>{item.replace('t:ItemId', 'm:ParentItemId')}<m:Attachments><t:FileAttachment>"
            "<t:Name>a.txt</t:Name><t:Content>aGVsbG8=</t:Content></t:FileAttachment><t:ItemAttachment>"
            "<t:Name>inner</t:Name><t:Message><t:Subject>Inner</t:Subject></t:Message></t:ItemAttachment>"
            "</m:Attachments></m:CreateAttachment>"
        )
        assert codes(answer) == ["NoError", "NoError"], etree.tostring(answer)
        found = answer.findall(".//t:AttachmentId", NS)
        return found[0].get("Id"), found[1].get("Id")

    def subscription(self, kind: str, extra: str = "") -> tuple[str, str]:
        answer = self.client(
            f"<m:Subscribe><m:{kind}SubscriptionRequest><t:FolderIds>{INBOX}</t:FolderIds><t:EventTypes>"
            f"<t:EventType>CreatedEvent</t:EventType></t:EventTypes>{extra}</m:{kind}SubscriptionRequest></m:Subscribe>"
        )
        assert codes(answer) == ["NoError"]
        return answer.findtext(".//m:SubscriptionId", namespaces=NS), answer.findtext(".//m:Watermark", "", NS)


CONFIGURATION = (
    '<m:{verb}UserConfiguration><m:UserConfiguration><t:UserConfigurationName Name="{name}">'
    + INBOX
    + "</t:UserConfigurationName><t:XmlData>PHgvPg==</t:XmlData></m:UserConfiguration></m:{verb}UserConfiguration>"
)
OOF = """<m:SetUserOofSettingsRequest><t:Mailbox><t:Address>anna@example.test</t:Address></t:Mailbox><t:UserOofSettings>
<t:OofState>Disabled</t:OofState><t:ExternalAudience>All</t:ExternalAudience></t:UserOofSettings>
</m:SetUserOofSettingsRequest>"""


def requests_for(office: Office) -> dict[str, str]:
    """One working request for each operation of the core."""
    file, inner = office.attachment()
    pull, mark = office.subscription("Pull", "<t:Timeout>10</t:Timeout>")
    exported = texts(
        office.client(f"<m:ExportItems><m:ItemIds>{office.draft()}</m:ItemIds></m:ExportItems>"), ".//m:Data"
    )[0]
    received = office.received()
    office.client(CONFIGURATION.format(verb="Create", name="Known"))
    conversation = (
        office.client(f"<m:GetItem>{ALL}<m:ItemIds>{received}</m:ItemIds></m:GetItem>")
        .find(".//t:ConversationId", NS)
        .get("Id")
    )
    name = f'<m:UserConfigurationName Name="Known">{INBOX}</m:UserConfigurationName>'
    to = f"<m:ToFolderId>{INBOX}</m:ToFolderId>"
    parents = f"<m:ParentFolderIds>{INBOX}</m:ParentFolderIds>"
    inbox_id = (
        office.client(f"<m:GetFolder>{FOLDER}<m:FolderIds>{INBOX}</m:FolderIds></m:GetFolder>")
        .find(".//t:FolderId", NS)
        .get("Id")
    )
    persona = (
        office.client(
            '<m:FindPeople><m:IndexedPageItemView MaxEntriesReturned="9" Offset="0" BasePoint="Beginning"/></m:FindPeople>'
        )
        .find(".//t:PersonaId", NS)
        .get("Id")
    )
    return {
        "GetFolder": f"<m:GetFolder>{FOLDER}<m:FolderIds>{INBOX}</m:FolderIds></m:GetFolder>",
        "FindFolder": f'<m:FindFolder Traversal="Deep">{FOLDER}<m:ParentFolderIds>'
        '<t:DistinguishedFolderId Id="msgfolderroot"/></m:ParentFolderIds></m:FindFolder>',
        "CreateFolder": f"<m:CreateFolder><m:ParentFolderId>{INBOX}</m:ParentFolderId><m:Folders><t:ContactsFolder>"
        "<t:DisplayName>Shops</t:DisplayName></t:ContactsFolder></m:Folders></m:CreateFolder>",
        "CreateFolderPath": f"<m:CreateFolderPath><m:ParentFolderId>{INBOX}</m:ParentFolderId><m:RelativeFolderPath>"
        "<t:Folder><t:DisplayName>a</t:DisplayName></t:Folder><t:Folder><t:DisplayName>b</t:DisplayName></t:Folder>"
        "</m:RelativeFolderPath></m:CreateFolderPath>",
        "UpdateFolder": f"<m:UpdateFolder><m:FolderChanges><t:FolderChange>{office.folder('old')}<t:Updates>"
        '<t:SetFolderField><t:FieldURI FieldURI="folder:DisplayName"/><t:Folder><t:DisplayName>new</t:DisplayName>'
        "</t:Folder></t:SetFolderField></t:Updates></t:FolderChange></m:FolderChanges></m:UpdateFolder>",
        "MoveFolder": f"<m:MoveFolder>{to.replace('inbox', 'drafts')}<m:FolderIds>{office.folder('moved')}</m:FolderIds>"
        "</m:MoveFolder>",
        "CopyFolder": f"<m:CopyFolder>{to.replace('inbox', 'drafts')}<m:FolderIds>{office.folder('copied')}</m:FolderIds>"
        "</m:CopyFolder>",
        "EmptyFolder": '<m:EmptyFolder DeleteType="HardDelete" DeleteSubFolders="true"><m:FolderIds>'
        f"{office.folder('emptied')}</m:FolderIds></m:EmptyFolder>",
        "DeleteFolder": f'<m:DeleteFolder DeleteType="HardDelete"><m:FolderIds>{office.folder("gone")}</m:FolderIds>'
        "</m:DeleteFolder>",
        "SyncFolderHierarchy": f"<m:SyncFolderHierarchy>{FOLDER}</m:SyncFolderHierarchy>",
        "SyncFolderItems": f"<m:SyncFolderItems>{ALL}<m:SyncFolderId>{INBOX}</m:SyncFolderId>"
        "<m:MaxChangesReturned>512</m:MaxChangesReturned></m:SyncFolderItems>",
        "FindItem": f'<m:FindItem Traversal="Shallow">{ALL}{parents}</m:FindItem>',
        "GetItem": f"<m:GetItem>{ALL}<m:ItemIds>{received}</m:ItemIds></m:GetItem>",
        "CreateItem": MESSAGE.format(how="SendAndSaveCopy"),
        "UpdateItem": '<m:UpdateItem ConflictResolution="AutoResolve" MessageDisposition="SaveOnly"><m:ItemChanges>'
        f'<t:ItemChange>{office.draft()}<t:Updates><t:SetItemField><t:FieldURI FieldURI="item:Subject"/><t:Message>'
        "<t:Subject>New</t:Subject></t:Message></t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>",
        "DeleteItem": f'<m:DeleteItem DeleteType="MoveToDeletedItems"><m:ItemIds>{office.draft()}</m:ItemIds>'
        "</m:DeleteItem>",
        "MoveItem": f"<m:MoveItem>{to}<m:ItemIds>{office.draft()}</m:ItemIds></m:MoveItem>",
        "CopyItem": f"<m:CopyItem>{to}<m:ItemIds>{office.draft()}</m:ItemIds></m:CopyItem>",
        "SendItem": f'<m:SendItem SaveItemToFolder="true"><m:ItemIds>{office.draft()}</m:ItemIds></m:SendItem>',
        "MarkAsJunk": f'<m:MarkAsJunk IsJunk="true" MoveItem="true"><m:ItemIds>{office.received()}</m:ItemIds>'
        "</m:MarkAsJunk>",
        "MarkAllItemsAsRead": "<m:MarkAllItemsAsRead><m:ReadFlag>true</m:ReadFlag><m:SuppressReadReceipts>true"
        f"</m:SuppressReadReceipts><m:FolderIds>{INBOX}</m:FolderIds></m:MarkAllItemsAsRead>",
        "CreateAttachment": f"<m:CreateAttachment>{office.draft().replace('t:ItemId', 'm:ParentItemId')}<m:Attachments>"
        "<t:FileAttachment><t:Name>b</t:Name><t:Content/></t:FileAttachment></m:Attachments></m:CreateAttachment>",
        "GetAttachment": f'<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id="{file}"/><t:AttachmentId Id="{inner}"/>'
        "</m:AttachmentIds></m:GetAttachment>",
        "DeleteAttachment": f'<m:DeleteAttachment><m:AttachmentIds><t:AttachmentId Id="{file}"/></m:AttachmentIds>'
        "</m:DeleteAttachment>",
        "ResolveNames": '<m:ResolveNames ReturnFullContactData="true"><m:UnresolvedEntry>boris</m:UnresolvedEntry>'
        "</m:ResolveNames>",
        "ExpandDL": f"<m:ExpandDL><m:Mailbox>{office.create(LIST)}</m:Mailbox></m:ExpandDL>",
        "ConvertId": '<m:ConvertId DestinationFormat="HexEntryId"><m:SourceIds><t:AlternateId Format="EwsId" '
        f'Id="{item_ids(office.client(MESSAGE.format(how="SaveOnly")))[0][0]}" Mailbox="anna@example.test"/>'
        "</m:SourceIds></m:ConvertId>",
        "GetDelegate": '<m:GetDelegate IncludePermissions="true"><m:Mailbox><t:EmailAddress>anna@example.test'
        "</t:EmailAddress></m:Mailbox></m:GetDelegate>",
        "GetRoomLists": "<m:GetRoomLists/>",
        "GetMailTips": "<m:GetMailTips><m:SendingAs><t:EmailAddress>anna@example.test</t:EmailAddress></m:SendingAs>"
        "<m:Recipients><t:Mailbox><t:EmailAddress>boris@example.test</t:EmailAddress></t:Mailbox></m:Recipients>"
        "<m:MailTipsRequested>All</m:MailTipsRequested></m:GetMailTips>",
        "GetUserOofSettings": "<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>anna@example.test</t:Address>"
        "</t:Mailbox></m:GetUserOofSettingsRequest>",
        "SetUserOofSettings": OOF,
        "GetInboxRules": "<m:GetInboxRules/>",
        "UpdateInboxRules": "<m:UpdateInboxRules><m:RemoveOutlookRuleBlob>true</m:RemoveOutlookRuleBlob><m:Operations>"
        "<t:CreateRuleOperation><t:Rule><t:DisplayName>r</t:DisplayName><t:Priority>1</t:Priority></t:Rule>"
        "</t:CreateRuleOperation></m:Operations></m:UpdateInboxRules>",
        "GetPasswordExpirationDate": "<m:GetPasswordExpirationDate/>",
        "FindPeople": '<m:FindPeople><m:IndexedPageItemView MaxEntriesReturned="9" Offset="0" BasePoint="Beginning"/>'
        "</m:FindPeople>",
        "GetPersona": f'<m:GetPersona><m:PersonaId Id="{persona}"/></m:GetPersona>',
        "FindConversation": '<m:FindConversation><m:IndexedPageItemView MaxEntriesReturned="9" Offset="0" '
        f'BasePoint="Beginning"/><m:ParentFolderId>{INBOX}</m:ParentFolderId></m:FindConversation>',
        "GetConversationItems": f"<m:GetConversationItems>{ALL}<m:Conversations><t:Conversation><t:ConversationId "
        f'Id="{conversation}"/></t:Conversation></m:Conversations></m:GetConversationItems>',
        "ApplyConversationAction": "<m:ApplyConversationAction><m:ConversationActions><t:ConversationAction>"
        f'<t:Action>SetReadState</t:Action><t:ConversationId Id="{conversation}"/><t:IsRead>true</t:IsRead>'
        "</t:ConversationAction></m:ConversationActions></m:ApplyConversationAction>",
        "CreateUserConfiguration": CONFIGURATION.format(verb="Create", name="New"),
        "UpdateUserConfiguration": CONFIGURATION.format(verb="Update", name="Known"),
        "GetUserConfiguration": f"<m:GetUserConfiguration>{name}<m:UserConfigurationProperties>All"
        "</m:UserConfigurationProperties></m:GetUserConfiguration>",
        "DeleteUserConfiguration": f"<m:DeleteUserConfiguration>{name}</m:DeleteUserConfiguration>",
        "ExportItems": f"<m:ExportItems><m:ItemIds>{office.draft()}</m:ItemIds></m:ExportItems>",
        "UploadItems": f'<m:UploadItems><m:Items><t:Item CreateAction="CreateNew"><t:ParentFolderId Id="{inbox_id}"/>'
        f"<t:Data>{exported}</t:Data></t:Item></m:Items></m:UploadItems>",
        "Subscribe": f"<m:Subscribe><m:PullSubscriptionRequest><t:FolderIds>{INBOX}</t:FolderIds><t:EventTypes>"
        "<t:EventType>NewMailEvent</t:EventType></t:EventTypes><t:Timeout>5</t:Timeout></m:PullSubscriptionRequest>"
        "</m:Subscribe>",
        "GetEvents": f"<m:GetEvents><m:SubscriptionId>{pull}</m:SubscriptionId><m:Watermark>{mark}</m:Watermark></m:GetEvents>",
        "Unsubscribe": f"<m:Unsubscribe><m:SubscriptionId>{office.subscription('Streaming')[0]}</m:SubscriptionId>"
        "</m:Unsubscribe>",
    }


def test_every_operation_answers_well_and_by_the_schema(simulator: Simulator, anna: Client) -> None:
    if schema() is None:
        pytest.skip("needs shared/schemas/ews beside the project")
    requests = requests_for(Office(anna))
    assert set(OPERATIONS) <= set(requests) | set(REFUSED) | CALENDAR
    for name, body in requests.items():
        answer = anna(body)
        found = codes(answer)
        assert found, (name, etree.tostring(answer))
        assert set(found) == {"NoError"}, (name, etree.tostring(answer))


REFUSED = {
    "ArchiveItem": "<m:ArchiveItem><m:ArchiveSourceFolderId/><m:ItemIds>{item}</m:ItemIds></m:ArchiveItem>",
    "GetSearchableMailboxes": "<m:GetSearchableMailboxes/>",
    "GetRooms": "<m:GetRooms><m:RoomList><t:EmailAddress>r@example.test</t:EmailAddress></m:RoomList></m:GetRooms>",
    "GetUserPhoto": "<m:GetUserPhoto><m:Email>boris@example.test</m:Email><m:SizeRequested>HR48x48</m:SizeRequested></m:GetUserPhoto>",
    "GetStreamingEvents": "<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>none</t:SubscriptionId>"
    "</m:SubscriptionIds><m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>",
    "GetAppManifests": "<m:GetAppManifests/>",
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_not_there_is_refused_with_a_code(simulator: Simulator, anna: Client, name: str) -> None:
    found = codes(anna(REFUSED[name].format(item=Office(anna).draft())))
    assert found
    assert found[0].startswith("Error")


@pytest.mark.parametrize("body", [MESSAGE.format(how="SaveOnly"), CONTACT, MEETING, LIST, TASK, POST])
def test_every_kind_of_item_can_be_written_and_read_in_every_shape(
    simulator: Simulator, anna: Client, body: str
) -> None:
    item = Office(anna).create(body)
    for base in ("IdOnly", "Default", "AllProperties"):
        shape = (
            f"<m:ItemShape><t:BaseShape>{base}</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent>"
            "<t:AdditionalProperties>"
            + "".join(f'<t:FieldURI FieldURI="item:{name}"/>' for name in ("UniqueBody", "NormalizedBody", "TextBody"))
            + '<t:FieldURI FieldURI="item:Preview"/><t:FieldURI FieldURI="item:StoreEntryId"/>'
            '<t:ExtendedFieldURI PropertyTag="0x300B" PropertyType="Binary"/></t:AdditionalProperties></m:ItemShape>'
        )
        answer = anna(f"<m:GetItem>{shape}<m:ItemIds>{item}</m:ItemIds></m:GetItem>")
        assert codes(answer) == ["NoError"], etree.tostring(answer)
        assert base64.b64decode(texts(answer, ".//t:MimeContent")[0])
