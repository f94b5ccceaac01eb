"""Folders as other clients expect them of Exchange: names, classes, sizes, permissions, configurations."""

# ruff: noqa: E501 - the requests are long

from __future__ import annotations

from datetime import timedelta

import pytest
from lxml import etree

from connectors.simulator.simulator import Simulator
from tests.connectors.simulator.soap_client import NS, Client, codes, texts

INBOX = '<t:DistinguishedFolderId Id="inbox"/>'
SIZE = '<t:ExtendedFieldURI PropertyTag="0x0E08" PropertyType="Integer"/>'
SHAPE = "<m:FolderShape><t:BaseShape>AllProperties</t:BaseShape><t:AdditionalProperties>{0}</t:AdditionalProperties></m:FolderShape>"


def create(client: Client, inner: str) -> etree._Element:
    return client(
        f"<m:CreateFolder><m:ParentFolderId>{INBOX}</m:ParentFolderId><m:Folders><t:Folder>{inner}</t:Folder></m:Folders></m:CreateFolder>"
    )


def created(client: Client, inner: str) -> str:
    answer = create(client, inner)
    assert codes(answer) == ["NoError"], etree.tostring(answer)
    return f'<t:FolderId Id="{answer.find(".//t:FolderId", NS).get("Id")}"/>'


def get(client: Client, folder: str, more: str = SIZE) -> etree._Element:
    return client(f"<m:GetFolder>{SHAPE.format(more)}<m:FolderIds>{folder}</m:FolderIds></m:GetFolder>")


def test_a_folder_made_without_a_class_has_none(simulator: Simulator, anna: Client) -> None:
    plain = created(anna, "<t:DisplayName>Plain</t:DisplayName>")
    mail = created(anna, "<t:FolderClass>IPF.Note</t:FolderClass><t:DisplayName>Mail</t:DisplayName>")
    assert texts(get(anna, plain), ".//t:FolderClass") == []
    assert texts(get(anna, mail), ".//t:FolderClass") == ["IPF.Note"]


def test_the_class_of_a_folder_stays(simulator: Simulator, anna: Client) -> None:
    folder = created(anna, "<t:FolderClass>IPF.Note</t:FolderClass><t:DisplayName>Stays</t:DisplayName>")
    change = (
        "<m:UpdateFolder><m:FolderChanges><t:FolderChange>{0}<t:Updates><t:SetFolderField>"
        '<t:FieldURI FieldURI="folder:FolderClass"/><t:Folder><t:FolderClass>{1}</t:FolderClass></t:Folder>'
        "</t:SetFolderField></t:Updates></t:FolderChange></m:FolderChanges></m:UpdateFolder>"
    )
    assert codes(anna(change.format(folder, "IPF.Task"))) == ["ErrorObjectTypeChanged"]
    assert codes(anna(change.format(folder, "IPF.Note"))) == ["NoError"]


def test_a_name_that_is_taken_is_named(simulator: Simulator, anna: Client) -> None:
    created(anna, "<t:DisplayName>Taken</t:DisplayName>")
    answer = create(anna, "<t:DisplayName>TAKEN</t:DisplayName>")
    assert codes(answer) == ["ErrorFolderExists"]
    assert "Could not create folder 'TAKEN'" in texts(answer, ".//m:MessageText")[0]


@pytest.mark.parametrize("key", ["root", "inbox"])
def test_every_folder_has_a_size(simulator: Simulator, anna: Client, key: str) -> None:
    answer = get(anna, f'<t:DistinguishedFolderId Id="{key}"/>')
    assert int(texts(answer, ".//t:Value")[0]) > 0
    assert texts(answer, ".//t:DisplayName") == [{"root": "root", "inbox": "Inbox"}[key]]


def test_a_folder_says_when_its_content_changed_last(simulator: Simulator, anna: Client) -> None:
    """What DavMail makes its calendar and address book tags of."""
    changed = '<t:ExtendedFieldURI PropertyTag="0x670A" PropertyType="SystemTime"/>'
    before = texts(get(anna, INBOX, changed), ".//t:Value")
    simulator.store.skew = timedelta(hours=1)
    simulator.deliver(b"Subject: news\r\n\r\nx", ["anna@example.test"])
    simulator.store.skew = timedelta()
    after = texts(get(anna, INBOX, changed), ".//t:Value")
    assert len(before) == len(after) == 1
    assert after > before


def test_a_folder_that_is_gone_is_an_object_that_is_gone(simulator: Simulator, anna: Client) -> None:
    folder = created(anna, "<t:DisplayName>Short-lived</t:DisplayName>")
    anna(f'<m:DeleteFolder DeleteType="HardDelete"><m:FolderIds>{folder}</m:FolderIds></m:DeleteFolder>')
    assert codes(get(anna, folder)) == ["ErrorItemNotFound"]
    sync = f"<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:SyncFolderId>{folder}</m:SyncFolderId><m:MaxChangesReturned>9</m:MaxChangesReturned>"
    assert codes(anna(f"<m:SyncFolderItems>{sync}</m:SyncFolderItems>")) == ["ErrorSyncFolderNotFound"]
    absent = '<t:DistinguishedFolderId Id="archiveroot"/>'
    assert codes(get(anna, absent)) == ["ErrorFolderNotFound"]


def test_permissions_are_answered_in_full_whatever_their_order(simulator: Simulator, anna: Client) -> None:
    """Some clients write the rights before the user, and 0 and 1 for false and true."""
    user = "<t:UserId><t:PrimarySmtpAddress>boris@example.test</t:PrimarySmtpAddress></t:UserId>"
    rights = "<t:CanCreateItems>1</t:CanCreateItems><t:CanCreateSubfolders>0</t:CanCreateSubfolders><t:ReadItems>FullDetails</t:ReadItems>"
    folder = created(
        anna,
        "<t:DisplayName>Shared</t:DisplayName><t:PermissionSet><t:Permissions>"
        f"<t:Permission>{rights}{user}</t:Permission>"
        f"<t:Permission>{rights}{user}<t:CalendarPermissionLevel>None</t:CalendarPermissionLevel></t:Permission>"
        "</t:Permissions></t:PermissionSet>",
    )
    answer = get(anna, folder, '<t:FieldURI FieldURI="folder:PermissionSet"/>')
    assert texts(answer, ".//t:Permission/t:PermissionLevel") == ["Custom", "None"]
    assert texts(answer, ".//t:Permission/t:CanCreateItems") == ["true", "false"]
    assert texts(answer, ".//t:Permission/t:CanCreateSubFolders") == ["false", "false"]


def test_the_booleans_of_a_configuration_come_back_in_one_form(simulator: Simulator, anna: Client) -> None:
    named = f'<t:UserConfigurationName Name="Settings">{INBOX}</t:UserConfigurationName>'
    anna(
        f"<m:CreateUserConfiguration><m:UserConfiguration>{named}<t:Dictionary><t:DictionaryEntry>"
        "<t:DictionaryKey><t:Type>Boolean</t:Type><t:Value>1</t:Value></t:DictionaryKey>"
        "<t:DictionaryValue><t:Type>Boolean</t:Type><t:Value>0</t:Value></t:DictionaryValue>"
        "</t:DictionaryEntry></t:Dictionary></m:UserConfiguration></m:CreateUserConfiguration>"
    )
    answer = anna(
        f"<m:GetUserConfiguration>{named.replace('t:UserConfigurationName', 'm:UserConfigurationName')}"
        "<m:UserConfigurationProperties>Dictionary</m:UserConfigurationProperties></m:GetUserConfiguration>"
    )
    assert texts(answer, ".//t:Value") == ["true", "false"]


@pytest.mark.parametrize(
    ("user", "code"),
    [
        ("<t:SID>XXX</t:SID>", "ErrorInvalidUserSid"),
        ("<t:PrimarySmtpAddress>nobody@example.test</t:PrimarySmtpAddress>", "ErrorDelegateNoUser"),
        ("<t:PrimarySmtpAddress>boris@example.test</t:PrimarySmtpAddress>", "ErrorNotDelegate"),
    ],
)
def test_it_is_told_why_somebody_is_no_delegate(simulator: Simulator, anna: Client, user: str, code: str) -> None:
    answer = anna(
        '<m:GetDelegate IncludePermissions="true"><m:Mailbox><t:EmailAddress>anna@example.test</t:EmailAddress></m:Mailbox>'
        f"<m:UserIds><t:UserId>{user}</t:UserId></m:UserIds></m:GetDelegate>"
    )
    assert code in codes(answer)
