"""A change of rules applies to what is here: previewed, then done, and the next run reads the rest (S6, S8, Y1)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from itertools import permutations

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from terracrm.domain.mailbox_rules import Rules, StreamRules
from terracrm.errors import InvalidInput
from terracrm.models import Activity, AuditEntry, Base, Contact, Link, Mailbox, Message, SkippedItem, Stream, utcnow
from terracrm.services import capture_rules
from terracrm.services.rule_effects import Preview
from tests.sync.conftest import Office
from tests.sync.items import contact, mail, meeting

# What one database is enough for.
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def rules_of(office: Office, name: str = "anna") -> Rules:
    """A mailbox's own choice."""
    with office.sessions() as session:
        return capture_rules.of(_mailbox(session, name))


def preview(office: Office, name: str = "anna", **changes: object) -> Preview:
    """What a change of rules would do, and that asking changes nothing."""
    before = dump(office)
    with office.sessions() as session:
        mailbox = _mailbox(session, name)
        told = capture_rules.preview(session, office.settings, mailbox, replace(capture_rules.of(mailbox), **changes))
        session.commit()
    assert dump(office) == before
    return told


def change(office: Office, name: str = "anna", **changes: object) -> Preview:
    """Change the rules, and check that what is done is what was told."""
    told = preview(office, name, **changes)
    before = dump(office)
    with office.sessions.begin() as session:
        mailbox = _mailbox(session, name)
        done = capture_rules.apply(
            session, office.settings, mailbox, replace(capture_rules.of(mailbox), **changes), None
        )
    assert done == told
    after = dump(office)
    entries = len(before["activities"]) - len(after["activities"])
    assert entries == told.leave
    return told


def stream(office: Office, kind: str = "mail", **changes: object) -> dict[str, object]:
    """A change of one stream's rules."""
    old = rules_of(office)
    return {"streams": {**old.streams, kind: replace(old.streams[kind], **changes)}}


def dump(office: Office) -> dict[str, list[str]]:
    """All that is stored."""
    with office.sessions() as session:
        return {
            table.name: sorted(map(repr, session.execute(select(table)).all())) for table in Base.metadata.sorted_tables
        }


def subjects(office: Office) -> Counter[str]:
    """Of what is in the history."""
    with office.sessions() as session:
        return Counter(session.scalars(select(Activity.subject)))


def skipped(office: Office) -> list[str]:
    """The rules that left items out."""
    with office.sessions() as session:
        return sorted(session.scalars(select(SkippedItem.rule)))


def fill(office: Office) -> None:
    """Mail and meetings of every kind in Anna's mailbox, some of it in Boris' as well."""
    office.server.put(office.folder("anna", "Contacts"), contact())
    inbox, sent = office.folder("anna", "Inbox"), office.folder("anna", "Sent Items")
    private = office.server.add_folder("anna@office.test", "Личное", inbox.kind)
    office.server.put(inbox, mail("Знакомая"))
    office.server.put(inbox, mail("Чужой", "petr@opt.example"))
    office.server.put(inbox, mail("Отмеченный", "ivan@opt.example", categories=("TerraCRM",)))
    office.server.put(private, mail("Личное", "mama@mail.ru"))
    office.server.put(sent, mail("Предложение", "anna@office.test", "sergey@torg.example"))
    office.server.put(inbox, mail("Ответ", "sergey@torg.example", in_reply_to="<Предложение@test>"))
    office.server.put(
        inbox,
        mail(
            "Ещё",
            "other@torg.example",
            in_reply_to="<Потерянное@test>",
            references=("<Предложение@test>", "<Потерянное@test>"),
        ),
    )
    both = mail("Обоим", "both@opt.example", "anna@office.test,boris@office.test")
    office.server.put(inbox, both)
    office.server.put(office.folder("boris", "Inbox"), both)
    office.server.put(office.folder("anna", "Calendar"), meeting())
    everything(office)


def everything(office: Office) -> None:
    """Run the streams that have something to do."""
    for step in ("anna contacts", "anna calendar", "boris mail", "anna mail"):
        office.run(*step.split())


@pytest.fixture
def full(office: Office) -> Office:
    """The office with mail in it, and no contacts made of it."""
    office.settings.mirror.create_contacts = "off"
    fill(office)
    return office


ALL = {"Знакомая", "Чужой", "Отмеченный", "Личное", "Предложение", "Ответ", "Ещё", "Обоим", "Встреча"}
# name: (the change, what is there when all is read again, what it says)
CASES: dict[str, tuple[dict[str, object], set[str], dict[str, int]]] = {
    "known people only": (
        {"capture": "known"}, {"Знакомая", "Отмеченный", "Обоим", "Встреча"}, {"leave": 5, "stay": 1},
    ),
    "replies only": (
        {"capture": "replies"},
        {"Предложение", "Ответ", "Ещё", "Отмеченный", "Обоим", "Встреча"},
        {"leave": 4, "stay": 1},
    ),
    "the category only": ({"capture": "category"}, {"Отмеченный", "Обоим", "Встреча"}, {"leave": 6, "stay": 1}),
    "nothing": ({"capture": "none"}, {"Отмеченный", "Обоим", "Встреча"}, {"leave": 6, "stay": 1}),
    "nothing, and another category": (
        {"capture": "none", "tracking_category": "Клиент"}, {"Обоим", "Встреча"}, {"leave": 7, "stay": 1},
    ),
    "all as before": ({"capture": "all"}, ALL, {}),
}  # fmt: skip


@SQLITE
@pytest.mark.parametrize("name", list(CASES))
def test_what_stays_is_what_the_new_rules_would_have_taken_in_and_going_back_brings_all_back(
    full: Office, name: str
) -> None:
    assert set(subjects(full)) == ALL
    changes, expected, numbers = CASES[name]
    told = change(full, **changes)
    assert {"leave": told.leave, "stay": told.stay} == {"leave": 0, "stay": 0} | numbers
    everything(full)
    assert set(subjects(full)) == expected
    assert change(full, capture="", tracking_category="").leave == 0
    everything(full)
    assert subjects(full) == Counter(ALL)
    assert skipped(full) == []


@SQLITE
def test_mail_that_stays_for_its_category_is_untracked_when_the_category_goes(full: Office, session: Session) -> None:
    change(full, capture="category")
    tracked = select(Link).join(Activity, Activity.id == Link.local_id).where(Activity.subject == "Отмеченный")
    assert session.scalars(tracked).one().rule == "tracked"
    full.server.change(session.scalars(tracked).one().remote_id, mail("Отмеченный", "ivan@opt.example"))
    everything(full)
    session.expire_all()
    assert session.scalars(tracked).one().untracked_at is not None
    assert change(full).leave == 0


@SQLITE
@pytest.mark.parametrize("order", list(permutations(["none", "replies"])))
def test_the_way_to_the_rules_does_not_matter(full: Office, order: tuple[str, ...]) -> None:
    for mode in order:
        change(full, capture=mode)
        if mode == "replies":
            everything(full)
    change(full, capture="known")
    everything(full)
    assert set(subjects(full)) == CASES["known people only"][1]


@SQLITE
def test_applying_the_same_rules_once_more_changes_nothing(full: Office) -> None:
    change(full, capture="known")
    everything(full)
    before = subjects(full)
    told = change(full)
    assert (told.leave, told.stay, told.cut, told.filled) == (0, 0, 0, 0)
    assert told.again == {"unknown_people": 6}
    everything(full)
    assert subjects(full) == before


def test_a_changed_setting_is_applied_to_what_is_here_when_it_is_asked_for(full: Office) -> None:
    full.settings.mirror.capture = "known"
    everything(full)
    assert set(subjects(full)) == ALL
    assert change(full).leave == 5
    everything(full)
    assert set(subjects(full)) == CASES["known people only"][1]
    full.settings.mirror.capture = "all"
    change(full)
    everything(full)
    assert set(subjects(full)) == ALL


def test_a_folder_that_is_excluded_takes_its_mail_with_it_and_brings_it_back(full: Office) -> None:
    told = change(full, **stream(full, exclude_folders=("личное",)))
    assert (told.leave, told.folders_left, told.examples[0].rule) == (1, ["Личное"], "folder_left_out")
    assert set(subjects(full)) == ALL - {"Личное"}
    everything(full)
    assert set(subjects(full)) == ALL - {"Личное"}
    told = change(full, **stream(full, exclude_folders=()))
    assert (told.leave, told.folders_joined) == (0, ["Личное"])
    everything(full)
    assert subjects(full) == Counter(ALL)


@SQLITE
def test_including_one_folder_leaves_the_others_out(full: Office) -> None:
    assert change(full, **stream(full, include_folders=("Личное",))).leave == 6
    everything(full)
    assert set(subjects(full)) == {"Личное", "Обоим", "Встреча"}


@SQLITE
def test_history_of_a_folder_that_was_deleted_in_outlook_is_not_touched_by_other_rules(full: Office) -> None:
    full.server.remove_folder(full.folder("anna", "Личное"))
    everything(full)
    change(full, **stream(full, exclude_folders=("Sent Items",)))
    assert "Личное" in subjects(full)


def test_headers_only_cuts_what_is_here_and_full_fetches_it_again(full: Office, session: Session) -> None:
    told = change(full, detail="headers")
    assert (told.leave, told.cut) == (0, 7)
    assert subjects(full) == Counter({"": 7, "Обоим": 1, "Встреча": 1})
    everything(full)
    told = change(full, detail="full")
    assert told.filled == 7
    everything(full)
    assert subjects(full) == Counter(ALL)
    assert skipped(full) == []
    assert set(session.scalars(select(Message.detail))) == {"full"}


@SQLITE
def test_what_another_mailbox_keeps_in_full_is_cut_when_that_one_lets_go(full: Office) -> None:
    change(full, detail="headers")
    assert change(full, "boris", detail="headers").cut == 1
    assert subjects(full) == Counter({"": 8, "Встреча": 1})
    assert change(full, "boris", capture="none").stay == 1


def test_a_mailbox_that_lets_go_takes_the_content_that_only_it_kept(full: Office) -> None:
    change(full, "boris", detail="headers")
    told = change(full, capture="none")
    assert (told.stay, told.cut) == (1, 1)
    assert subjects(full)["Обоим"] == 0


@SQLITE
def test_what_stays_names_the_mailbox_that_still_holds_it_as_its_source(full: Office, session: Session) -> None:
    change(full, capture="none")
    boris = _mailbox(session, "boris")
    entry = session.scalars(select(Activity).where(Activity.subject == "Обоим")).one()
    link = session.scalars(select(Link).where(Link.local_id == entry.id, Link.entity == "message")).one()
    assert (entry.mailbox_id, entry.run_id, entry.rule) == (boris.id, link.run_id, "mail")
    change(full, "boris", capture="none")
    assert "Обоим" not in subjects(full)


@SQLITE
def test_mail_that_left_outlook_goes_by_the_rules_too_and_is_not_looked_for(full: Office) -> None:
    item = full.server.put(full.folder("anna", "Inbox"), mail("Удалённое", "x@opt.example"))
    everything(full)
    full.server.delete(item)
    everything(full)
    change(full, capture="known")
    assert "Удалённое" not in subjects(full)
    change(full, capture="all")
    everything(full)
    assert set(subjects(full)) == ALL


@SQLITE
def test_a_category_for_contacts_lets_the_others_go_their_way_but_keeps_the_people(
    full: Office, session: Session
) -> None:
    told = change(full, **stream(full, "contacts", only_category="Клиенты"))
    assert (told.unfollowed, told.leave) == (1, 0)
    assert len(session.scalars(select(Contact)).all()) == 1
    link = session.scalars(select(Link).where(Link.entity == "contact")).one()
    assert link.untracked_at is not None
    full.server.change(link.remote_id, contact(job_title="Директор"))
    everything(full)
    session.expire_all()
    assert session.scalars(select(Contact.job_title)).one() == ""
    told = change(full, **stream(full, "contacts", only_category=""))
    assert told.again == {"untracked": 1}
    everything(full)
    session.expire_all()
    assert session.scalars(select(Contact.job_title)).one() == "Директор"


@SQLITE
def test_a_category_for_meetings_lets_the_others_go(full: Office) -> None:
    assert change(full, **stream(full, "calendar", only_category="Клиенты")).leave == 1
    assert "Встреча" not in subjects(full)
    change(full, **stream(full, "calendar", only_category=""))
    everything(full)
    assert set(subjects(full)) == ALL


@SQLITE
def test_examples_say_nothing_of_what_is_written(full: Office) -> None:
    told = json.dumps(asdict(preview(full, capture="none")), default=str, ensure_ascii=False)
    assert not [word for word in (*(ALL - {"Личное"}), "@") if word in told]
    assert '"folder": "Inbox"' in told


@SQLITE
def test_a_change_is_in_the_audit_log_with_old_and_new(full: Office, session: Session) -> None:
    change(full, capture="known")
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.entity) == ("rules.change", "mailbox")
    told = json.loads(entry.detail.removeprefix("command line: "))
    assert (told["old"]["capture"], told["new"]["capture"]) == ("", "known")


@SQLITE
def test_a_change_makes_the_streams_due(full: Office, session: Session) -> None:
    change(full, capture="known")
    due = select(func.count()).select_from(Stream).join(Mailbox).where(Stream.due_at <= utcnow())
    assert session.scalar(due.where(Mailbox.address == "anna@office.test")) == 3


def test_a_run_that_began_before_stores_nothing_of_a_folder_that_was_left_out(full: Office) -> None:
    private = full.folder("anna", "Личное")
    full.server.put(private, mail("Новое личное", "mama@mail.ru"))

    class Slow:
        """A connector during whose work the rules change."""

        def __init__(self, connector: object) -> None:
            self.connector = connector

        def __getattr__(self, name: str) -> object:
            return getattr(self.connector, name)

        def changes(self, *args: object) -> object:
            for page in self.connector.changes(*args):
                if any(c.record and getattr(c.record, "subject", "") == "Новое личное" for c in page.changes):
                    change(full, **stream(full, exclude_folders=("Личное",)))
                yield page

    full.run("anna", "mail", lambda account: Slow(full.connect(account)))
    assert not {"Новое личное", "Личное"} & set(subjects(full))


@SQLITE
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"capture": "some"}, "capture is one of all, known"),
        ({"detail": "some"}, "detail is one of full, headers"),
        ({"create_contacts": "some"}, "create-contacts is one of"),
        ({"tracking_category": "a, b"}, "without comma"),
        ({"streams": {"tasks": StreamRules()}}, "has no stream tasks"),
    ],
)
def test_rules_that_do_not_fit_are_refused_in_plain_words(
    office: Office, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidInput, match=says):
        preview(office, **changes)


@SQLITE
def test_a_path_is_kept_once_as_it_was_written(office: Office) -> None:
    change(office, **stream(office, exclude_folders=("/Личное / Письма/", "личное/письма", " ")))
    assert rules_of(office).streams["mail"].exclude_folders == ("Личное/Письма",)


def test_old_mail_without_contacts_is_found_again_when_the_contact_comes(full: Office) -> None:
    change(full, capture="known")
    full.server.put(full.folder("boris", "Contacts"), contact("Пётр", "petr@opt.example", company_name=""))
    full.run("boris", "contacts")
    everything(full)
    assert "Чужой" in subjects(full)


def _mailbox(session: Session, name: str) -> Mailbox:
    return session.scalars(select(Mailbox).where(Mailbox.address == f"{name}@office.test")).one()
