"""What makes nobody a contact: mail of machines and lists, told by headers, class and address (S7)."""

from __future__ import annotations

import pytest

from terracrm.domain.addresses import is_no_reply
from terracrm.domain.automatic import is_automatic

MACHINES = {
    "a newsletter": [("List-Unsubscribe", "<mailto:u@news.example>")],
    "a newsletter of one click": [("List-Unsubscribe-Post", "x"), ("LIST-UNSUBSCRIBE", "<https://n.example>")],
    "a mailing list": [("List-Id", "Talk <talk.lists.example>")],
    "a list without an id": [("List-Post", "<mailto:talk@lists.example>")],
    "bulk": [("Precedence", " Bulk ")],
    "an old answering machine": [("X-Precedence", "auto_reply")],
    "a vacation answer": [("Auto-Submitted", "auto-replied (vacation)")],
    "a ticket system": [("Auto-Submitted", "auto-generated; owner-email=x")],
    "an answer of Gmail": [("X-Autoreply", "yes")],
    "an answer of cPanel": [("X-Autorespond", "Re: order")],
    "an answer of Exchange": [("X-Auto-Response-Suppress", "All")],
    "a campaign": [("Feedback-ID", "1:campaign:mailer")],
    "a bounce of Gmail": [("X-Failed-Recipients", "who@nowhere.example")],
    "a bounce": [("Return-Path", "<>")],
    "a delivery report": [("Content-Type", 'multipart/report; report-type=delivery-status; boundary="x"')],
    "a receipt": [("Content-Type", "message/disposition-notification")],
}
PEOPLE = {
    "no headers at all": [],
    "ordinary mail": [("Content-Type", "multipart/alternative"), ("X-Mailer", "Microsoft Outlook 16.0")],
    "first class": [("Precedence", "first-class")],
    "said to be no machine": [("Auto-Submitted", "no"), ("X-Autoreply", "No")],
    "a company that wants no answers": [("X-Auto-Response-Suppress", "DR, OOF, AutoReply")],
    "a return path": [("Return-Path", "<olga@lavka.example>")],
    "an empty header": [("Auto-Submitted", "")],
}


@pytest.mark.parametrize("headers", MACHINES.values(), ids=MACHINES)
def test_headers_tell_a_machine(headers: list[tuple[str, str]]) -> None:
    assert is_automatic(headers, "IPM.Note", "olga@lavka.example")


@pytest.mark.parametrize("headers", PEOPLE.values(), ids=PEOPLE)
def test_headers_of_people_do_not(headers: list[tuple[str, str]]) -> None:
    assert not is_automatic(headers, "IPM.Note", "olga@lavka.example")


@pytest.mark.parametrize(
    ("item_class", "expected"),
    [
        ("IPM.Note", False),
        ("IPM.Note.SMIME", False),
        ("IPM.Schedule.Meeting.Request", False),
        ("IPM.Schedule.Meeting.Resp.Pos", True),
        ("IPM.Schedule.Meeting.Canceled", True),
        ("IPM.Note.Rules.OofTemplate.Microsoft", True),
        ("IPM.Note.Rules.ReplyTemplate.Microsoft", True),
        ("REPORT.IPM.Note.NDR", True),
        ("Report.IPM.NOTE.IPNRN", True),
        ("IPM.Post.RSS", True),
        ("", False),
    ],
)
def test_the_class_of_the_item_tells_what_exchange_wrote(item_class: str, expected: bool) -> None:
    assert is_automatic([], item_class, "olga@lavka.example") is expected


ROBOTS = {
    "nobody reads it": "noreply no-reply no.reply no_reply+7 noreply-shop orders-noreply do-not-reply shop.donotreply",
    "mail servers": "mailer-daemon mailerdaemon postmaster bounce bounces+x=y",
    "machines": "notification notifications-7 notify notifier newsletter robot autoreply auto-reply auto-confirm",
    "lists": "listserv majordomo mailman owner-talk talk-request talk-bounces talk-unsubscribe",
}
PERSONS = "olga norma post nora.reply owner info sales reply anoreply noreplacement robotov notary request list"


@pytest.mark.parametrize("name", " ".join(ROBOTS.values()).split())
def test_addresses_without_a_person_are_known(name: str) -> None:
    assert is_no_reply(f"{name}@shop.example")
    assert is_automatic([], "IPM.Note", f"{name.upper()}@Shop.Example")


@pytest.mark.parametrize("name", PERSONS.split())
def test_people_are_not_taken_for_robots(name: str) -> None:
    assert not is_no_reply(f"{name}@shop.example")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("talk@lists.apache.example", True),
        ("talk@list.opt.example", True),
        ("talk@googlegroups.com", True),
        ("olga@list.ru", False),
        ("olga@lists.example", False),
        ("", False),
    ],
)
def test_addresses_of_mailing_lists_are_known_by_their_host(address: str, expected: bool) -> None:
    assert is_no_reply(address) is expected
