"""GetAttachment, whatever the server answers; requests and answers follow Microsoft's schema."""

from __future__ import annotations

import base64

import pytest
from lxml import etree

from connectors.exchange_ews.attachments import attachment_info
from connectors.exchange_ews.elements import Item
from terracrm.domain.records import AttachmentInfo
from terracrm.errors import AuthFailed, ItemGone, ItemRejected, Temporary, TooLarge
from tests.connectors.exchange_ews.script import NAMESPACES, ScriptedServer, answered, failure, success

INFO = AttachmentInfo("a1", "price.pdf", "application/pdf", 7)


def said(kind: str, fields: str) -> AttachmentInfo:
    element = f'<t:{kind} {NAMESPACES}><t:AttachmentId Id="a1"/>{fields}</t:{kind}>'
    return attachment_info(Item(etree.fromstring(element)))


def read(server: ScriptedServer, message: str, info: AttachmentInfo = INFO, *, valid: bool = True) -> bytes:
    server.on("GetAttachment", answered("GetAttachment", message), valid=valid)
    return server.connector().attachment(info, 1000)


def attachment(kind: str, fields: str) -> str:
    held = f'<t:{kind}><t:AttachmentId Id="a1"/>{fields}</t:{kind}>'
    return success("GetAttachment", f"<m:Attachments>{held}</m:Attachments>")


def test_a_link_into_the_cloud_is_told_with_its_address() -> None:
    fields = "<t:Name>Price.xlsx</t:Name><t:Size>321</t:Size><t:AttachLongPathName>https://disk.example/f?id=1</t:AttachLongPathName>"
    found = said("ReferenceAttachment", fields)
    assert (found.name, found.is_link, found.location) == ("Price.xlsx", True, "https://disk.example/f?id=1")


def test_an_image_is_told_with_both_ways_to_refer_to_it() -> None:
    fields = "<t:Name>a.png</t:Name><t:ContentId>a@b</t:ContentId><t:ContentLocation>img/a.png</t:ContentLocation>"
    found = said("FileAttachment", fields)
    assert (found.content_id, found.location, found.is_link) == ("a@b", "img/a.png", False)


def test_the_content_of_a_large_file_arrives_whole(server: ScriptedServer) -> None:
    content = bytes(range(256)) * 60_000  # more than libxml2 takes in one text by default
    fields = f"<t:Name>a</t:Name><t:Content>{base64.b64encode(content).decode()}</t:Content>"
    server.on("GetAttachment", answered("GetAttachment", attachment("FileAttachment", fields)), valid=False)
    assert server.connector().attachment(INFO, 20_000_000) == content
    with pytest.raises(TooLarge):  # the list said 7 bytes
        server.connector().attachment(INFO, 1000)


def test_what_the_list_calls_larger_is_not_asked_for(server: ScriptedServer) -> None:
    with pytest.raises(TooLarge):
        server.connector().attachment(AttachmentInfo("a1", "film.mp4", size=1001), 1000)
    assert server.requests == []


def test_an_attached_item_comes_as_its_mime_content(server: ScriptedServer) -> None:
    mime = base64.b64encode(b"Subject: inner").decode()
    content = f'<t:MimeContent CharacterSet="UTF-8">{mime}</t:MimeContent>'
    item = f"<t:Message>{content}<t:Sensitivity>Normal</t:Sensitivity></t:Message>"
    assert read(server, attachment("ItemAttachment", item)) == b"Subject: inner"


@pytest.mark.parametrize("sensitivity", ["Personal", "Private", "Confidential"])
def test_an_attached_item_that_is_not_for_everybody_is_never_read(server: ScriptedServer, sensitivity: str) -> None:
    mime = '<t:MimeContent CharacterSet="UTF-8">eA==</t:MimeContent>'
    item = f"<t:Message>{mime}<t:Sensitivity>{sensitivity}</t:Sensitivity></t:Message>"
    with pytest.raises(ItemRejected, match="private"):
        read(server, attachment("ItemAttachment", item))


@pytest.mark.parametrize(
    "held",
    [
        attachment("FileAttachment", "<t:Name>a</t:Name>"),
        attachment("ItemAttachment", "<t:Task><t:Sensitivity>Normal</t:Sensitivity></t:Task>"),
        attachment("FileAttachment", "<t:Content>%%%%x</t:Content>"),
        attachment("ReferenceAttachment", "<t:Name>a</t:Name>"),
    ],
)
def test_an_attachment_without_content_is_rejected(server: ScriptedServer, held: str) -> None:
    with pytest.raises(ItemRejected):
        read(server, held, valid=False)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ErrorItemNotFound", ItemGone),
        ("ErrorInvalidAttachmentId", ItemGone),
        ("ErrorAttachmentSizeLimitExceeded", TooLarge),
        ("ErrorContentConversionFailed", ItemRejected),
        ("ErrorAccessDenied", ItemRejected),
        ("ErrorCannotOpenFileAttachment", ItemRejected),
        ("ErrorInternalServerError", ItemRejected),
        ("ErrorServerBusy", Temporary),
        ("ErrorMailboxStoreUnavailable", Temporary),
        ("ErrorPasswordExpired", AuthFailed),
    ],
)
def test_each_refusal_is_named_by_what_to_do(server: ScriptedServer, code: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(server, failure("GetAttachment", code, content="<m:Attachments/>"))


def test_an_answer_without_the_attachment_is_temporary(server: ScriptedServer) -> None:
    with pytest.raises(Temporary):
        read(server, success("GetAttachment", "<m:Attachments/>"))
