"""Real, odd and broken mail as EWS items, and items as mail."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from connectors.simulator.charsets import decode
from connectors.simulator.content import Attachment, Item
from connectors.simulator.elements import add, add_mailbox, find, find_all, local_name, new, text_of
from connectors.simulator.mime import read_mime, write_mime
from connectors.simulator.mime_addresses import Address, read_addresses
from connectors.simulator.mime_headers import decoded
from tests.connectors.simulator.item_schema import problems, shared

HEAD = (
    b"From: Ann <ann@example.test>\r\nTo: bob@example.test\r\nSubject: Hello\r\n"
    b"Date: Mon, 1 Jan 2024 12:00:00 +0300\r\n"
)


def mail(head: str, content: bytes = b"") -> Item:
    return read_mime(HEAD + head.strip().replace("\n", "\r\n").encode() + b"\r\n\r\n" + content)


def value(item: Item, *path: str) -> str | None:
    return text_of(item.element, *path)


def body(item: Item) -> str:
    return value(item, "Body") or ""


def people(item: Item, field: str) -> list[tuple[str | None, str | None]]:
    found = find_all(item.element, field, "Mailbox")
    return [(text_of(each, "Name"), text_of(each, "EmailAddress")) for each in found]


def enron() -> list[Path]:
    folder = shared("mail-samples", "enron")
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "LICENSE")


def test_a_plain_mail_is_read_whole() -> None:
    head = "Message-ID: <1@x>\nIn-Reply-To: <0@x>\nReferences: <a@x>\n <0@x>\nX-Long: one\n two"
    item = mail(head, b"Hi\nthere")
    assert local_name(item.element) == "Message"
    assert value(item, "Subject") == "Hello"
    assert people(item, "From") == people(item, "Sender") == [("Ann", "ann@example.test")]
    assert people(item, "ToRecipients") == [("bob@example.test", "bob@example.test")]
    assert value(item, "DateTimeSent") == value(item, "DateTimeReceived") == "2024-01-01T09:00:00Z"
    assert value(item, "InternetMessageId") == "<1@x>"
    assert value(item, "InReplyTo") == "<0@x>"
    assert value(item, "References") == "<a@x> <0@x>"
    assert body(item) == "Hi\r\nthere"
    headers = find_all(item.element, "InternetMessageHeaders", "InternetMessageHeader")
    assert {each.get("HeaderName"): each.text for each in headers}["X-Long"] == "one two"
    assert problems(item) == []


def test_the_topmost_received_field_says_when_it_arrived() -> None:
    hops = [f"Received: from a by b; Mon, 1 Jan 2024 12:00:0{second} +0300" for second in (9, 5)]
    item = mail("\n".join(hops))
    assert value(item, "DateTimeReceived") == "2024-01-01T09:00:09Z"
    assert value(item, "DateTimeSent") == "2024-01-01T09:00:00Z"


@pytest.mark.parametrize(
    ("head", "field", "expected"),
    [
        ("Importance: high", "Importance", "High"),
        ("X-Priority: 5 (Lowest)", "Importance", "Low"),
        ("Sensitivity: Company-Confidential", "Sensitivity", "Confidential"),
        ("Sensitivity: private", "Sensitivity", "Private"),
        ("Sensitivity: Personal", "Sensitivity", "Personal"),
        ("Sensitivity: nonsense", "Sensitivity", "Normal"),
        ("Disposition-Notification-To: a@b", "IsReadReceiptRequested", "true"),
        ("Thread-Topic: Milk", "ConversationTopic", "Milk"),
    ],
)
def test_what_outlook_says_in_headers(head: str, field: str, expected: str) -> None:
    assert value(mail(head), field) == expected


@pytest.mark.parametrize("prefix", ["RE: ", "Re: Fwd: ", "На: ", "HA: FW: ", "AW: "])
def test_the_topic_of_a_conversation_has_no_answer_marks(prefix: str) -> None:
    assert value(read_mime(f"Subject: {prefix}Milk: prices".encode()), "ConversationTopic") == "Milk: prices"


def test_keywords_are_categories() -> None:
    item = mail("Keywords: Blue, Red\nKeywords: Red; Green")
    assert [each.text for each in find_all(item.element, "Categories", "String")] == ["Blue", "Red", "Green"]


@pytest.mark.parametrize(
    ("written", "names", "expected"),
    [
        (
            "k..allen@enron.com",
            "Allen, Phillip K. </O=ENRON/CN=PALLEN>",
            [("Allen, Phillip K.", "k..allen@enron.com")],
        ),
        ("a@b, c@d", "Ann X, Bob Y", [("Ann X", "a@b"), ("Bob Y", "c@d")]),
        ("a@b, c@d", "X, Ann </O=1>, Y, Bob </O=2>", [("X, Ann", "a@b"), ("Y, Bob", "c@d")]),
        ("a@b, c@d", "X, Ann, Y, Bob", [("", "a@b"), ("", "c@d")]),
        ('"Doe, John" <j@x>; Bob <b@y>', "", [("Doe, John", "j@x"), ("Bob", "b@y")]),
        ("=?utf-8?B?0JjQstCw0L0=?= <i@x>", "", [("Иван", "i@x")]),
        ("=?utf-8?Q?=D0=98=D0=B2?= =?utf-8?Q?=D0=B0=D0=BD?= <i@x>", "", [("Иван", "i@x")]),
        ("j@x (John Doe)", "", [("John Doe", "j@x")]),
        ("undisclosed-recipients:;", "", []),
        ("Friends: a@b, C <c@d>;", "", [("", "a@b"), ("C", "c@d")]),
        ("pallen", "", [("", "pallen")]),
        ("Pat Smith", "", [("Pat Smith", "")]),
        ("'x@y' <x@y>", "", [("x@y", "x@y")]),
        ('"broken <a@b>, c@d', "", [("broken", "a@b"), ("", "c@d")]),
        ("mailto:a@b", "", [("", "a@b")]),
        ("<>, ,;", "", []),
        ("", "", []),
    ],
)
def test_addresses_as_they_are_really_written(written: str, names: str, expected: list[tuple[str, str]]) -> None:
    assert read_addresses(written, names) == [Address(*each) for each in expected]


def test_hundreds_of_recipients_are_all_kept() -> None:
    everyone = b",\r\n ".join(b"Person %d <p%d@x.test>" % (n, n) for n in range(500))
    assert len(people(read_mime(b"To: " + everyone + b"\r\n\r\n"), "ToRecipients")) == 500


@pytest.mark.parametrize(
    ("charset", "codec", "text"),
    [
        ("koi8-r", "koi8-r", "Привет, как дела?"),
        ("windows-1251", "cp1251", "Привет, как дела?"),
        ("iso-8859-1", "latin-1", "Grüße"),
        ("utf-7", "utf-7", "Привет"),
        ("iso-2022-jp", "iso-2022-jp", "こんにちは"),
        ("gb2312", "gb2312", "你好"),
        ("ISO-8859-8-I", "iso-8859-8", "שלום"),
        ("win-1251", "cp1251", "Привет"),
    ],
)
def test_declared_charsets_are_believed(charset: str, codec: str, text: str) -> None:
    assert body(mail(f"Content-Type: text/plain; charset={charset}", text.encode(codec))) == text


@pytest.mark.parametrize("charset", ["us-ascii", "unknown-8bit", "x-nonsense", "iso-8859-1", "base64", "rot13", ""])
def test_utf8_under_a_wrong_name_is_read_all_the_same(charset: str) -> None:
    item = mail(f"Content-Type: text/plain; charset={charset}", "Молоко 3,2%".encode())
    assert body(item) == "Молоко 3,2%"


@pytest.mark.parametrize("charset", ["cp1251", "koi8-r"])
@pytest.mark.parametrize(
    "text", ["Счёт за молоко", "Здравствуйте! Высылаю вам договор поставки молока на следующий год."]
)
def test_undeclared_russian_is_recognised(charset: str, text: str) -> None:
    item = read_mime(b"Subject: " + text.encode(charset) + b"\r\n\r\n" + text.encode(charset))
    assert value(item, "Subject") == text
    assert body(item) == text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("=?windows-1251?B?z/Do4uXy?=", "Привет"),
        ("=?koi8-r?Q?=F0=D2=C9=D7=C5=D4?= all", "Привет all"),
        ("=?utf-8?B?broken", "=?utf-8?B?broken"),
        ("=?utf-8?B?0J/RgNC40LLQtdGC?==?utf-8?B?0LU=?=", "Привете"),
        ("=?utf-8?B?0JzQvtC70L7QutC+INC4INGB0YvR?= =?utf-8?B?gA==?=", "Молоко и сыр"),
        ("=?UTF-8*ru?Q?a_b?=", "a b"),
        ("=?nonsense?Q?abc?=", "abc"),
        ("=?utf-8?Q?a=00b=0b?=", "ab"),
    ],
)
def test_encoded_words(written: str, expected: str) -> None:
    assert decoded(written) == expected


def test_flowed_text_has_whole_paragraphs() -> None:
    text = b"One \r\nparagraph.\r\nNext.\r\n> quoted \r\n> line\r\n-- \r\nAnn"
    item = mail("Content-Type: text/plain; format=flowed", text)
    assert body(item) == "One paragraph.\r\nNext.\r\n> quoted line\r\n-- \r\nAnn"


MULTIPART = b"""--b
Content-Type: multipart/related; boundary=r

--r
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain

plain
--a
Content-Type: text/html; charset=utf-8

<p>rich <img src="cid:pic@x"></p>
--a--
--r
Content-Type: image/png
Content-ID: <pic@x>
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--r--
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename*=utf-8''%D0%A1%D1%87%D1%91%D1%82.pdf
Content-Transfer-Encoding: base64

JVBERg==
--b
Content-Type: application/octet-stream; name="=?koi8-r?B?8NLJ18XU?="

x
--b
Content-Type: application/ms-tnef

tnef
--b--
"""


def test_the_best_body_and_every_attachment_of_a_multipart() -> None:
    item = mail("Content-Type: multipart/mixed; boundary=b", MULTIPART)
    shown = find(item.element, "Body")
    assert shown is not None
    assert shown.get("BodyType") == "HTML"
    assert "rich" in body(item)
    picture, invoice, other, tnef = item.attachments
    assert (picture.content_id, picture.is_inline, picture.content) == ("pic@x", True, b"\x89PNG\r\n\x1a\n")
    assert (invoice.name, invoice.content_type, invoice.is_inline) == ("Счёт.pdf", "application/pdf", False)
    assert other.name == "Привет"
    assert tnef.content == b"tnef"
    assert problems(item) == []


def test_an_attached_mail_is_an_item_of_its_own() -> None:
    inner = b"Subject: Inner\nFrom: c@x\nMessage-ID: <in@x>\n\ninner text"
    parts = b"--b\nContent-Type: message/rfc822\n\n" + inner + b"\n--b--"
    (attachment,) = mail("Content-Type: multipart/mixed; boundary=b", parts).attachments
    assert attachment.item is not None
    assert attachment.name == "Inner"
    assert value(attachment.item, "InternetMessageId") == "<in@x>"
    assert body(attachment.item) == "inner text"
    assert b"Subject: Inner\r\n" in attachment.content


@pytest.mark.parametrize(
    "name",
    [
        'filename="договор.pdf"'.encode(),
        'filename="договор.pdf"'.encode("cp1251"),
        b"filename*=UTF-8''%D0%B4%D0%BE%D0%B3%D0%BE%D0%B2%D0%BE%D1%80.pdf",
        b"filename*0*=UTF-8''%D0%B4%D0%BE%D0%B3;\n filename*1*=%D0%BE%D0%B2%D0%BE%D1%80.pdf",
        b'filename="=?koi8-r?B?xM/Hz9fP0g==?=.pdf"',
    ],
)
def test_the_name_of_a_file_however_it_is_written(name: bytes) -> None:
    head = b"--b\nContent-Type: application/pdf\nContent-Disposition: attachment; "
    (attachment,) = mail("Content-Type: multipart/mixed; boundary=b", head + name + b"\n\nx\n--b--").attachments
    assert (attachment.name, attachment.is_inline) == ("договор.pdf", False)


def test_a_picture_that_the_text_calls_by_its_location() -> None:
    head = b"--b\nContent-Type: image/png\nContent-Location: pics/\n a.png\nContent-Disposition: inline"
    (picture,) = mail("Content-Type: multipart/mixed; boundary=b", head + b"\n\nx\n--b--").attachments
    assert (picture.content_location, picture.content_id, picture.is_inline) == ("pics/a.png", None, True)


def test_text_around_a_picture_is_one_body() -> None:
    parts = b"--b\n\nbefore\n--b\nContent-Type: image/gif\n\nGIF8\n--b\nContent-Type: text/plain\n\nafter\n--b--"
    item = mail("Content-Type: multipart/mixed; boundary=b", parts)
    assert body(item).split() == ["before", "after"]
    assert [each.name for each in item.attachments] == ["ATT00001.gif"]


@pytest.mark.parametrize(
    ("action", "item_class"), [("failed", "REPORT.IPM.Note.NDR"), ("delivered", "REPORT.IPM.Note.DR")]
)
def test_a_delivery_report_is_recognised(action: str, item_class: str) -> None:
    parts = (
        b"--b\n\nSorry\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
        b"Final-Recipient: rfc822; a@b\nAction: " + action.encode() + b"\n\n--b--"
    )
    item = mail("Content-Type: multipart/report; report-type=delivery-status; boundary=b", parts)
    assert value(item, "ItemClass") == item_class
    assert body(item).strip() == "Sorry"


def test_signed_mail_is_readable_and_kept_whole() -> None:
    parts = b"--b\n\ntext\n--b\nContent-Type: application/pkcs7-signature; name=smime.p7s\n\nsig\n--b--"
    item = mail('Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary=b', parts)
    assert value(item, "ItemClass") == "IPM.Note.SMIME.MultipartSigned"
    assert body(item).strip() == "text"
    assert [each.content_type for each in item.attachments] == ["multipart/signed"]
    assert b"sig" in item.attachments[0].content


def test_encrypted_mail_keeps_its_contents() -> None:
    head = "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m"
    item = mail(head, b"secret")
    assert value(item, "ItemClass") == "IPM.Note.SMIME"
    assert item.attachments[0].content == b"secret"


INVITATION = """BEGIN:VCALENDAR
METHOD:{method}
BEGIN:VEVENT
UID:meeting-1
SUMMARY:Prices
DTSTART:20240110T090000Z
DTEND:20240110T100000Z
LOCATION:Room 1
ORGANIZER;CN=Ann:mailto:ann@example.test
ATTENDEE;CN=Bob;PARTSTAT={answer}:mailto:bob@example.test
END:VEVENT
END:VCALENDAR
"""


@pytest.mark.parametrize(
    ("method", "answer", "kind", "item_class"),
    [
        ("REQUEST", "NEEDS-ACTION", "MeetingRequest", "IPM.Schedule.Meeting.Request"),
        ("REPLY", "ACCEPTED", "MeetingResponse", "IPM.Schedule.Meeting.Resp.Pos"),
        ("REPLY", "DECLINED", "MeetingResponse", "IPM.Schedule.Meeting.Resp.Neg"),
        ("CANCEL", "NEEDS-ACTION", "MeetingCancellation", "IPM.Schedule.Meeting.Canceled"),
    ],
)
def test_invitations_answers_and_cancellations(method: str, answer: str, kind: str, item_class: str) -> None:
    calendar = INVITATION.format(method=method, answer=answer).encode()
    parts = b"--b\n\nCome\n--b\nContent-Type: text/calendar; charset=utf-8\n\n" + calendar + b"\n--b--"
    item = mail("Content-Type: multipart/alternative; boundary=b", parts)
    assert local_name(item.element) == kind
    assert value(item, "ItemClass") == item_class
    assert value(item, "UID") == "meeting-1"
    assert value(item, "Start") == "2024-01-10T09:00:00Z"
    assert body(item).strip() == "Come"
    assert problems(item) == []
    add_sender = find(item.element, "From", "Mailbox", "EmailAddress")
    assert add_sender is not None
    item.mime = None
    again = read_mime(write_mime(item))
    assert local_name(again.element) == kind
    for field in ("UID", "Start", "End", "Location", "Subject", "ItemClass", "ResponseType"):
        assert value(again, field) == value(item, field)


def test_an_event_that_was_merely_sent_along_is_an_attachment() -> None:
    item = mail("Content-Type: text/calendar", INVITATION.format(method="PUBLISH", answer="").encode())
    assert local_name(item.element) == "Message"
    assert item.attachments[0].content_type == "text/calendar"


def nested(levels: int) -> bytes:
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(levels))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\0\0\0",
        b"no header at all",
        b"Subject: \xff\xfe\0\x0b\x1f\r\n\r\n\xff\0",
        b"From nobody Mon Jan  1 00:00:00 2024\nSubject: x\n\ny",
        b"Subject: a\rFrom: b@c\r\n\nbody\rmore",
        b"Content-Type: multipart/mixed\n\nno boundary",
        b"Content-Type: multipart/mixed; boundary=\n\n--\n\n--",
        b"Content-Type: text/plain; charset*=a'b'%ff\n\n\xff",
        b'Content-Type: text/plain; charset="utf-8\0"\n\n\xff',
        b"Content-Type: ;;;\nContent-Transfer-Encoding: base64\n\n!!!",
        b"Content-Type: text/html; charset=utf-16\n\n\x00",
        b"Content-Disposition: attachment; filename*0*=x'y'%; filename*1=z\n\nq",
        b"Date: Mon, 99 Foo 99999 99:99:99 +9999\n\n",
        b"Date: Thu, 01 Jan 0001 00:00:00 +1400\n\n",
        b"Date: 31 Dec 9999 23:59:59 -1400\n\n",
        b"Date: now\nDate: Mon, 1 Jan 2024 00:00:00 GMT\nTo: a@b\nTo: c@d\n\n",
        b"Subject: =?utf-8?B?\xff?= =?utf-8?X?a?= =?a?q??=\n\n",
        b"Message-ID\nSubject: x\n\n",
        "Subject: \ud800 x\n\n".encode("utf-8", "surrogatepass"),
        b"Content-Type: message/rfc822\n\n" * 200,
        b"Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: image/png\n\nx\n--b--",
        nested(60) + b"\ndeep",
        nested(1500),
    ],
)
def test_broken_mail_is_read_as_far_as_it_can_be(data: bytes) -> None:
    item = read_mime(data)
    assert problems(item) == []
    item.mime = None
    write_mime(item)


def test_missing_date_sender_and_id_stay_missing() -> None:
    item = read_mime(b"Subject: x\n\ny")
    assert [value(item, field) for field in ("DateTimeSent", "From", "InternetMessageId")] == [None] * 3


def test_a_body_of_ten_megabytes() -> None:
    assert len(body(mail("Content-Type: text/plain", b"0123456789abcde\n" * 655_360))) > 10_000_000


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=2000))
def test_arbitrary_bytes_are_a_mail(data: bytes) -> None:
    etree.fromstring(etree.tostring(read_mime(data).element))


LINES = MULTIPART.split(b"\n") + HEAD.split(b"\r\n") + INVITATION.encode().split(b"\n")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=60))
def test_shuffled_lines_of_mail_are_a_mail(lines: list[bytes]) -> None:
    item = read_mime(b"Content-Type: multipart/mixed; boundary=b\n\n" + b"\n".join(lines))
    etree.fromstring(etree.tostring(item.element))
    item.mime = None
    read_mime(write_mime(item))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_real_mail_is_a_mail(data: st.DataObject) -> None:
    files = enron()
    source = bytearray(files[data.draw(st.integers(0, len(files) - 1))].read_bytes()[:4000])
    for _ in range(data.draw(st.integers(1, 12))):
        position = data.draw(st.integers(0, max(0, len(source) - 1)))
        source[position : position + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    assert problems(read_mime(bytes(source))) == []


CHARSETS = [None, "utf-8", "utf-7", "utf-16", "cp1251", "hz", "idna", "nonsense", "\0", "unicode_escape"]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(CHARSETS))
def test_any_bytes_in_any_charset_are_text(data: bytes, charset: str | None) -> None:
    assert isinstance(decode(data, charset), str)


def test_every_real_mail_is_valid_and_survives_being_written() -> None:
    for path in enron():
        item = read_mime(path.read_bytes())
        assert problems(item) == [], path
        item.mime = None
        again = read_mime(write_mime(item))
        for field in ("Subject", "InternetMessageId", "DateTimeSent"):
            assert value(again, field) == value(item, field), path
        for field in ("From", "ToRecipients", "CcRecipients"):
            assert people(again, field) == people(item, field), path
        assert body(again).rstrip() == body(item).rstrip(), path


def composed() -> Item:
    element = new("Message")
    add(element, "Subject", "Счёт на оплату, очень длинная тема, " * 4 + "конец")
    add_mailbox(element, 'Иван "Ваня" Петров', "ivan@example.test", wrapper="From")
    holder = add(element, "ToRecipients")
    add_mailbox(holder, "Doe, John (Sales)", "john@example.test")
    add_mailbox(holder, "", "k..allen@example.test")
    add(element, "Body", "<p>Тест</p>", BodyType="HTML")
    add(element, "Sensitivity", "Confidential")
    files = [
        Attachment("Счёт.pdf", "application/pdf", b"%PDF"),
        Attachment("p.png", "image/png", b"png", content_id="p@x", is_inline=True),
    ]
    return Item(element, files)


def test_a_composed_message_becomes_mail_that_reads_back() -> None:
    item = composed()
    written = write_mime(item)
    assert b"\n" not in written.replace(b"\r\n", b"")
    assert all(len(line) <= 998 for line in written.split(b"\r\n"))
    again = read_mime(written)
    for field in ("Subject", "Sensitivity"):
        assert value(again, field) == value(item, field)
    for field in ("From", "ToRecipients"):
        assert people(again, field) == people(item, field)
    assert [(each.name, each.content) for each in again.attachments] == [
        ("p.png", b"png"),
        ("Счёт.pdf", b"%PDF"),
    ]
    assert "Тест" in body(again)


def test_no_value_can_smuggle_in_a_header() -> None:
    element = new("Message")
    add(element, "Subject", "x\r\nBcc: thief@example.test")
    add(element, "Body", "text", BodyType="Text")
    assert people(read_mime(write_mime(Item(element))), "BccRecipients") == []
