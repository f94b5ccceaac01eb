"""What Exchange does with single properties, as other clients rely on it: limits, ids of attachments, flags."""

# ruff: noqa: E501 - the requests are long

from __future__ import annotations

import pytest
from lxml import etree

from connectors.simulator.simulator import Simulator
from tests.connectors.simulator.soap_client import NS, Client, codes, item_ids, texts

FLAG = '<t:ExtendedFieldURI PropertyTag="0x1090" PropertyType="Integer"/>'


def create(client: Client, kind: str, inner: str) -> etree._Element:
    answer = client(
        f'<m:CreateItem MessageDisposition="SaveOnly"><m:Items><t:{kind}>{inner}</t:{kind}></m:Items></m:CreateItem>'
    )
    assert codes(answer) == ["NoError"], etree.tostring(answer)
    return answer


def tag(answer: etree._Element) -> str:
    [(identifier, key)] = item_ids(answer)
    return f'<t:ItemId Id="{identifier}" ChangeKey="{key}"/>'


def update(client: Client, item: str, uri: str, kind: str, value: str) -> etree._Element:
    return client(
        f'<m:UpdateItem ConflictResolution="AutoResolve" MessageDisposition="SaveOnly"><m:ItemChanges><t:ItemChange>{item}<t:Updates>'
        f'<t:SetItemField><t:FieldURI FieldURI="{uri}"/><t:{kind}>{value}</t:{kind}></t:SetItemField>'
        "</t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
    )


def shown(client: Client, item: str, path: str) -> etree._Element:
    return client(
        f"<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{path}</t:AdditionalProperties></m:ItemShape><m:ItemIds>{item}</m:ItemIds></m:GetItem>"
    )


def test_a_subject_is_cut_at_255_characters(simulator: Simulator, anna: Client) -> None:
    item = tag(create(anna, "Message", f"<t:Subject>{'s' * 4000}</t:Subject>"))
    subject = '<t:FieldURI FieldURI="item:Subject"/>'
    assert texts(shown(anna, item, subject), ".//t:Subject") == ["s" * 255]
    update(anna, item, "item:Subject", "Message", f"<t:Subject>{'n' * 256}</t:Subject>")
    assert texts(shown(anna, item, subject), ".//t:Subject") == ["n" * 255]


@pytest.mark.parametrize("name", ["GivenName", "MiddleName", "Surname"])
def test_the_name_of_a_contact_cannot_grow_beyond_255_characters(simulator: Simulator, anna: Client, name: str) -> None:
    item = tag(create(anna, "Contact", "<t:GivenName>Olga</t:GivenName>"))
    answer = update(anna, item, f"contacts:{name}", "Contact", f"<t:{name}>{'x' * 256}</t:{name}>")
    assert codes(answer) == ["ErrorPropertyUpdate"]


def test_a_new_item_shows_the_ids_of_its_attachments(simulator: Simulator, anna: Client) -> None:
    files = "".join(
        f"<t:FileAttachment><t:Name>{name}</t:Name><t:Content>aGVsbG8=</t:Content></t:FileAttachment>" for name in "ab"
    )
    answer = create(anna, "Message", f"<t:Subject>Files</t:Subject><t:Attachments>{files}</t:Attachments>")
    ids = [held.get("Id") for held in answer.iterfind(".//t:AttachmentId", NS)]
    got = anna(f'<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id="{ids[1]}"/></m:AttachmentIds></m:GetAttachment>')
    assert (len(ids), texts(got, ".//t:Name")) == (2, ["b"])


def test_an_attached_item_shows_its_text_when_asked(simulator: Simulator, anna: Client) -> None:
    inner = '<t:Message><t:Subject>in</t:Subject><t:Body BodyType="HTML">&lt;p&gt;Hello&lt;/p&gt;</t:Body></t:Message>'
    attached = f"<t:ItemAttachment><t:Name>in</t:Name>{inner}</t:ItemAttachment>"
    made = create(anna, "Message", f"<t:Attachments>{attached}</t:Attachments>")
    held = made.find(".//t:AttachmentId", NS).get("Id")
    answer = anna(
        '<m:GetAttachment><m:AttachmentShape><t:AdditionalProperties><t:FieldURI FieldURI="item:TextBody"/></t:AdditionalProperties></m:AttachmentShape>'
        f'<m:AttachmentIds><t:AttachmentId Id="{held}"/></m:AttachmentIds></m:GetAttachment>'
    )
    assert texts(answer, ".//t:TextBody")[0].strip() == "Hello"


def test_a_flag_keeps_whatever_number_it_is_given(simulator: Simulator, anna: Client) -> None:
    def flagged(number: str) -> str:
        return f"<t:ExtendedProperty>{FLAG}<t:Value>{number}</t:Value></t:ExtendedProperty>"

    odd, usual = (tag(create(anna, "Message", flagged(number))) for number in ("197", "2"))
    assert texts(shown(anna, odd, FLAG), ".//t:Value") == ["197"]
    assert texts(shown(anna, usual, f'{FLAG}<t:FieldURI FieldURI="item:Flag"/>'), ".//t:FlagStatus") == ["Flagged"]


def test_deleting_with_a_change_key_that_is_none_is_refused(simulator: Simulator, anna: Client) -> None:
    [(identifier, _)] = item_ids(create(anna, "Message", "<t:Subject>stays</t:Subject>"))
    answer = anna(
        f'<m:DeleteItem DeleteType="HardDelete"><m:ItemIds><t:ItemId Id="{identifier}" ChangeKey="XXX"/></m:ItemIds></m:DeleteItem>'
    )
    assert codes(answer) == ["ErrorInvalidChangeKey"]


def test_marking_as_junk_without_moving_names_no_other_item(simulator: Simulator, anna: Client) -> None:
    item = tag(create(anna, "Message", "<t:Subject>junk</t:Subject>"))
    ask = '<m:MarkAsJunk IsJunk="true" MoveItem="{0}"><m:ItemIds>{1}</m:ItemIds></m:MarkAsJunk>'
    assert len(anna(ask.format("false", item)).findall(".//m:MovedItemId", NS)) == 0
    assert len(anna(ask.format("true", item)).findall(".//m:MovedItemId", NS)) == 1


def test_an_id_of_a_mailbox_elsewhere_is_converted_too(simulator: Simulator, anna: Client) -> None:
    """A client converts stored ids before it asks for the items; they need not be of this server."""
    foreign = "AAMkADIxNDdkMTI4LTMxNTgtNGYzYy1iMGFlLWQxOTIzYTVlNTAwMgAuAAAAAACQxfuhknwST6zPr7QuwK7BAQDtzmFCgwmzTq/6+pzfxPNiAAAAAAEBAAA="
    ask = (
        '<m:ConvertId DestinationFormat="{0}"><m:SourceIds><t:AlternateId Format="{1}" Id="{2}" Mailbox="x@elsewhere.test"/>'
        "</m:SourceIds></m:ConvertId>"
    )
    answer = anna(ask.format("HexEntryId", "EwsId", foreign))
    [made] = answer.iterfind(".//m:AlternateId", NS)
    assert (made.get("Id")[8:40], made.get("Mailbox")) == ("90C5FBA1927C124FACCFAFB42EC0AEC1", "x@elsewhere.test")


def test_a_property_of_another_kind_of_item_is_not_shown(simulator: Simulator, anna: Client) -> None:
    item = tag(create(anna, "Task", "<t:Subject>Call</t:Subject>"))
    answer = shown(anna, item, '<t:FieldURI FieldURI="calendar:FirstOccurrence"/><t:FieldURI FieldURI="item:Subject"/>')
    [task] = answer.iterfind(".//t:Task", NS)
    assert [etree.QName(child).localname for child in task] == ["ItemId", "Subject"]


def test_an_answer_to_no_meeting_says_that_the_reference_is_missing(simulator: Simulator, anna: Client) -> None:
    answer = anna('<m:CreateItem MessageDisposition="SendOnly"><m:Items><t:AcceptItem/></m:Items></m:CreateItem>')
    assert codes(answer) == ["ErrorMissingInformationReferenceItemId"]


def test_a_calendar_view_takes_no_restriction(simulator: Simulator, anna: Client) -> None:
    answer = anna(
        '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>'
        '<m:CalendarView StartDate="2026-01-01T00:00:00Z" EndDate="2026-02-01T00:00:00Z"/>'
        '<m:Restriction><t:Exists><t:FieldURI FieldURI="item:Subject"/></t:Exists></m:Restriction>'
        '<m:ParentFolderIds><t:DistinguishedFolderId Id="calendar"/></m:ParentFolderIds></m:FindItem>'
    )
    assert codes(answer) == ["ErrorInvalidOperation"]


def test_filtered_html_is_a_document_without_scripts(simulator: Simulator, anna: Client) -> None:
    html = "&lt;html&gt;&lt;body&gt;Hello&lt;script&gt;x()&lt;/script&gt;&lt;/body&gt;&lt;/html&gt;"
    item = tag(create(anna, "Message", f'<t:Body BodyType="HTML">{html}</t:Body>'))
    answer = anna(
        "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:BodyType>HTML</t:BodyType><t:FilterHtmlContent>true</t:FilterHtmlContent>"
        f'<t:AdditionalProperties><t:FieldURI FieldURI="item:Body"/></t:AdditionalProperties></m:ItemShape><m:ItemIds>{item}</m:ItemIds></m:GetItem>'
    )
    assert texts(answer, ".//t:Body")[0].replace("\r\n", "") == (
        '<html><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body>Hello </body></html>'
    )


def test_a_page_without_its_offset_is_told_so(simulator: Simulator, anna: Client) -> None:
    answer = anna(
        '<m:FindFolder Traversal="Shallow"><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>'
        '<m:IndexedPageFolderView MaxEntriesReturned="5" BasePoint="Beginning"/>'
        '<m:ParentFolderIds><t:DistinguishedFolderId Id="inbox"/></m:ParentFolderIds></m:FindFolder>'
    )
    assert "The required attribute 'Offset' is missing." in "".join(answer.itertext())
