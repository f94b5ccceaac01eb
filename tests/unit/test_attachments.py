"""What attachments are called, which of them a text shows, and which are flagged (S12)."""

from __future__ import annotations

import io
import struct
import zipfile
from email.header import Header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terracrm.domain import attachments, file_danger, file_types
from terracrm.domain.attachments import file_name, find_same, is_in_text, references, shown_name
from terracrm.domain.records import AttachmentInfo, MessageRecord

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
EXE = b"MZ\x90\x00\x03" + b"\x00" * 55 + struct.pack("<I", 128) + b"\x00" * 64 + b"PE\x00\x00"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 512
RAR = b"Rar!\x1a\x07\x01\x00"
RLO = "\u202e"


def packed(*names: str, encrypted: bool = False) -> bytes:
    """A zip archive with files of these names."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    data = bytearray(made.getvalue())
    if encrypted:
        for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            data[data.find(magic) + offset] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "danger"),
    [
        ("договор.pdf", ""),
        ("Price v2.1.xlsx", ""),
        ("фото.jpg", ""),
        ("archive.tar.gz", ""),
        ("ATT00001.bin", ""),
        ("", ""),
        ("no ending", ""),
        (".exe", ""),  # a name that is all ending has none; it is saved as "exe"
        ("setup.exe", "program"),
        ("SETUP.EXE", "program"),
        ("setup.exe.", "program"),
        ("setup.exe  ", "program"),
        ("setup.exe\u200b", "program"),
        ("screen.scr", "program"),
        ("заявка.js", "program"),
        ("link.lnk", "program"),
        ("disk.iso", "program"),
        ("disk.img", "program"),
        ("page.hta", "program"),
        ("run.ps1", "program"),
        ("app.jar", "program"),
        ("макрос.vbs", "program"),
        ("invoice.pdf.exe", "deceptive"),
        ("Счёт.docx .js", "deceptive"),
        ("photo.jpg" + " " * 80 + ".scr", "deceptive"),
        ("note" + " " * 80 + ".exe", "deceptive"),
        (f"отчёт{RLO}fdp.exe", "deceptive"),
        (f"harmless{RLO}.txt", "deceptive"),
        ("scan.pdf.html", "deceptive"),
        ("report.docm", "macro"),
        ("цены.xlsm", "macro"),
        ("обработка.epf", "macro"),
        ("invoice.html", "active"),
        ("logo.svg", "active"),
        ("files.rar", "hidden"),
        ("files.7z", "hidden"),
    ],
)
def test_a_name_alone_flags_what_it_says_or_hides(name: str, danger: str) -> None:
    assert file_danger.of_name(name) == danger


def test_the_subject_of_an_attached_mail_is_no_file_name() -> None:
    assert file_danger.of_name("Visit www.example.com", "message/rfc822") == ""
    assert file_name("Visit www.example.com", "message/rfc822") == "Visit www.example.com.eml"


@pytest.mark.parametrize(
    ("name", "content", "danger"),
    [
        ("price.pdf", PDF, ""),
        ("photo.png", PNG, ""),
        ("photo.jpg", PNG, ""),  # a harmless slip
        ("note.txt", "Привет".encode(), ""),
        ("note.txt", b"<html>what a page looks like</html>", ""),
        ("empty.pdf", b"", ""),
        ("price.docx", packed("[Content_Types].xml", "word/document.xml"), ""),
        ("price.ods", packed("mimetype", "content.xml"), ""),
        ("old.doc", OLE, ""),
        ("table.xls", b"\xef\xbb\xbf<html><table></table></html>", "active"),
        ("price.pdf", EXE, "disguised"),
        ("photo.jpg", b"\x7fELF\x02\x01\x01", "disguised"),
        ("note.txt", b"#!/bin/sh\nrm -rf /", "disguised"),
        ("price.pdf", b"  <!-- x --><!DOCTYPE html><script>alert(1)</script>", "disguised"),
        ("photo.png", b"<?xml version='1.0'?><svg xmlns='x'/>", "disguised"),
        ("photo.jpg", packed("a.txt"), "disguised"),
        ("price.pdf", "\ufeff<html>".encode("utf-16-le"), "disguised"),
        ("price.docx", RAR, "disguised"),
        ("setup.exe", EXE, "program"),
        ("unknown", EXE, "disguised"),
        ("files.zip", packed("docs/a.pdf", "b.txt"), ""),
        ("files.zip", packed("docs/a.pdf", "docs/run.exe"), "archive"),
        ("files.zip", packed("счёт.pdf.js"), "archive"),
        ("files.zip", packed("macro.docm"), "archive"),
        ("files.zip", packed("a.pdf", encrypted=True), "hidden"),
        ("files.zip", packed("run.exe", encrypted=True), "archive"),
        ("files.zip", b"PK\x03\x04 and nothing that could be a listing", "hidden"),
        ("files.bin", RAR, "hidden"),
        ("price.docx", packed("[Content_Types].xml", "word/vbaProject.bin"), "macro"),
        ("price.xlsx", packed("[Content_Types].xml", "xl/macrosheets/sheet1.xml"), "macro"),
        ("price.odt", packed("mimetype", "Basic/Standard/Module1.xml"), "macro"),
        ("old.xls", OLE + "_VBA_PROJECT_CUR".encode("utf-16-le"), "macro"),
        ("locked.xlsx", OLE + "EncryptedPackage".encode("utf-16-le"), "hidden"),
        ("page", b"<html><body>", "active"),
    ],
)
def test_the_content_flags_what_its_name_does_not_say(name: str, content: bytes, danger: str) -> None:
    assert file_danger.of_content(name, "", content) == danger


def test_a_listing_of_a_size_that_no_honest_archive_has_is_not_read() -> None:
    data = bytearray(packed("a.txt"))
    end = data.rfind(b"PK\x05\x06")
    data[end + 12 : end + 16] = struct.pack("<I", 3_000_000_000)
    assert file_danger.of_content("a.zip", "", bytes(data)) == "hidden"


@given(st.sampled_from(["a.zip", "a.pdf", "a.docx", "a"]), st.binary(max_size=200))
def test_no_content_breaks_the_rules(name: str, data: bytes) -> None:
    for head in (b"", b"PK\x03\x04", b"PK\x05\x06", packed("a.txt")[:-10], OLE[:8]):
        file_danger.of_content(name, "", head + data)


@pytest.mark.parametrize(
    ("name", "content_type", "saved_as"),
    [
        ("договор № 5.pdf", "", "договор № 5.pdf"),
        ("../../etc/passwd", "", "_.._etc_passwd"),
        ("C:\\Windows\\system.ini", "", "C__Windows_system.ini"),
        ('a"b<c>|d?.txt', "", "a_b_c__d_.txt"),
        ("line\r\nbreak\x00.pdf", "", "line break .pdf"),
        (f"gnp{RLO}.pdf", "", "gnp.pdf"),
        ("CON.txt", "", "_CON.txt"),
        ("  ..hidden.. ", "", "hidden"),
        ("", "", "attachment"),
        ("", "image/png", "attachment.png"),
        ("", "message/rfc822", "attachment.eml"),
        ("Re: Цены", "message/rfc822", "Re_ Цены.eml"),
        ("card", "text/vcard", "card.vcf"),
        ("card.txt", "text/vcard", "card.txt"),
        ("", "text/calendar; method=REQUEST", "attachment.ics"),
        ("letter.msg", "message/rfc822", "letter.msg"),
        ("ы" * 400 + ".docx", "", "ы" * 145 + ".docx"),
        ("x" * 400, "", "x" * 150),
    ],
)
def test_a_download_gets_a_name_that_every_disk_takes(name: str, content_type: str, saved_as: str) -> None:
    assert file_name(name, content_type) == saved_as


@pytest.mark.parametrize(
    ("found_type", "saved_as"),
    [("", "Visit a.com.eml"), ("text/calendar", "Visit a.com.ics"), ("text/vcard", "Visit a.com.vcf")],
)
def test_an_item_inside_a_mail_is_saved_as_what_the_server_made_of_it(found_type: str, saved_as: str) -> None:
    assert attachments.item_name("Visit a.com", found_type) == saved_as


@given(st.text(max_size=400), st.sampled_from(["", "image/png", "message/rfc822"]))
def test_every_name_becomes_one_that_every_disk_takes(name: str, content_type: str) -> None:
    made = file_name(name, content_type)
    assert made == made.strip(" .")
    assert 0 < len(made) <= attachments.MAX_NAME + 1
    assert not set(made) & set('/\\:*?"<>|\r\n\x00')


def test_a_name_is_shown_without_what_nobody_sees() -> None:
    assert shown_name(f"a{RLO}b\x00\n c\u200b") == "ab c"
    assert shown_name(str(Header("имя.pdf", "utf-8"))) != ""


BODY = """<p>Hi <IMG alt="x" SRC='cid:Logo%40corp'><img src=cid:two@x width=5><td background="cid:&lt;Three@X&gt;">
<img src="image004.png"><div style="background:url('cid:five@x')"><a href="cid:six@x">no</a></p>"""


@pytest.mark.parametrize(
    ("content_id", "location", "is_shown"),
    [
        ("<logo@corp>", "", True),
        ("LOGO@CORP", "", True),
        ("two@x", "", True),
        ("three@x", "", True),
        ("other@x", "image004.png", True),
        ("five@x", "", True),
        ("six@x", "", False),
        ("", "", False),
    ],
)
def test_an_image_is_in_the_text_when_the_text_refers_to_it(content_id: str, location: str, is_shown: bool) -> None:
    names = attachments.names_in_text(content_id, location)
    assert is_in_text("a.png", "image/png", names, references(BODY)) == is_shown


def test_only_images_are_in_the_text() -> None:
    assert not is_in_text("a.pdf", "application/pdf", "two@x", references(BODY))
    assert is_in_text("a.PNG", "application/octet-stream", "two@x", references(BODY))


def test_a_mail_whose_inline_files_the_text_does_not_show_has_files() -> None:
    image = AttachmentInfo("1", "logo.png", "image/png", 10, True, "two@x")
    assert not attachments.has_files(MessageRecord(body_html=BODY, attachments=(image,)))
    assert attachments.has_files(MessageRecord(body_html="<p>no image</p>", attachments=(image,)))
    contract = AttachmentInfo("2", "a.pdf", "application/pdf", 10, True, "two@x")
    assert attachments.has_files(MessageRecord(body_html=BODY, attachments=(image, contract)))
    assert not attachments.has_files(MessageRecord(body_html=BODY))


@pytest.mark.parametrize(
    ("name", "content_type", "size", "is_small"),
    [
        ("logo.png", "", 5_000, True),
        ("", "image/gif", 5_000, True),
        ("poster.png", "image/png", 5_000_000, False),
        ("price.pdf", "application/pdf", 5_000, False),
    ],
)
def test_small_images_are_fetched_with_their_mail(name: str, content_type: str, size: int, is_small: bool) -> None:
    assert attachments.is_small_image(name, content_type, size, 25_000_000) == is_small
    assert not attachments.is_small_image(name, content_type, size, 4_999)


def infos(*named: tuple[str, int]) -> list[AttachmentInfo]:
    return [AttachmentInfo(f"id{number}", name, size=size) for number, (name, size) in enumerate(named)]


@pytest.mark.parametrize(
    ("position", "listed", "found"),
    [
        (1, infos(("x", 1), ("a.pdf", 10)), "id1"),
        (1, infos(("a.pdf", 10)), "id0"),  # the one before it was removed
        (0, infos(("a.pdf", 10), ("a.pdf", 10)), "id0"),
        (1, infos(("a.pdf", 10), ("a.pdf", 10)), "id1"),
        (0, infos(("a.pdf", 11)), "id0"),  # the server counts its size anew
        (0, infos(("x", 1), ("a.pdf", 11)), "id1"),
        (0, infos(("x", 1), ("a.pdf", 11), ("a.pdf", 12)), None),  # nobody knows which
        (0, infos(("b.pdf", 10)), None),
        (0, [], None),
    ],
)
def test_an_attachment_is_found_again_whatever_its_id_is_now(
    position: int, listed: list[AttachmentInfo], found: str | None
) -> None:
    same = find_same("a.pdf", 10, position, listed)
    assert (same.remote_id if same else None) == found


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://disk.example/f?id=1", True),
        ("HTTP://disk.example", True),
        ("javascript:alert(1)", False),
        ("file://server/share/a.exe", False),
        ("\\\\server\\share", False),
        ("https://", False),
        ("http://[broken", False),
        ("", False),
    ],
)
def test_only_web_links_may_be_clicked(url: str, is_safe: bool) -> None:
    assert attachments.is_safe_link(url) == is_safe


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"BM" + b"\x00" * 30, "image/bmp"),
        (b"BMW is a car and this is a text", ""),
        (b"MZ is how this text begins, and nothing else is in it.", ""),
        (b"junk\n" + PDF, "application/pdf"),
        ("просто текст".encode(), ""),
        (b"", ""),
    ],
)
def test_the_first_bytes_show_what_a_file_is(data: bytes, media_type: str) -> None:
    assert file_types.sniff(data) == media_type


@pytest.mark.parametrize(
    ("name", "content_type", "kind"),
    [("a.PDF", "", "pdf"), ("", "image/png", "image"), ("x", "message/rfc822", "mail"), ("x.zzz", "", "file")],
)
def test_pages_have_a_symbol_for_each_kind_of_file(name: str, content_type: str, kind: str) -> None:
    assert file_types.kind(name, content_type) == kind
