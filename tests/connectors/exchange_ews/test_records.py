"""Elements -> records: held against exchangelib's own reading of the same elements, and against odd mailboxes."""

from __future__ import annotations

from datetime import UTC, date, datetime

import exchangelib
import pytest
from lxml import etree

from connectors.base import Account
from connectors.exchange_ews import elements
from connectors.exchange_ews.connect import connect
from connectors.exchange_ews.contacts import PHONES, contact, phone_label
from connectors.exchange_ews.elements import Item
from connectors.exchange_ews.meetings import meeting
from connectors.exchange_ews.messages import message
from terracrm.domain.records import (
    LabelledAddress,
    MeetingKind,
    MessageRecord,
    Participant,
    Phone,
    Response,
    Role,
)
from tests.connectors.exchange_ews import theirs
from tests.connectors.exchange_ews.script import NAMESPACES, answered, check, success


def element(kind: str, fields: str) -> etree._Element:
    """An item element, which follows the schema."""
    check(answered("GetItem", success("GetItem", f"<m:Items><t:{kind}>{fields}</t:{kind}></m:Items>")))
    return etree.fromstring(f"<t:{kind} {NAMESPACES}>{fields}</t:{kind}>")


def mailbox(name: str, address: str, routing: str = "SMTP") -> str:
    """A Mailbox element."""
    return (
        f"<t:Mailbox><t:Name>{name}</t:Name><t:EmailAddress>{address}</t:EmailAddress>"
        f"<t:RoutingType>{routing}</t:RoutingType><t:MailboxType>Mailbox</t:MailboxType></t:Mailbox>"
    )


def tagged(tag: str, value: str) -> str:
    """An extended property by tag."""
    uri = f'<t:ExtendedFieldURI PropertyTag="{tag}" PropertyType="String"/>'
    return f"<t:ExtendedProperty>{uri}<t:Value>{value}</t:Value></t:ExtendedProperty>"


@pytest.fixture(scope="module")
def account() -> exchangelib.Account:
    """An account that exchangelib reads elements for; nothing is sent."""
    return connect(Account("anna@example.test", "http://127.0.0.1/EWS/Exchange.asmx", "anna", "secret"))


MESSAGE = (
    '<t:ItemId Id="id1" ChangeKey="k1"/><t:ItemClass>IPM.Note</t:ItemClass><t:Subject>Поставка сыра</t:Subject>'
    '<t:Sensitivity>Private</t:Sensitivity><t:Body BodyType="HTML">&lt;p&gt;Да&lt;/p&gt;</t:Body><t:Attachments>'
    '<t:FileAttachment><t:AttachmentId Id="a1"/><t:Name>счёт.pdf</t:Name><t:ContentType>application/pdf</t:ContentType>'
    "<t:ContentId>c1</t:ContentId><t:Size>1200</t:Size><t:IsInline>true</t:IsInline></t:FileAttachment>"
    '<t:ItemAttachment><t:AttachmentId Id="a2"/><t:Name>Fw</t:Name><t:Size>10</t:Size><t:IsInline>false</t:IsInline>'
    "</t:ItemAttachment></t:Attachments><t:DateTimeReceived>2026-03-02T07:00:05Z</t:DateTimeReceived>"
    "<t:Categories><t:String>Red</t:String><t:String>Клиент</t:String></t:Categories><t:Importance>High</t:Importance>"
    "<t:InReplyTo>&lt;m0@client.test&gt;</t:InReplyTo><t:IsDraft>false</t:IsDraft>"
    "<t:DateTimeSent>2026-03-02T10:00:00+03:00</t:DateTimeSent>"
    '<t:ConversationId Id="conversation1"/><t:UniqueBody BodyType="Text">Да</t:UniqueBody>'
    f"<t:Sender>{mailbox('Assistant', 'assistant@client.test')}</t:Sender>"
    f"<t:ToRecipients>{mailbox('Anna', 'Anna@example.test')}{mailbox('Boris', 'boris@example.test')}</t:ToRecipients>"
    f"<t:CcRecipients>{mailbox('Vera', 'vera@client.test')}</t:CcRecipients>"
    f"<t:BccRecipients>{mailbox('Secret', 'secret@example.test')}</t:BccRecipients>"
    f"<t:From>{mailbox('Bob', 'bob@client.test')}</t:From>"
    "<t:InternetMessageId> &lt;m1@client.test&gt; </t:InternetMessageId><t:IsRead>false</t:IsRead>"
    "<t:References>&lt;r0@client.test&gt;&#xD;&#xA; &lt;m0@client.test&gt;</t:References>"
)


def read(fields: str, kind: str = "Message") -> MessageRecord:
    return message(Item(element(kind, fields)))


class TestMessages:
    def test_a_message_is_what_exchangelib_reads(self, account: exchangelib.Account) -> None:
        source = element("Message", MESSAGE)
        assert message(Item(source)) == theirs.message(source, account)

    def test_times_are_plain_datetimes_in_utc(self) -> None:
        record = read(MESSAGE)
        assert record.sent_at == datetime(2026, 3, 2, 7, tzinfo=UTC)
        assert type(record.sent_at) is datetime
        assert record.sent_at.tzinfo is UTC

    @pytest.mark.parametrize("odd", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+03:00"])
    def test_a_time_that_no_clock_can_show_is_none(self, odd: str) -> None:
        record = read(f"<t:DateTimeReceived>{odd}</t:DateTimeReceived><t:DateTimeSent>{odd}</t:DateTimeSent>")
        assert (record.sent_at, record.received_at) == (None, None)

    def test_a_plain_body_is_text(self) -> None:
        record = read('<t:Body BodyType="Text">Hello\nBob</t:Body>')
        assert (record.body_text, record.body_html) == ("Hello\nBob", "")

    def test_what_is_missing_is_empty(self) -> None:
        assert read("") == MessageRecord()

    @pytest.mark.parametrize("sensitivity", ["Personal", "Private", "Confidential"])
    def test_everything_but_normal_is_private(self, sensitivity: str) -> None:
        assert read(f"<t:Sensitivity>{sensitivity}</t:Sensitivity>").is_private

    def test_the_sender_stands_in_for_a_missing_from(self) -> None:
        (author,) = read(f"<t:Sender>{mailbox('Bob', 'bob@client.test')}</t:Sender>").participants
        assert author == Participant(Role.FROM, "bob@client.test", "Bob")

    def test_an_internal_author_has_the_address_that_the_item_carries(self) -> None:
        legacy = mailbox("Boris", "/O=OFFICE/OU=FIRST/CN=RECIPIENTS/CN=BORIS", "EX")
        smtp = tagged("0x5D01", "wrong@example.test") + tagged("0x5d02", "boris@example.test")
        (author,) = read(f"{smtp}<t:From>{legacy}</t:From>").participants
        assert author.address == "boris@example.test"

    def test_an_internal_address_without_another_is_kept(self) -> None:
        (author,) = read(f"<t:From>{mailbox('Boris', '/O=OFFICE/CN=BORIS', 'EX')}</t:From>").participants
        assert author.address == "/O=OFFICE/CN=BORIS"

    def test_an_smtp_address_is_not_replaced(self) -> None:
        (author,) = read(tagged("0x5d02", "other@x.test") + f"<t:From>{mailbox('B', 'b@x.test')}</t:From>").participants
        assert author.address == "b@x.test"

    def test_a_recipient_without_address_keeps_the_name(self) -> None:
        record = read("<t:ToRecipients><t:Mailbox><t:Name>Everybody</t:Name></t:Mailbox><t:Mailbox/></t:ToRecipients>")
        assert record.participants == (Participant(Role.TO, "", "Everybody"),)

    def test_an_in_reply_to_with_words_around_is_the_id(self) -> None:
        text = "Your message of Monday &lt;m0@client.test&gt;"
        assert read(f"<t:InReplyTo>{text}</t:InReplyTo>").in_reply_to == "<m0@client.test>"

    @pytest.mark.parametrize(
        ("name", "value", "is_bulk"),
        [
            ("List-Unsubscribe", "&lt;https://news.test/u&gt;", True),
            ("list-id", "&lt;news.test&gt;", True),
            ("Precedence", "Bulk", True),
            ("Precedence", "first-class", False),
            ("Auto-Submitted", "auto-replied; owner", True),
            ("Auto-Submitted", "no", False),
            ("X-Auto-Response-Suppress", "All", True),
            ("X-Auto-Response-Suppress", "DR, OOF, AutoReply", False),
            ("X-Mailer", "Outlook", False),
        ],
    )
    def test_headers_tell_bulk_mail(self, name: str, value: str, is_bulk: bool) -> None:
        header = f'<t:InternetMessageHeader HeaderName="{name}">{value}</t:InternetMessageHeader>'
        assert read(f"<t:InternetMessageHeaders>{header}</t:InternetMessageHeaders>").is_bulk is is_bulk

    @pytest.mark.parametrize(
        ("local_part", "is_bulk"),
        [
            ("noreply", True),
            ("No-Reply", True),
            ("do_not_reply", True),
            ("orders-noreply", True),
            ("news.no-reply", True),
            ("anoreply", False),
            ("noreplacement", False),
            ("bob", False),
        ],
    )
    def test_an_author_who_reads_no_answers_is_bulk(self, local_part: str, is_bulk: bool) -> None:
        assert read(f"<t:From>{mailbox('X', f'{local_part}@shop.test')}</t:From>").is_bulk is is_bulk

    def test_writing_to_such_an_address_is_not(self) -> None:
        assert not read(f"<t:ToRecipients>{mailbox('X', 'noreply@shop.test')}</t:ToRecipients>").is_bulk

    @pytest.mark.parametrize(
        ("kind", "item_class"),
        [
            ("MeetingRequest", "IPM.Schedule.Meeting.Request"),
            ("MeetingResponse", "IPM.Schedule.Meeting.Resp.Pos"),
            ("MeetingCancellation", "IPM.Schedule.Meeting.Canceled"),
            ("Message", "REPORT.IPM.Note.NDR"),
        ],
    )
    def test_invitations_and_reports_are_mail_of_their_class(self, kind: str, item_class: str) -> None:
        record = read(f"<t:ItemClass>{item_class}</t:ItemClass><t:Subject>Tasting</t:Subject>", kind)
        assert (record.item_class, record.subject) == (item_class, "Tasting")

    def test_a_date_that_is_none_reads_as_missing(self) -> None:
        source = etree.fromstring(f"<t:Message {NAMESPACES}><t:DateTimeSent>soon</t:DateTimeSent></t:Message>")
        assert message(Item(source)).sent_at is None


CONTACT = (
    '<t:ItemId Id="id1" ChangeKey="k1"/><t:Sensitivity>Normal</t:Sensitivity>'
    '<t:Body BodyType="Text">Likes blue cheese\n</t:Body><t:Categories><t:String>VIP</t:String></t:Categories>'
    "<t:FileAs>Орлова, Вера</t:FileAs><t:DisplayName>Вера Орлова</t:DisplayName><t:GivenName>Вера</t:GivenName>"
    "<t:MiddleName>Ильинична</t:MiddleName><t:CompanyName>Сырный дом</t:CompanyName><t:EmailAddresses>"
    '<t:Entry Key="EmailAddress1" Name="Vera" RoutingType="SMTP">vera@client.test</t:Entry>'
    '<t:Entry Key="EmailAddress3">v@home.test</t:Entry></t:EmailAddresses><t:PhysicalAddresses>'
    '<t:Entry Key="Business"><t:Street>Main 1</t:Street><t:City>Tver</t:City><t:State>Tver region</t:State>'
    "<t:CountryOrRegion>Russia</t:CountryOrRegion><t:PostalCode>170000</t:PostalCode></t:Entry>"
    '<t:Entry Key="Home"/></t:PhysicalAddresses><t:PhoneNumbers><t:Entry Key="BusinessPhone">+7 1</t:Entry>'
    '<t:Entry Key="MobilePhone">+7 2</t:Entry><t:Entry Key="BusinessPhone2">+7 3</t:Entry>'
    '<t:Entry Key="HomeFax"/></t:PhoneNumbers><t:Birthday>1980-05-02T21:00:00Z</t:Birthday>'
    "<t:BusinessHomePage>https://client.test</t:BusinessHomePage><t:Department>Закупки</t:Department>"
    "<t:JobTitle>Товаровед</t:JobTitle><t:Surname>Орлова</t:Surname>"
)


class TestContacts:
    def test_a_contact_is_what_exchangelib_reads(self, account: exchangelib.Account) -> None:
        source = element("Contact", CONTACT)
        assert contact(Item(source)) == theirs.contact(source, account)

    def test_labels_and_details(self) -> None:
        record = contact(Item(element("Contact", CONTACT)))
        assert record.emails == (
            LabelledAddress("1", "vera@client.test", "Vera"),
            LabelledAddress("3", "v@home.test"),
        )
        assert record.phones == (Phone("business", "+7 1"), Phone("business_2", "+7 3"), Phone("mobile", "+7 2"))
        assert record.birthday == date(1980, 5, 3)

    def test_phone_labels_are_words_and_distinct(self) -> None:
        labels = {key: phone_label(key) for key in PHONES}
        assert len(set(labels.values())) == len(PHONES)
        assert labels["BusinessFax"] == "business_fax"
        assert labels["OtherTelephone"] == "other"
        assert labels["CompanyMainPhone"] == "company_main"
        assert labels["TtyTddPhone"] == "tty_tdd"

    @pytest.mark.parametrize(
        ("text", "day"),
        [
            ("1980-05-03T00:00:00Z", date(1980, 5, 3)),
            ("1980-05-03T11:59:00Z", date(1980, 5, 3)),
            ("1980-05-02T20:00:00Z", date(1980, 5, 3)),  # Moscow in summer
            ("1980-05-03T05:00:00Z", date(1980, 5, 3)),  # New York
            ("1980-05-03T00:00:00+03:00", date(1980, 5, 3)),
            ("1980-05-03T00:00:00", date(1980, 5, 3)),
            ("1980-05-03", date(1980, 5, 3)),
            ("", None),
            ("0000-00-00T00:00:00Z", None),
        ],
    )
    def test_a_birthday_is_a_date_in_whatever_zone_it_was_saved(self, text: str, day: date | None) -> None:
        assert elements.day(text) == day

    def test_an_address_book_entry_has_the_address_that_the_item_carries(self) -> None:
        original = (
            '<t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId="Address" PropertyId="32900"'
            ' PropertyType="String"/><t:Value>boris@example.test</t:Value></t:ExtendedProperty>'
        )
        entry = '<t:Entry Key="EmailAddress1" RoutingType="EX">/o=Office/cn=boris</t:Entry>'
        record = contact(Item(element("Contact", f"{original}<t:EmailAddresses>{entry}</t:EmailAddresses>")))
        assert record.emails == (LabelledAddress("1", "boris@example.test"),)

    def test_a_contact_filed_under_a_name_alone_has_it(self) -> None:
        assert contact(Item(element("Contact", "<t:FileAs>Дом сыра</t:FileAs>"))).display_name == "Дом сыра"


def attendee(name: str, address: str, answer: str) -> str:
    """An Attendee element."""
    return f"<t:Attendee>{mailbox(name, address)}<t:ResponseType>{answer}</t:ResponseType></t:Attendee>"


MEETING = (
    '<t:ItemId Id="id1" ChangeKey="k1"/><t:Subject>Дегустация</t:Subject><t:Sensitivity>Normal</t:Sensitivity>'
    '<t:Body BodyType="Text">Bring bread</t:Body><t:Categories><t:String>Клиент</t:String></t:Categories>'
    "<t:UID>uid-1</t:UID><t:Start>2026-03-02T06:00:00Z</t:Start><t:End>2026-03-02T07:00:00Z</t:End>"
    "<t:IsAllDayEvent>false</t:IsAllDayEvent><t:Location>Зал 1</t:Location><t:IsMeeting>true</t:IsMeeting>"
    "<t:IsCancelled>false</t:IsCancelled><t:CalendarItemType>Single</t:CalendarItemType>"
    f"<t:MyResponseType>Accept</t:MyResponseType><t:Organizer>{mailbox('Bob', 'bob@client.test')}</t:Organizer>"
    f"<t:RequiredAttendees>{attendee('Anna', 'anna@example.test', 'Accept')}"
    f"{attendee('Vera', 'vera@client.test', 'Decline')}</t:RequiredAttendees>"
    f"<t:OptionalAttendees>{attendee('Ivan', 'ivan@client.test', 'Tentative')}</t:OptionalAttendees>"
    f"<t:Resources>{attendee('Room', 'room@example.test', 'NoResponseReceived')}</t:Resources>"
    '<t:StartTimeZone Id="Russian Standard Time" Name="(UTC+03:00) Moscow"/>'
)


class TestMeetings:
    def test_a_meeting_is_what_exchangelib_reads(self, account: exchangelib.Account) -> None:
        source = element("CalendarItem", MEETING)
        assert meeting(Item(source)) == theirs.meeting(source, account)

    def test_roles_and_answers(self) -> None:
        record = meeting(Item(element("CalendarItem", MEETING)))
        assert [(each.role, each.response) for each in record.participants] == [
            (Role.ORGANIZER, Response.ORGANIZER),
            (Role.REQUIRED, Response.ACCEPTED),
            (Role.REQUIRED, Response.DECLINED),
            (Role.OPTIONAL, Response.TENTATIVE),
            (Role.RESOURCE, Response.UNKNOWN),
        ]
        assert record.my_response is Response.ACCEPTED
        assert not record.is_organizer
        assert record.kind is MeetingKind.SINGLE
        assert record.zone == "Russian Standard Time"
        assert record.start_date is record.end_date is None

    def test_an_all_day_event_has_the_dates_of_its_own_zone(self) -> None:
        record = meeting(
            Item(
                element(
                    "CalendarItem",
                    "<t:Start>2026-03-01T21:00:00Z</t:Start><t:End>2026-03-03T21:00:00Z</t:End>"
                    "<t:IsAllDayEvent>true</t:IsAllDayEvent>"
                    '<t:StartTimeZone Id="Russian Standard Time"/>',
                )
            )
        )
        assert (record.start_date, record.end_date) == (date(2026, 3, 2), date(2026, 3, 4))

    @pytest.mark.parametrize("start", ["2026-03-01T21:00:00Z", "2026-03-02T00:00:00Z", "2026-03-02T08:00:00Z"])
    def test_an_all_day_event_of_an_unknown_zone_has_the_nearest_date(self, start: str) -> None:
        record = meeting(
            Item(
                element(
                    "CalendarItem",
                    f"<t:Start>{start}</t:Start><t:IsAllDayEvent>true</t:IsAllDayEvent>"
                    '<t:StartTimeZone Id="Customized Time Zone"/>',
                )
            )
        )
        assert record.start_date == date(2026, 3, 2)

    def test_an_exception_tells_where_it_belongs(self) -> None:
        record = meeting(
            Item(
                element(
                    "CalendarItem",
                    "<t:UID>uid-1</t:UID><t:OriginalStart>2026-03-09T06:00:00Z</t:OriginalStart>"
                    "<t:CalendarItemType>Exception</t:CalendarItemType><t:MyResponseType>Organizer</t:MyResponseType>",
                )
            )
        )
        assert record.kind is MeetingKind.EXCEPTION
        assert record.original_start == datetime(2026, 3, 9, 6, tzinfo=UTC)
        assert record.is_organizer
