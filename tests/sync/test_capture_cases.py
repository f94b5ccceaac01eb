"""What is captured of a mailbox, case by case: modes, detail, categories, folders (S1, S5, S6, S8, Y4)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from terracrm.domain import folders
from terracrm.domain.addresses import DomainPolicy
from terracrm.domain.capture import (
    CaptureRules,
    Detail,
    Known,
    Mode,
    decide,
    has_category,
    hashed,
    message_hash,
)
from terracrm.domain.records import (
    AttachmentInfo,
    ContactRecord,
    Folder,
    MeetingRecord,
    Participant,
    Record,
    Role,
    StreamKind,
)
from terracrm.models import (
    Activity,
    Base,
    Contact,
    Link,
    Mailbox,
    Message,
    MessageAttachment,
    MessageBody,
    SkippedAddress,
    SkippedItem,
    Stream,
    utcnow,
)
from terracrm.services import known
from tests.sync.conftest import Office
from tests.sync.items import contact, mail, meeting

# What one database is enough for.
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
POLICY = DomainPolicy.of(["office.test"], ["mail.ru"])
KNOWN = Known(people=frozenset({"olga@lavka.example"}), sent=frozenset({"offer@office.test"}))
FROM_US = {"sender": "anna@office.test", "to": "petr@opt.example"}
FROM_COLLEAGUE = {"sender": "boris@office.test", "to": "petr@opt.example,anna@office.test"}
FROM_STRANGER = {"sender": "petr@opt.example"}
INTERNAL = {"sender": "boris@office.test"}
ANSWER = {"sender": "petr@opt.example", "in_reply_to": "<offer@office.test>"}
LATER = {"sender": "petr@opt.example", "references": ("<first@x>", "<offer@office.test>", "<last@x>")}
OTHER_ANSWER = {"sender": "petr@opt.example", "in_reply_to": "<other@x>"}
TAGGED = {"categories": ("Red", "terracrm ")}
# name: (mode, what is special about the mail, the rule, whether it takes the mail in)
CASES: dict[str, tuple[str, dict[str, object], str, bool]] = {
    "all: a stranger's mail": ("all", FROM_STRANGER, "mail", True),
    "all: our own mail": ("all", FROM_US, "mail", True),
    "all: mail that names nobody": ("all", {"sender": "", "to": ""}, "mail", True),
    "all: internal mail": ("all", INTERNAL, "internal_only", False),
    "all: internal mail with the category": ("all", INTERNAL | TAGGED, "internal_only", False),
    "all: a draft": ("all", {"is_draft": True}, "draft", False),
    "all: a draft with the category": ("all", TAGGED | {"is_draft": True}, "draft", False),
    "all: private": ("all", {"is_private": True}, "private", False),
    "all: private with the category": ("all", TAGGED | {"is_private": True}, "private", False),
    "all: with the category it is not there for the category alone": ("all", TAGGED, "mail", True),
    "known: from a contact": ("known", {}, "known_people", True),
    "known: from a contact written in capitals": ("known", {"sender": "OLGA@Lavka.Example"}, "known_people", True),
    "known: to a contact among strangers": (
        "known", {"sender": "petr@opt.example", "to": "anna@office.test,olga@lavka.example"}, "known_people", True,
    ),
    "known: to strangers": ("known", FROM_US, "unknown_people", False),
    "known: from a stranger": ("known", FROM_STRANGER, "unknown_people", False),
    "known: an answer of a stranger": ("known", ANSWER, "unknown_people", False),
    "known: of nobody": ("known", {"sender": "", "to": ""}, "unknown_people", False),
    "known: from a stranger with the category": ("known", FROM_STRANGER | TAGGED, "tracked", True),
    "known: from a contact with the category": ("known", TAGGED, "known_people", True),
    "replies: our own mail": ("replies", FROM_US, "sent", True),
    "replies: a colleague's mail": ("replies", FROM_COLLEAGUE, "sent", True),
    "replies: an answer to us": ("replies", ANSWER, "reply", True),
    "replies: an answer further down": ("replies", LATER, "reply", True),
    "replies: an answer to somebody else": ("replies", OTHER_ANSWER, "not_a_reply", False),
    "replies: a first mail of a contact": ("replies", {}, "not_a_reply", False),
    "replies: internal mail": ("replies", INTERNAL, "internal_only", False),
    "replies: mail known to be sent by us": ("replies", {"message_id": "offer@office.test"}, "sent", True),
    "replies: a first mail with the category": ("replies", TAGGED, "tracked", True),
    "category: without it": ("category", {}, "not_tracked", False),
    "category: with another one": ("category", {"categories": ("Red",)}, "not_tracked", False),
    "category: with it": ("category", TAGGED, "tracked", True),
    "category: our own mail without it": ("category", FROM_US, "not_tracked", False),
    "none: a contact's mail": ("none", {}, "capture_off", False),
    "none: an answer to us": ("none", ANSWER, "capture_off", False),
    "none: with the category": ("none", TAGGED, "tracked", True),
    "none: private with the category": ("none", TAGGED | {"is_private": True}, "private", False),
}  # fmt: skip


def rules(mode: str = "all", **values: object) -> CaptureRules:
    """The rules of Anna's inbox."""
    made = CaptureRules(mode=Mode(mode), tracking_category="TerraCRM", policy=POLICY, address="anna@office.test")
    return replace(made, **values)


@pytest.mark.parametrize("name", list(CASES))
def test_what_a_mode_captures(name: str) -> None:
    mode, changes, rule, is_taken = CASES[name]
    decision = decide(mail(**changes), rules(mode), KNOWN)
    assert (decision.rule, decision.is_taken) == (rule, is_taken)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("name", list(CASES))
def test_detail_changes_nothing_about_what_is_captured(name: str, mode: Mode) -> None:
    record = mail(**CASES[name][1])
    full = decide(record, rules(mode), KNOWN)
    headers = decide(record, rules(mode, detail=Detail.HEADERS), KNOWN)
    assert (full.rule, full.is_taken, full.waits_for) == (headers.rule, headers.is_taken, headers.waits_for)
    assert not headers.is_taken or headers.detail is Detail.HEADERS


@pytest.mark.parametrize("record", [mail(), contact(), meeting()], ids=["mail", "contact", "meeting"])
@pytest.mark.parametrize(
    ("categories", "rule", "is_taken"),
    [
        ((), "other_category", False),
        (("Red",), "other_category", False),
        ((" CLIENTS",), "", True),
        (("Red", "terracrm"), "tracked", True),
    ],
)
def test_a_stream_may_want_a_category(
    record: MeetingRecord | ContactRecord, categories: tuple[str, ...], rule: str, is_taken: bool
) -> None:
    decision = decide(replace(record, categories=categories), rules(only_category="Clients"), KNOWN)
    assert decision.is_taken == is_taken
    assert decision.rule == (rule or ("mail" if record == mail() else ""))


def test_without_a_tracking_category_no_category_tracks() -> None:
    assert not decide(mail(categories=("", " ")), rules("none", tracking_category=""), KNOWN).is_taken
    assert not has_category(["", "  "], " ")


def test_a_mail_that_was_left_out_says_what_it_waits_for() -> None:
    stranger = decide(mail(sender="ivan@spb.opt.example", to="anna@office.test,who@mail.ru"), rules("known"), KNOWN)
    assert stranger.waits_for == {"ivan@spb.opt.example", "@opt.example", "who@mail.ru"}
    answer = decide(mail("Ответ", **OTHER_ANSWER), rules("replies"), KNOWN)
    assert answer.waits_for == {"<Ответ@test>", "<other@x>"}
    assert decide(mail(), rules("category"), KNOWN).waits_for == frozenset()


def test_mail_in_sent_items_is_ours_whoever_it_names() -> None:
    foreign = mail(sender="anna.private@mail.ru", to="petr@opt.example")
    assert decide(foreign, rules("replies", in_sent_items=True), KNOWN).rule == "sent"
    assert decide(foreign, rules("replies"), KNOWN).rule == "not_a_reply"


# Folders


def folder(path: str, well_known: str = "") -> Folder:
    """A mail folder."""
    return Folder(path, path, StreamKind.MAIL, well_known)


HERE = [
    folder("Входящие", "inbox"),
    folder("Входящие/Клиенты"),
    folder("Входящие/Клиенты/Лавка"),
    folder("Входящие/Клиенты2"),
    folder("Отправленные", "sentitems"),
    folder("Нежелательная почта", "junkemail"),
    folder("Archive", "archive"),
]
ALL = {each.path for each in HERE}


@pytest.mark.parametrize(
    ("include", "exclude", "mirrored"),
    [
        ([], [], ALL),
        (["Входящие/Клиенты"], [], {"Входящие/Клиенты", "Входящие/Клиенты/Лавка"}),
        (["входящие/КЛИЕНТЫ/"], [], {"Входящие/Клиенты", "Входящие/Клиенты/Лавка"}),
        (["Inbox/Клиенты", "Sent Items"], [], {"Входящие/Клиенты", "Входящие/Клиенты/Лавка", "Отправленные"}),
        (["Inbox"], ["Входящие/Клиенты"], {"Входящие", "Входящие/Клиенты2"}),
        ([], ["Junk Email", "/ inbox /"], {"Отправленные", "Archive"}),
        ([], ["archive", "Нет такой", " "], ALL - {"Archive"}),
        (["Нет такой"], [], set()),
    ],
)
def test_folders_are_chosen_by_their_paths(include: list[str], exclude: list[str], mirrored: set[str]) -> None:
    assert ALL - folders.excluded(HERE, include, exclude) == mirrored


# In the mirror


@dataclass
class Mirror:
    """Anna's mailbox under some rules, and Boris' under the settings'."""

    office: Office

    def rule(self, name: str = "anna", stream: dict[str, object] | None = None, **values: str) -> None:
        """Give a mailbox rules of its own, or its mail stream."""
        with self.office.sessions.begin() as session:
            mailbox = session.scalars(select(Mailbox).where(Mailbox.address == f"{name}@office.test")).one()
            for field, value in values.items():
                setattr(mailbox, field, value)
            for field, chosen in (stream or {}).items():
                setattr(next(s for s in mailbox.streams if s.kind == "mail"), field, chosen)

    def put(self, path: str, record: Record, name: str = "anna") -> str:
        """An item in a folder."""
        return self.office.server.put(self.office.folder(name, path), record)

    def subjects(self) -> set[str]:
        """Of the mail that is here."""
        with self.office.sessions() as session:
            return set(session.scalars(select(Activity.subject).where(Activity.kind == "mail")))

    def skipped(self) -> list[str]:
        """The rules that left items out."""
        with self.office.sessions() as session:
            return sorted(session.scalars(select(SkippedItem.rule)))


@pytest.fixture
def mirror(office: Office) -> Mirror:
    """The office's mailboxes, with a way to set their rules."""
    return Mirror(office)


def test_a_skipped_item_is_one_row_that_goes_with_the_item(mirror: Mirror, session: Session) -> None:
    mirror.rule(capture="category")
    record = mail("Цены", message_id="<a@b>")
    item = mirror.put("Inbox", record)
    mirror.office.run("anna", "mail")
    mirror.office.server.change(item, replace(record, is_read=False))
    mirror.office.run("anna", "mail")
    found = session.scalars(select(SkippedItem)).one()
    assert (found.rule, found.remote_id, found.message_hash) == ("not_tracked", item, message_hash("a@b"))
    mirror.office.server.set_read(item, True)
    mirror.office.run("anna", "mail")
    assert mirror.skipped() == ["not_tracked"]
    mirror.office.server.delete(item)
    mirror.office.run("anna", "mail")
    assert mirror.skipped() == []


def test_a_private_item_leaves_nothing_but_a_hash(mirror: Mirror, session: Session) -> None:
    mirror.rule(capture="known")
    mirror.put("Inbox", mail("Тайна", message_id="<тайна@b>", sender="тайный@опт.рф", is_private=True))
    mirror.office.run("anna", "mail")
    assert session.scalars(select(SkippedItem.message_hash)).all() == [message_hash("<тайна@b>")]
    assert session.scalars(select(SkippedAddress)).all() == []


@SQLITE
def test_a_mail_made_private_is_skipped_from_then_on(mirror: Mirror) -> None:
    item = mirror.put("Inbox", mail())
    mirror.office.run("anna", "mail")
    mirror.office.server.change(item, mail(is_private=True))
    mirror.office.run("anna", "mail")
    assert (mirror.subjects(), mirror.skipped()) == (set(), ["private"])
    mirror.office.server.change(item, mail())
    mirror.office.run("anna", "mail")
    assert (mirror.subjects(), mirror.skipped()) == ({"Цены"}, [])


@SQLITE
@pytest.mark.parametrize("order", list(permutations(["anna contacts", "anna mail", "boris contacts"])))
def test_mail_of_people_who_become_known_comes_in_whatever_the_order(mirror: Mirror, order: tuple[str, ...]) -> None:
    mirror.rule(capture="known")
    mirror.put("Contacts", contact())
    mirror.put("Contacts", contact("Пётр", "petr@opt.example", company_name="Опт"), "boris")
    for sender in ("olga@lavka.example", "petr@opt.example", "colleague@spb.opt.example", "who@mail.ru"):
        mirror.put("Inbox", mail(sender, sender))
    for step in order:
        mirror.office.run(*step.split())
    mirror.office.run("anna", "mail")
    assert mirror.subjects() == {"olga@lavka.example", "petr@opt.example", "colleague@spb.opt.example"}
    assert mirror.skipped() == ["unknown_people"]


def test_a_stream_whose_skipped_mail_may_come_in_is_due_at_once(mirror: Mirror, session: Session) -> None:
    mirror.rule(capture="known")
    mirror.put("Inbox", mail())
    mirror.office.run("anna", "mail")
    stream = session.scalars(
        select(Stream).join(Mailbox).where(Mailbox.address == "anna@office.test", Stream.kind == "mail")
    )
    assert stream.one().due_at > utcnow()
    mirror.put("Contacts", contact(), "boris")
    mirror.office.run("boris", "contacts")
    session.expire_all()
    due = session.scalars(
        select(Stream.id).where(Stream.due_at <= utcnow(), Stream.kind == "mail", Stream.last_run_at.is_not(None))
    )
    assert len(due.all()) == 1


@SQLITE
@pytest.mark.parametrize("order", [("anna", "boris"), ("boris", "anna"), ("anna", "boris", "anna")])
@pytest.mark.parametrize("sent_by", ["anna", "boris"])
def test_replies_come_in_whatever_the_order(mirror: Mirror, order: tuple[str, ...], sent_by: str) -> None:
    mirror.rule(capture="replies")
    mirror.put("Inbox", mail("Вопрос", "petr@opt.example"))
    answer = mail("Ответ", "petr@opt.example", in_reply_to="<Предложение@test>")
    mirror.put("Inbox", answer)
    mirror.put("Inbox", mail("Ещё", "petr@opt.example", references=("<Предложение@test>", "<Ответ@test>")))
    mirror.put("Sent Items", mail("Предложение", f"{sent_by}@office.test", "petr@opt.example"), sent_by)
    for name in order:
        mirror.office.run(name, "mail")
    mirror.office.run("anna", "mail")
    assert mirror.subjects() == {"Предложение", "Ответ", "Ещё"}
    assert mirror.skipped() == ["not_a_reply"]


def test_a_reply_to_mail_that_lies_in_a_later_folder_comes_in_with_the_same_run(mirror: Mirror) -> None:
    mirror.rule(capture="replies")
    mirror.put("Inbox", mail("Ответ", "petr@opt.example", in_reply_to="<Предложение@test>"))
    mirror.put("Sent Items", mail("Предложение", "anna@office.test", "petr@opt.example"))
    mirror.office.run("anna", "mail")
    assert mirror.subjects() == {"Предложение", "Ответ"}


def test_a_page_that_fails_stores_what_its_other_items_wait_for(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.rule(capture="replies")
    mirror.put("Sent Items", mail("Предложение", "anna@office.test", "petr@opt.example"))
    mirror.put("Sent Items", replace(mail("Больное", "anna@office.test", "petr@opt.example"), importance="x" * 5000))
    mirror.put("Sent Items", mail("Ответ", "petr@opt.example", in_reply_to="<Предложение@test>"))
    mirror.office.run("anna", "mail")
    assert {"Предложение", "Ответ"} <= mirror.subjects()


@SQLITE
@pytest.mark.parametrize("mode", ["category", "none", "known", "replies"])
def test_the_tracking_category_tracks_an_item_and_removing_it_untracks_it(
    mirror: Mirror, session: Session, mode: str
) -> None:
    mirror.rule(capture=mode)
    record = mail("Цены", "petr@opt.example")
    item = mirror.put("Inbox", record)
    mirror.office.run("anna", "mail")
    assert mirror.subjects() == set()
    mirror.office.server.change(item, replace(record, categories=("terracrm",)))
    mirror.office.run("anna", "mail")
    assert (mirror.subjects(), mirror.skipped()) == ({"Цены"}, [])
    assert session.scalars(select(Link.rule)).all() == ["tracked"]
    mirror.office.server.change(item, replace(record, categories=()))
    assert mirror.office.run("anna", "mail").counts.updated == 1
    assert mirror.subjects() == {"Цены"}
    session.expire_all()
    assert session.scalars(select(Link)).one().untracked_at is not None
    mirror.office.server.set_read(item, False)
    assert mirror.office.run("anna", "mail").counts.updated == 0
    mirror.office.server.change(item, replace(record, categories=("TERRACRM ",)))
    mirror.office.run("anna", "mail")
    session.expire_all()
    assert session.scalars(select(Link)).one().untracked_at is None


@SQLITE
def test_removing_the_category_of_mail_that_is_here_anyway_changes_nothing(mirror: Mirror, session: Session) -> None:
    item = mirror.put("Inbox", mail(categories=("TerraCRM",)))
    mirror.office.run("anna", "mail")
    mirror.office.server.change(item, mail())
    mirror.office.run("anna", "mail")
    assert session.scalars(select(Link.untracked_at)).all() == [None]


@SQLITE
def test_an_untracked_item_that_becomes_private_is_withdrawn(mirror: Mirror) -> None:
    mirror.rule(capture="none")
    item = mirror.put("Inbox", mail(categories=("TerraCRM",)))
    for record in (mail(), mail(is_private=True)):
        mirror.office.run("anna", "mail")
        mirror.office.server.change(item, record)
    mirror.office.run("anna", "mail")
    assert (mirror.subjects(), mirror.skipped()) == (set(), ["private"])


@SQLITE
def test_an_untracked_item_stays_untracked_when_its_folder_is_read_anew(mirror: Mirror, session: Session) -> None:
    mirror.rule(capture="none")
    item = mirror.put("Inbox", mail(categories=("TerraCRM",)))
    mirror.office.run("anna", "mail")
    mirror.office.server.change(item, mail())
    mirror.office.run("anna", "mail")
    mirror.office.server.expire_cursors()
    mirror.office.run("anna", "mail")
    link = session.scalars(select(Link)).one()
    assert link.untracked_at is not None
    assert link.gone_at is None


def test_an_entry_of_a_contacts_stream_with_a_category_is_followed_while_it_carries_it(
    mirror: Mirror, session: Session
) -> None:
    with mirror.office.sessions.begin() as opened:
        for stream in opened.scalars(select(Stream).where(Stream.kind == "contacts")):
            stream.only_category = "Клиенты"
    mirror.put("Contacts", contact("Друг", "drug@mail.ru"))
    item = mirror.put("Contacts", contact(categories=("клиенты",)))
    mirror.office.run("anna", "contacts")
    mirror.office.server.change(item, contact(job_title="Никто"))
    mirror.office.run("anna", "contacts")
    assert [person.job_title for person in session.scalars(select(Contact))] == [""]
    mirror.office.server.change(item, contact(job_title="Директор", categories=("Клиенты",)))
    mirror.office.run("anna", "contacts")
    session.expire_all()
    assert [person.job_title for person in session.scalars(select(Contact))] == ["Директор"]
    assert mirror.skipped() == ["other_category"]


# Detail


def texts(session: Session) -> str:
    """All that any table says, the search included."""
    names = [table.name for table in Base.metadata.sorted_tables] + ["activity_search"]
    rows = [row for name in names for row in session.execute(text(f"SELECT * FROM {name}"))]
    return " ".join(map(str, rows)).casefold()


def secret(**changes: object) -> Record:
    """A mail whose every word of content can be looked for."""
    return mail(
        "Тайнопись",
        message_id="<m1@b>",
        to="anna@office.test,boris@office.test",
        body_text="тайнопись внутри",
        unique_text="тайнопись",
        attachments=(AttachmentInfo("a", "тайнопись.pdf"),),
        **changes,
    )


def test_of_a_mail_in_headers_who_when_and_in_which_conversation_is_kept(mirror: Mirror, session: Session) -> None:
    mirror.rule(detail="headers")
    mirror.put("Contacts", contact())
    mirror.put("Inbox", secret())
    mirror.office.run("anna", "contacts")
    mirror.office.run("anna", "mail")
    assert "тайноп" not in texts(session)
    entry = session.scalars(select(Activity)).one()
    assert (entry.direction, entry.is_matched, entry.has_attachments) == ("in", True, False)
    message = session.scalars(select(Message)).one()
    assert (message.detail, message.message_id) == ("headers", "<m1@b>")
    assert session.scalars(select(MessageBody)).all() == []


@pytest.mark.parametrize("order", list(permutations(["anna", "boris"])))
def test_a_mail_is_kept_in_full_when_one_mailbox_that_holds_it_says_so(
    mirror: Mirror, session: Session, order: tuple[str, ...]
) -> None:
    mirror.rule(detail="headers")
    mirror.put("Inbox", secret())
    mirror.put("Inbox", secret(), "boris")
    for name in order:
        mirror.office.run(name, "mail")
    entry = session.scalars(select(Activity)).one()
    assert (entry.subject, entry.snippet, entry.has_attachments) == ("Тайнопись", "тайнопись", True)
    assert session.scalars(select(MessageAttachment.name)).all() == ["тайнопись.pdf"]
    assert session.scalars(select(Message.detail)).all() == ["full"]
    assert session.execute(text("SELECT count(*) FROM activity_search")).scalar() == 1


@pytest.mark.parametrize("order", list(permutations(["anna", "boris"])))
def test_when_the_full_copy_becomes_private_only_the_headers_stay(
    mirror: Mirror, session: Session, order: tuple[str, ...]
) -> None:
    mirror.rule(detail="headers")
    mirror.put("Inbox", secret())
    item = mirror.put("Inbox", secret(), "boris")
    for name in order:
        mirror.office.run(name, "mail")
    mirror.office.server.change(item, secret(is_private=True))
    mirror.office.run("boris", "mail")
    assert "тайноп" not in texts(session)
    assert session.scalars(select(Message.detail)).all() == ["headers"]


def test_what_people_wait_for_is_kept_as_hashes_only(mirror: Mirror, session: Session) -> None:
    mirror.rule(capture="known")
    people = (Participant(Role.FROM, "tajnopis@opt.example", "Тайнопись"), Participant(Role.TO, "anna@office.test"))
    mirror.put("Inbox", mail("Тайнопись", participants=people))
    mirror.office.run("anna", "mail")
    said = texts(session)
    assert "тайноп" not in said
    assert "tajnopis" not in said
    assert hashed("tajnopis@opt.example") in session.scalars(select(SkippedAddress.address_hash)).all()


@pytest.mark.parametrize(("mode", "kind"), [("known", "contacts"), ("replies", "mail")])
def test_what_becomes_known_while_mail_is_left_out_for_not_knowing_is_never_missed(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, mode: str, kind: str
) -> None:
    mirror.office.settings.mirror.create_contacts = "off"
    mirror.rule(capture=mode)
    mirror.put("Contacts", contact("Пётр", "petr@opt.example"), "boris")
    mirror.put("Sent Items", mail("Предложение", "boris@office.test", "petr@opt.example"), "boris")
    mirror.put("Inbox", mail("Ответ", "petr@opt.example", in_reply_to="<Предложение@test>"))
    meanwhile = threading.Thread(target=mirror.office.run, args=("boris", kind))
    lookup = known.lookup

    def slowly(*args: Any) -> Known:
        found = lookup(*args)
        if not meanwhile.ident:
            meanwhile.start()
            meanwhile.join(0.7)  # it either waits for this page, or comes too early
        return found

    monkeypatch.setattr(known, "lookup", slowly)
    mirror.office.run("anna", "mail")
    meanwhile.join(60)
    mirror.office.run("anna", "mail")
    assert "Ответ" in mirror.subjects()
    assert mirror.skipped() == []
